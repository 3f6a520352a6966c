"""Ranked reasons: the formula in numbers, and what holds for any evidence."""

import doctest
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.reasons.rules import ReasonRules, rank_reasons
from operators.records.catalogue import UNKNOWN, Reason, SignalKind, Speaks
from operators.records.facts import Evidence, RankedReason, Signal
from tests.operators.samples import REASONS, STEPS, catalogue, reason
from tests.parts.machine import ROOT

MIN_CONFIDENCE = 0.4


def signal(
    kind: str = "step_failed", step: str | None = "face_check", code: str | None = None, count: int = 1
) -> Signal:
    return Signal(kind, step, code, None, count)


def rank(reasons: dict[str, Reason], *signals: Signal, step: str | None = "face_check") -> tuple[RankedReason, ...]:
    return rank_reasons({**reasons, UNKNOWN: reason()}, signals, step, MIN_CONFIDENCE)


def test_no_signal_is_unknown_for_certain() -> None:
    assert rank(REASONS) == (RankedReason(UNKNOWN, 1.0),)


def test_a_signal_nobody_speaks_of_is_unknown() -> None:
    assert rank(REASONS, signal(code="timeout")) == (RankedReason(UNKNOWN, 1.0),)


def test_one_failure_of_weight_3_is_three_quarters() -> None:
    (best,) = rank(REASONS, signal(code="face_mismatch"))
    assert best == RankedReason(
        "face_check", 0.75, (Evidence("step_failed", "face_check", "face_mismatch", None, 1, 3.0),)
    )


@pytest.mark.parametrize(("count", "score"), [(1, 1.0), (2, 1.5), (3, 1.75), (4, 1.875), (10_000, 2.0)])
def test_repetition_counts_ever_less(count: int, score: float) -> None:
    (best,) = rank({"a": reason(Speaks("step_failed", 1.0))}, signal(count=count))
    assert best.evidence[0].weight == pytest.approx(score)
    assert best.confidence == pytest.approx(score / (score + 1.0), abs=1e-4)


def test_a_signal_at_another_step_counts_half() -> None:
    (best,) = rank(REASONS, signal(step="apply", code="face_mismatch"))
    assert best.evidence[0].weight == 1.5


@pytest.mark.parametrize(
    ("at", "broke_off", "weight"),
    [
        ("apply", "confirm", 1.5),
        ("confirm", "apply", 3.0),
        (None, "apply", 1.5),
        ("apply", None, 3.0),
        (None, None, 3.0),
    ],
)
def test_with_its_journey_only_earlier_steps_count_half(at: str | None, broke_off: str | None, weight: float) -> None:
    rules = ReasonRules(catalogue())
    (best,) = rules.rank([signal(step=at, code="face_mismatch")], broke_off, "policy_loan")
    assert best.evidence[0].weight == weight


def test_without_a_journey_we_know_any_other_step_counts_half() -> None:
    rules = ReasonRules(catalogue())
    for journey in (None, "unheard of"):
        (best,) = rules.rank([signal(step="confirm", code="face_mismatch")], "apply", journey)
        assert best.evidence[0].weight == 1.5


def test_below_the_least_confidence_unknown_comes_first_and_keeps_the_others_behind() -> None:
    reasons = {"a": reason(Speaks("hesitation", 0.5)), "b": reason(Speaks("page_hidden", 0.25))}
    ranked = rank(reasons, signal("hesitation"), signal("page_hidden"))
    assert [(each.code, each.confidence) for each in ranked] == [(UNKNOWN, 0.5714), ("a", 0.2857), ("b", 0.1428)]


def test_exactly_the_least_confidence_is_enough() -> None:
    (best,) = rank_reasons({"a": reason(Speaks("hesitation", 1.0))}, [signal("hesitation")], "face_check", 0.5)
    assert (best.code, best.confidence) == ("a", 0.5)


def test_two_reasons_share_the_confidence() -> None:
    ranked = rank(REASONS, signal(code="face_mismatch"), signal(code="sms_timeout"))
    assert [(each.code, each.confidence) for each in ranked] == [("face_check", 0.4285), ("sms_code", 0.4285)]


def test_equal_scores_go_by_priority_then_by_name() -> None:
    speaks = Speaks("hesitation", 2.0)
    reasons = {"b": reason(speaks), "a": reason(speaks), "z": reason(speaks, priority=1)}
    assert [each.code for each in rank_reasons(reasons, [signal("hesitation")], "face_check", 0.0)] == ["z", "a", "b"]


def test_a_rage_click_alone_is_no_reason() -> None:
    reasons = {"a": reason(Speaks("rage_click", 10.0), Speaks("step_failed", 0.5))}
    assert [each.code for each in rank(reasons, signal("rage_click", count=5))] == [UNKNOWN]
    (best,) = rank(reasons, signal("rage_click"), signal())
    assert [each.signal for each in best.evidence] == ["rage_click", "step_failed"]


def test_where_it_broke_off_does_not_make_a_rage_click_a_reason() -> None:
    reasons = {"a": reason(Speaks("rage_click", 5.0), Speaks("at_step", 0.5), Speaks("hesitation", 0.5))}
    unknown, behind = rank(reasons, signal("rage_click", count=5))
    assert (unknown.code, behind.code) == (UNKNOWN, "a")
    assert [each.signal for each in behind.evidence] == ["at_step"]
    (best,) = rank(reasons, signal("rage_click"), signal("hesitation"))
    assert [each.signal for each in best.evidence] == ["rage_click", "at_step", "hesitation"]


def test_a_signal_counts_once_for_a_reason_by_the_heaviest_rule() -> None:
    reasons = {"a": reason(Speaks("step_failed", 1.0), Speaks("step_failed", 3.0, ("face_*",)))}
    (best,) = rank(reasons, signal(code="face_mismatch"))
    assert [each.weight for each in best.evidence] == [3.0]


@pytest.mark.parametrize(
    ("speaks", "speaks_of_it"),
    [
        (Speaks("field_error"), True),
        (Speaks("field_error", codes=("format",)), True),
        (Speaks("field_error", codes=("for*",)), True),
        (Speaks("field_error", codes=("*",)), True),
        (Speaks("field_error", codes=("form",)), False),
        (Speaks("field_error", codes=("x", "y*")), False),
        (Speaks("field_error", fields=("id_number",)), True),
        (Speaks("field_error", fields=("phone",)), False),
        (Speaks("field_error", steps=("apply",)), True),
        (Speaks("field_error", steps=("confirm",)), False),
        (Speaks("step_failed"), False),
    ],
)
def test_which_rule_speaks_of_a_field_error(speaks: Speaks, speaks_of_it: bool) -> None:
    ranked = rank({"a": reason(speaks)}, Signal("field_error", "apply", "format", "id_number", 1), step="apply")
    assert (ranked[0].code == "a") is speaks_of_it


def test_a_rule_that_wants_a_code_does_not_speak_of_a_signal_without() -> None:
    assert rank({"a": reason(Speaks("step_failed", codes=("*",)))}, signal())[0].code == UNKNOWN


def test_where_it_broke_off_may_speak() -> None:
    reasons = {"a": reason(Speaks("at_step", 1.0, steps=("face_check",)))}
    (best,) = rank(reasons)
    assert best == RankedReason("a", 0.5, (Evidence("at_step", "face_check", None, None, 1, 1.0),))
    assert rank(reasons, step="apply")[0].code == UNKNOWN
    assert rank(reasons, step=None)[0].code == UNKNOWN


def test_the_strongest_evidence_comes_first() -> None:
    reasons = {"a": reason(Speaks("hesitation", 1.0), Speaks("step_failed", 2.0))}
    (best,) = rank(reasons, signal("hesitation"), signal(code="x"))
    assert [each.signal for each in best.evidence] == ["step_failed", "hesitation"]


def test_rules_for_unknown_are_not_asked() -> None:
    reasons = {UNKNOWN: reason(Speaks("hesitation", 9.0))}
    assert rank_reasons(reasons, [signal("hesitation")], "face_check", 0.9) == (RankedReason(UNKNOWN, 1.0),)


def test_the_catalogues_least_confidence_is_used() -> None:
    rules = ReasonRules(catalogue())
    assert [each.code for each in rules.rank([signal(code="sms_timeout")], "face_check")] == ["sms_code"]


KINDS: list[SignalKind] = ["step_failed", "field_error", "back_and_forth", "rage_click", "hesitation", "page_hidden"]
CODES = ["face_mismatch", "face_dark", "sms_timeout", "x"]
speaks = st.builds(
    Speaks,
    st.sampled_from([*KINDS, "at_step"]),
    st.floats(0.01, 10.0),
    st.lists(st.sampled_from([*CODES, "face_*", "*"]), max_size=2).map(tuple),
    st.lists(st.sampled_from(STEPS), max_size=2).map(tuple),
    st.lists(st.sampled_from(["f", "g"]), max_size=1).map(tuple),
)
reasons_of_any_kind = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", UNKNOWN]),
    st.builds(
        lambda evidence, priority: reason(*evidence, priority=priority),
        st.lists(speaks, max_size=4),
        st.integers(-5, 5),
    ),
    max_size=5,
)
signals_of_any_kind = st.lists(
    st.builds(
        Signal,
        st.sampled_from(KINDS),
        st.sampled_from([*STEPS, None]),
        st.sampled_from([*CODES, None]),
        st.sampled_from(["f", "g", None]),
        st.integers(1, 50),
    ),
    max_size=12,
    unique_by=lambda each: (each.kind, each.step, each.code, each.field),
)
places = st.sampled_from([*STEPS, None])


@settings(deadline=None)
@given(reasons_of_any_kind, signals_of_any_kind, places, st.floats(0.0, 1.0))
def test_confidences_are_shares_of_one_and_never_empty(
    reasons: dict[str, Reason], signals: list[Signal], step: str | None, least: float
) -> None:
    ranked = rank_reasons(reasons, signals, step, least)
    assert ranked
    assert all(0.0 <= each.confidence <= 1.0 for each in ranked)
    assert sum(each.confidence for each in ranked) <= 1.0 + 1e-9
    assert len({each.code for each in ranked}) == len(ranked)
    known = [each.confidence for each in ranked if each.code != UNKNOWN]
    assert known == sorted(known, reverse=True)
    assert all(set(each.evidence) for each in ranked if each.code != UNKNOWN)
    assert all({each.signal for each in best.evidence} != {"rage_click"} for best in ranked)
    assert UNKNOWN not in [each.code for each in ranked[1:]]


@settings(deadline=None)
@given(reasons_of_any_kind, signals_of_any_kind, places, st.randoms(use_true_random=False))
def test_the_order_of_signals_and_reasons_does_not_matter(
    reasons: dict[str, Reason], signals: list[Signal], step: str | None, random: Random
) -> None:
    shuffled, turned = list(signals), list(reasons.items())
    random.shuffle(shuffled)
    random.shuffle(turned)
    assert rank_reasons(reasons, signals, step, 0.4) == rank_reasons(dict(turned), shuffled, step, 0.4)


@settings(deadline=None)
@given(reasons_of_any_kind, signals_of_any_kind, places, st.integers(1, 40))
def test_more_evidence_for_one_reason_alone_never_lowers_it(
    reasons: dict[str, Reason], signals: list[Signal], step: str | None, count: int
) -> None:
    own = Speaks("step_failed", 1.0, ("its_own",))
    reasons = {code: _without_any_code(each) for code, each in reasons.items()}
    reasons["a"] = reason(*reasons["a"].evidence, own) if "a" in reasons else reason(own)
    before = rank_reasons(reasons, [*signals, Signal("step_failed", step, "its_own", None, count)], step, 0.4)
    after = rank_reasons(reasons, [*signals, Signal("step_failed", step, "its_own", None, count + 1)], step, 0.4)
    assert _place(after, "a") <= _place(before, "a")
    assert _confidence(after, "a") >= _confidence(before, "a")
    without = rank_reasons(reasons, signals, step, 0.4)
    assert _place(before, "a") <= _place(without, "a")
    assert _confidence(before, "a") >= _confidence(without, "a")


def _without_any_code(each: Reason) -> Reason:
    """No failure rule that would speak of every code."""
    kept = [s for s in each.evidence if s.signal != "step_failed" or (s.codes and "*" not in s.codes)]
    return reason(*kept, priority=each.priority)


def _place(ranked: tuple[RankedReason, ...], code: str) -> int:
    """Among the reasons we know; one that is not there is last."""
    known = [each.code for each in ranked if each.code != UNKNOWN]
    return known.index(code) if code in known else 1_000


def _confidence(ranked: tuple[RankedReason, ...], code: str) -> float:
    return next((each.confidence for each in ranked if each.code == code), 0.0)


def test_the_numbers_of_the_page_on_reasons_are_true() -> None:
    failed, run = doctest.testfile(
        str(ROOT / "docs" / "topics" / "reasons.md"), module_relative=False, encoding="utf-8"
    )
    assert run >= 10
    assert failed == 0
