"""Arbitration: each why-not, retirement, quiet hours, memory; and what holds for any order of inputs."""

from collections import Counter
from typing import Literal

import pytest

from operators.hints.arbitration import (
    CONTACT_ENDS_AFTER_MS,
    Arbitration,
    ArbitrationInput,
    Contact,
    HintFeedback,
    Verdict,
    in_control_group,
)
from operators.hints.hint import HeldBack, Hint, Retirement, Speak
from operators.records.catalogue import UNKNOWN, Caps, ControlGroup, Hints, QuietHours, Words
from operators.records.facts import Fact, FactKind, RankedReason, Signal
from operators.support.snapshot_codec import StateUnreadable
from tests.operators.samples import LOAN, TITLES, catalogue, fact

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOON_MS = 1_772_337_600_000
"""2026-03-01T12:00 in Shanghai."""

TEN_PM_MS = NOON_MS + 10 * HOUR_MS
EIGHT_AM_MS = NOON_MS + 20 * HOUR_MS
NIGHT = QuietHours("Asia/Shanghai", "21:00", "08:00")
NIGHT_DROPPED = QuietHours("Asia/Shanghai", "21:00", "08:00", "drop")


def decide(arbitration: Arbitration, now_ms: int, *inputs: ArbitrationInput) -> list[Verdict]:
    return arbitration.decide(inputs, now_ms)


def hint_of(verdicts: list[Verdict]) -> Hint:
    """The one hint among them."""
    (hint,) = [each for each in verdicts if isinstance(each, Hint)]
    return hint


def has_hint(verdicts: list[Verdict]) -> bool:
    return any(isinstance(each, Hint) for each in verdicts)


def why_nots(verdicts: list[Verdict]) -> list[str]:
    return [each.why_not for each in verdicts if isinstance(each, HeldBack)]


def test_an_abandonment_becomes_a_hint() -> None:
    signals = (Signal("step_failed", "face_check", "face_mismatch", None, 2),)
    (hint,) = decide(Arbitration(catalogue()), NOON_MS, fact(at_ms=NOON_MS - 50, signals=signals))
    assert isinstance(hint, Hint)
    assert (hint.customer_id, hint.journey, hint.transaction_id, hint.step) == ("u1", "policy_loan", "t1", "face_check")
    assert (hint.journey_title, hint.step_title, hint.attempt_id) == (LOAN, TITLES["face_check"], "a1")
    assert (hint.reason.code, hint.reason_title) == ("face_check", Words("face zh", "face en"))
    assert hint.text == Words("您的保单贷款停在人脸识别", "Your policy loan stopped at Face check")
    assert hint.article.id == "help-face"
    assert (hint.abandoned_at_ms, hint.created_at_ms) == (NOON_MS - 50, NOON_MS)
    assert hint.expires_at_ms == NOON_MS + DAY_MS
    assert hint.speak_after_ms == NOON_MS
    assert hint.surfaces == ("desk", "chatbot")
    assert hint.explanation == (
        Words("人脸识别：失败 2 次（face_mismatch）", "Face check: failed twice (face_mismatch)"),
    )
    assert hint.step_titles == {"face_check": TITLES["face_check"]}
    assert hint.cause == "m1"


def test_an_agent_who_knows_better_can_pick_from_the_reasons_behind() -> None:
    ranked = [RankedReason(code, 0.2) for code in ("face_check", UNKNOWN, "gone", "sms_code")]
    hint = hint_of(decide(Arbitration(catalogue()), NOON_MS, fact(reasons=ranked)))
    assert [each.code for each in hint.other_reasons] == ["sms_code"]
    alone = hint_of(decide(Arbitration(catalogue()), NOON_MS, fact(reasons=ranked[:1])))
    assert alone.other_reasons == ()


def test_need_and_priority_follow_their_formulas() -> None:
    signals = (
        Signal("step_failed", "face_check", "x", None, 4),
        Signal("page_hidden", "face_check", None, None, 99),
    )
    hint = hint_of(decide(Arbitration(catalogue()), NOON_MS, fact(signals=signals)))
    sure = 0.3 + 0.75 * (0.7 - 0.3)
    assert hint.need == pytest.approx(sure + (1 - sure) * 0.5 * 0.5)
    assert hint.priority == round(50 + 10 + 20 * hint.need)


def test_without_reasons_or_for_one_that_is_gone_the_words_are_those_of_unknown() -> None:
    for reasons in ((), (RankedReason("gone", 0.9),)):
        hint = hint_of(decide(Arbitration(catalogue()), NOON_MS, fact(reasons=reasons)))
        assert hint.reason.code == (reasons[0].code if reasons else UNKNOWN)
        assert hint.reason_title == Words("unknown zh", "unknown en")
        assert hint.need == 0.3


def test_a_journey_or_step_that_is_gone_has_its_own_name() -> None:
    hint = hint_of(decide(Arbitration(catalogue()), NOON_MS, fact(journey="gone", step="old")))
    assert (hint.journey_title, hint.step_title) == (Words("gone", "gone"), Words("old", "old"))
    assert hint.priority == round(50 + 10 + 20 * hint.need)


def test_without_a_step_there_is_no_step_title() -> None:
    assert hint_of(decide(Arbitration(catalogue()), NOON_MS, fact(step=None))).step_title is None


def test_the_control_group_gets_nothing_and_is_not_remembered() -> None:
    arbitration = Arbitration(catalogue(control_group=ControlGroup(share=1.0)))
    assert decide(arbitration, NOON_MS, fact()) == [HeldBack("a1", "u1", "policy_loan", "control", NOON_MS)]
    assert len(arbitration) == 0


def test_the_control_group_is_the_share_asked_for_and_another_with_another_salt() -> None:
    customers = [f"customer-{number}" for number in range(20_000)]
    one = {each for each in customers if in_control_group(each, "zhiyin", 0.05)}
    other = {each for each in customers if in_control_group(each, "spring", 0.05)}
    assert 0.045 < len(one) / len(customers) < 0.055
    assert len(one & other) / len(one) < 0.1
    assert one <= {each for each in customers if in_control_group(each, "zhiyin", 0.06)}
    assert not any(in_control_group(each, "zhiyin", 0.0) for each in customers)


def test_nobody_in_contact_gets_a_hint_until_the_contact_ends() -> None:
    arbitration = Arbitration(catalogue())
    decide(arbitration, NOON_MS, Contact("u1", True, NOON_MS, "phone"))
    assert why_nots(decide(arbitration, NOON_MS + 1_000, fact())) == ["in_contact"]
    assert has_hint(decide(arbitration, NOON_MS + 1_000, fact(customer="u2")))
    verdicts = decide(arbitration, NOON_MS + 2_000, Contact("u1", False, NOON_MS + 2_000, "phone"), fact())
    assert has_hint(verdicts)


def test_a_desk_that_is_in_contact_gets_the_hint_and_no_bot_speaks() -> None:
    arbitration = Arbitration(catalogue())
    decide(arbitration, NOON_MS, Contact("u1", True, NOON_MS, "phone", "d1"))
    (hint,) = decide(arbitration, NOON_MS + 1_000, fact())
    assert isinstance(hint, Hint)
    assert hint.speak_after_ms is None
    decide(arbitration, NOON_MS + 2_000, Contact("u1", True, NOON_MS + 2_000, "counter"))
    assert why_nots(decide(arbitration, NOON_MS + 3_000, fact(attempt="a2"))) == ["in_contact"]


def test_a_contact_nobody_ended_is_over_after_an_hour() -> None:
    arbitration = Arbitration(catalogue())
    decide(arbitration, NOON_MS, Contact("u1", True, NOON_MS, "phone"))
    assert why_nots(decide(arbitration, NOON_MS + CONTACT_ENDS_AFTER_MS - 1, fact())) == ["in_contact"]
    assert has_hint(decide(arbitration, NOON_MS + CONTACT_ENDS_AFTER_MS, fact()))


def test_the_latest_word_on_a_contact_counts_in_whatever_order_it_comes() -> None:
    arbitration = Arbitration(catalogue())
    ended, began = Contact("u1", False, NOON_MS + 60_000, "chat"), Contact("u1", True, NOON_MS, "chat")
    assert has_hint(decide(arbitration, NOON_MS + 61_000, ended, began, fact()))


def test_the_same_matter_twice_is_one_hint_while_it_is_open() -> None:
    arbitration = Arbitration(catalogue())
    first, again = fact(attempt="a1"), fact(attempt="a2")
    other_reason = fact(attempt="a3", reasons=(RankedReason("sms_code", 0.8),))
    other_journey = fact(attempt="a4", journey="claim")
    verdicts = decide(arbitration, NOON_MS, first, again, other_reason, other_journey)
    assert [type(each) for each in verdicts] == [Hint, HeldBack, Hint, Hint]
    assert why_nots(verdicts) == ["duplicate"]
    decide(arbitration, NOON_MS, fact("returned", attempt="a1"))
    assert why_nots(decide(arbitration, NOON_MS, again)) == ["cap"]


def test_the_cap_is_a_rolling_window_over_all_journeys() -> None:
    arbitration = Arbitration(catalogue(caps=Caps(hints=2, window="24h"), hints=Hints(lifetime="1h")))
    assert has_hint(decide(arbitration, NOON_MS, fact(attempt="a1")))
    assert has_hint(decide(arbitration, NOON_MS + 12 * HOUR_MS, fact(attempt="a2", journey="claim")))
    assert why_nots(decide(arbitration, NOON_MS + DAY_MS - 1, fact(attempt="a3"))) == ["cap"]
    assert has_hint(decide(arbitration, NOON_MS + DAY_MS, fact(attempt="a3")))
    assert why_nots(decide(arbitration, NOON_MS + DAY_MS + 2 * HOUR_MS, fact(attempt="a4"))) == ["cap"]


def test_the_cap_holds_when_the_clock_is_set_back() -> None:
    arbitration = Arbitration(catalogue(caps=Caps(hints=1, window="1h"), hints=Hints(lifetime="1m")))
    assert has_hint(decide(arbitration, NOON_MS, fact(attempt="a1")))
    assert why_nots(decide(arbitration, NOON_MS - 2 * HOUR_MS, fact(attempt="a2", journey="claim"))) == ["cap"]


@pytest.mark.parametrize("kind", ["returned", "completed", "cancelled", "expired"])
def test_what_ends_a_break_off_retires_its_hint_once(
    kind: Literal["returned", "completed", "cancelled", "expired"],
) -> None:
    arbitration = Arbitration(catalogue())
    hint = hint_of(decide(arbitration, NOON_MS, fact()))
    over = fact(kind, at_ms=5_000)
    assert decide(arbitration, NOON_MS + 9, over, over) == [
        Retirement(hint.hint_id, "u1", kind, NOON_MS + 9, "policy_loan")
    ]


@pytest.mark.parametrize("kind", ["started", "idle", "struggled"])
def test_what_does_not_end_it_leaves_the_hint_open(kind: FactKind) -> None:
    arbitration = Arbitration(catalogue())
    decide(arbitration, NOON_MS, fact())
    assert decide(arbitration, NOON_MS + 1, fact(kind)) == []
    assert len(decide(arbitration, NOON_MS + 2, fact("completed"))) == 1


def test_only_the_attempts_own_hint_is_retired() -> None:
    arbitration = Arbitration(catalogue())
    first = hint_of(decide(arbitration, NOON_MS, fact(attempt="a1")))
    decide(arbitration, NOON_MS, fact(attempt="a2", journey="claim"))
    assert decide(arbitration, NOON_MS, fact("completed", attempt="a3")) == []
    assert decide(arbitration, NOON_MS, fact("completed", customer="u2", attempt="a1")) == []
    assert decide(arbitration, NOON_MS, fact("completed", attempt="a1")) == [
        Retirement(first.hint_id, "u1", "completed", NOON_MS, "policy_loan")
    ]


def test_an_attempt_that_breaks_off_again_gets_another_hint() -> None:
    arbitration = Arbitration(catalogue())
    first = hint_of(decide(arbitration, NOON_MS, fact(at_ms=1_000)))
    decide(arbitration, NOON_MS + 1, fact("returned", at_ms=2_000))
    second = hint_of(decide(arbitration, NOON_MS + 2, fact(at_ms=3_000)))
    assert first.hint_id != second.hint_id


def test_catching_up_on_two_break_offs_and_the_end_gives_two_hints_as_they_came() -> None:
    inputs = (fact(at_ms=1), fact("returned", at_ms=2), fact(at_ms=3), fact("returned", at_ms=4), fact("completed"))
    first, back, second, over = decide(Arbitration(catalogue()), NOON_MS, *inputs)
    assert isinstance(first, Hint)
    assert isinstance(second, Hint)
    assert back == Retirement(first.hint_id, "u1", "returned", NOON_MS, "policy_loan")
    assert over == Retirement(second.hint_id, "u1", "completed", NOON_MS, "policy_loan")


def test_a_used_or_dismissed_hint_is_open_no_longer() -> None:
    for state in ("used", "dismissed"):
        arbitration = Arbitration(catalogue())
        hint = hint_of(decide(arbitration, NOON_MS, fact()))
        decide(arbitration, NOON_MS + 1, HintFeedback(hint.hint_id, "u1", state, True, NOON_MS + 1))
        assert decide(arbitration, NOON_MS + 2, fact("completed")) == []


def test_a_shown_hint_stays_open_and_unknown_feedback_is_nothing() -> None:
    arbitration = Arbitration(catalogue())
    hint = hint_of(decide(arbitration, NOON_MS, fact()))
    decide(
        arbitration,
        NOON_MS + 1,
        HintFeedback(hint.hint_id, "u1", "shown", None, NOON_MS),
        HintFeedback("another", "u1", "used", None, NOON_MS),
        HintFeedback(hint.hint_id, "u2", "used", None, NOON_MS),
    )
    assert len(decide(arbitration, NOON_MS + 2, fact("completed"))) == 1


def test_a_hint_that_ran_out_is_not_retired() -> None:
    arbitration = Arbitration(catalogue())
    decide(arbitration, NOON_MS, fact())
    assert decide(arbitration, NOON_MS + DAY_MS, fact("completed")) == []


def test_quiet_hours_defer_only_the_speaking() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT))
    verdicts = decide(arbitration, TEN_PM_MS, fact())
    hint = hint_of(verdicts)
    assert hint.speak_after_ms == EIGHT_AM_MS
    assert hint.created_at_ms == TEN_PM_MS
    assert why_nots(verdicts) == []
    assert arbitration.next_due_ms == EIGHT_AM_MS
    assert arbitration.due(EIGHT_AM_MS - 1) == []
    assert arbitration.due(EIGHT_AM_MS) == [Speak(hint.hint_id, "u1", EIGHT_AM_MS, "policy_loan")]
    assert arbitration.due(EIGHT_AM_MS + 1) == []


def test_outside_quiet_hours_nothing_is_deferred() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT))
    assert hint_of(decide(arbitration, NOON_MS, fact())).speak_after_ms == NOON_MS
    assert arbitration.due(NOON_MS + 10 * DAY_MS) == []


def test_nobody_speaks_of_a_hint_that_is_not_open_any_more() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT))
    decide(arbitration, TEN_PM_MS, fact(attempt="a1"))
    used = hint_of(decide(arbitration, TEN_PM_MS, fact(attempt="a2", journey="claim")))
    decide(arbitration, TEN_PM_MS + 1, fact("returned", attempt="a1"))
    decide(arbitration, TEN_PM_MS + 1, HintFeedback(used.hint_id, "u1", "used", None, TEN_PM_MS))
    assert arbitration.due(EIGHT_AM_MS) == []


def test_quiet_hours_may_drop_the_speaking_and_say_so() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT_DROPPED))
    verdicts = decide(arbitration, TEN_PM_MS, fact())
    assert hint_of(verdicts).speak_after_ms is None
    assert why_nots(verdicts) == ["quiet_hours"]
    assert arbitration.due(EIGHT_AM_MS) == []


def test_a_hint_that_runs_out_before_morning_never_speaks() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT, hints=Hints(lifetime="1h")))
    verdicts = decide(arbitration, TEN_PM_MS, fact())
    assert hint_of(verdicts).speak_after_ms is None
    assert why_nots(verdicts) == ["quiet_hours"]


def test_without_a_chatbot_nobody_speaks_and_nothing_is_held_back() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT, hints=Hints(surfaces=("desk",))))
    verdicts = decide(arbitration, TEN_PM_MS, fact())
    assert hint_of(verdicts).speak_after_ms is None
    assert why_nots(verdicts) == []


def test_woken_late_it_waits_for_the_next_morning() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT, hints=Hints(lifetime="7d")))
    hint = hint_of(decide(arbitration, TEN_PM_MS, fact()))
    assert arbitration.due(TEN_PM_MS + DAY_MS) == []
    assert arbitration.next_due_ms == EIGHT_AM_MS + DAY_MS
    assert arbitration.due(EIGHT_AM_MS + DAY_MS) == [Speak(hint.hint_id, "u1", EIGHT_AM_MS + DAY_MS, "policy_loan")]


def test_nobody_speaks_into_a_conversation() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT))
    hint = hint_of(decide(arbitration, TEN_PM_MS, fact()))
    decide(arbitration, EIGHT_AM_MS, Contact("u1", True, EIGHT_AM_MS - 60_000, "phone"))
    over_ms = EIGHT_AM_MS - 60_000 + CONTACT_ENDS_AFTER_MS
    assert arbitration.due(EIGHT_AM_MS) == []
    assert arbitration.due(over_ms) == [Speak(hint.hint_id, "u1", over_ms, "policy_loan")]


def test_taken_up_again_it_goes_on_as_before_with_the_same_ids() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT), keeps_changes=True)
    decide(arbitration, TEN_PM_MS, fact(attempt="a1"), Contact("u2", True, TEN_PM_MS, "phone"))
    packs = [arbitration.changes()[1]]
    batch = (fact(attempt="a2", journey="claim"), fact("completed", attempt="a1"), fact(customer="u2"))
    again = Arbitration(catalogue(quiet_hours=NIGHT))
    again.restore(arbitration.head(), packs)
    first = [decide(arbitration, TEN_PM_MS + 9, *batch), arbitration.due(EIGHT_AM_MS)]
    assert [decide(again, TEN_PM_MS + 9, *batch), again.due(EIGHT_AM_MS)] == first
    later = Arbitration(catalogue(quiet_hours=NIGHT))
    later.restore(arbitration.head(), [*packs, arbitration.changes()[1]])
    assert [each.rows(each.all_keys()) for each in (later, again)] == [arbitration.rows(arbitration.all_keys())] * 2


def test_only_what_may_have_changed_is_packed_and_the_forgotten_stay_forgotten() -> None:
    arbitration = Arbitration(catalogue(), keeps_changes=True)
    decide(arbitration, NOON_MS, fact(customer="u1"), fact(customer="u2"))
    packs = [arbitration.changes()[1]]
    assert arbitration.changes()[0] == 0
    arbitration.due(NOON_MS + 2 * DAY_MS)
    changed, pack = arbitration.changes()
    assert (changed, len(arbitration)) == (2, 0)
    again = Arbitration(catalogue())
    again.restore(arbitration.head(), [*packs, pack])
    assert len(again) == 0


@pytest.mark.parametrize(
    ("head", "found"),
    [(b"", "nothing we know"), (b"\xc1", "nothing we know"), (b"\x91\xa3old", "'old'")],
)
def test_other_state_is_refused_by_name(head: bytes, found: str) -> None:
    with pytest.raises(StateUnreadable, match=f"found format {found}, expected 'zhiyin-arbitration-1'"):
        Arbitration(catalogue()).restore(head, [])


def test_all_is_forgotten_in_the_end() -> None:
    arbitration = Arbitration(catalogue(quiet_hours=NIGHT))
    assert arbitration.next_due_ms is None
    inputs = [fact(customer=f"u{number}") for number in range(50)]
    decide(arbitration, TEN_PM_MS, *inputs, Contact("u99", True, TEN_PM_MS, None), Contact("u98", False, 0, None))
    speaks = arbitration.due(EIGHT_AM_MS)
    assert len(speaks) == 50
    assert len(arbitration) == 50
    arbitration.due(TEN_PM_MS + DAY_MS)
    assert len(arbitration) == 0
    assert arbitration.next_due_ms is None


def test_memory_follows_the_window_however_many_customers_pass() -> None:
    rules = catalogue(caps=Caps(hints=1, window="1m"), hints=Hints(lifetime="30s"))
    arbitration = Arbitration(rules)
    most, told = 0, Counter[type]()
    for number in range(20_000):
        now_ms = NOON_MS + number * 100
        arbitration.due(now_ms)
        told.update(map(type, decide(arbitration, now_ms, _passing(number))))
        most = max(most, len(arbitration))
    assert told[Hint] == 20_000
    assert most <= 601
    assert len(arbitration.rows(arbitration.all_keys())) < 200 * 601


def _passing(number: int) -> Fact:
    return fact(customer=f"customer-{number}", attempt=f"attempt-{number}", at_ms=NOON_MS + number * 100)


def test_a_return_that_ends_at_once_retires_the_hint_for_its_end() -> None:
    arbitration = Arbitration(catalogue())
    hint = hint_of(decide(arbitration, NOON_MS, fact()))
    over = decide(arbitration, NOON_MS + 1, fact("returned"), fact("completed"))
    assert over == [Retirement(hint.hint_id, hint.customer_id, "completed", NOON_MS + 1, "policy_loan")]
