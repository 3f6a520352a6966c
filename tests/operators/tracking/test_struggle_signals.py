"""Signs of struggle: thresholds, what counts where, what disorder changes and what it does not."""

from collections import Counter
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.records.catalogue import Struggle as Thresholds
from operators.records.events import (
    DEAD_CLICK,
    ELEMENT_CLICKED,
    FIELD_ERROR,
    FIELD_HESITATED,
    PAGE_HIDDEN,
    PAGE_LOOP,
    STARTED,
    STEP_COMPLETED,
    STEP_FAILED,
    STEP_VIEWED,
    Event,
)
from operators.records.facts import Signal
from operators.tracking.struggle_signals import DISTINCT_SIGNALS, TEXT_CHARS, StruggleRules, StruggleState, signals
from tests.operators.samples import STEPS, event, journey

RULES = StruggleRules(Thresholds(), journey())


class SignalledAttempt:
    """Follows step and last_seen as the tracker does."""

    def __init__(self, rules: StruggleRules = RULES) -> None:
        self.rules = rules
        self.struggle: StruggleState | None = None
        self.step: str | None = None
        self.last_seen_ms: int | None = None
        self.told: list[Signal] = []

    def notice(self, happened: Event, at_ms: int) -> Signal | None:
        self.struggle, told = self.rules.notice(self.struggle, happened, at_ms, self.step, self.last_seen_ms)
        if told is not None:
            self.told.append(told)
        if self.last_seen_ms is None or at_ms >= self.last_seen_ms:
            self.last_seen_ms = at_ms
            self.step = (happened.properties.step if happened.properties else None) or self.step
        return told

    def see(self, *steps: str, every_ms: int = 1_000) -> "SignalledAttempt":
        for step in steps:
            self.notice(event(STEP_VIEWED, step=step), (self.last_seen_ms or 0) + every_ms)
        return self

    @property
    def signals(self) -> tuple[Signal, ...]:
        return signals(self.struggle)


def test_going_forward_remembers_nothing() -> None:
    attempt = SignalledAttempt()
    attempt.notice(event(STARTED), 0)
    attempt.see(*STEPS)
    attempt.notice(event(STEP_COMPLETED, step="confirm"), 5_000)
    assert attempt.struggle is None
    assert attempt.signals == ()
    assert attempt.told == []


def test_a_failure_is_a_signal_and_the_second_at_the_step_is_told_once() -> None:
    attempt = SignalledAttempt().see("apply", "face_check")
    failed = event(STEP_FAILED, step="face_check", error_code="face_mismatch")
    assert attempt.notice(failed, 3_000) is None
    assert attempt.signals == (Signal("step_failed", "face_check", "face_mismatch", None, 1),)
    assert attempt.notice(failed, 4_000) == Signal("step_failed", "face_check", "face_mismatch", None, 2)
    assert attempt.notice(failed, 5_000) is None
    assert attempt.signals == (Signal("step_failed", "face_check", "face_mismatch", None, 3),)


def test_failures_of_different_codes_at_one_step_add_up() -> None:
    attempt = SignalledAttempt().see("face_check")
    attempt.notice(event(STEP_FAILED, error_code="face_mismatch"), 3_000)
    told = attempt.notice(event(STEP_FAILED, error_code=404), 4_000)
    assert told == Signal("step_failed", "face_check", "404", None, 2)
    assert attempt.signals == (
        Signal("step_failed", "face_check", "face_mismatch", None, 1),
        Signal("step_failed", "face_check", "404", None, 1),
    )


def test_each_step_is_told_of_for_itself() -> None:
    attempt = SignalledAttempt()
    for at_ms, step in enumerate(("apply", "apply", "face_check", "face_check")):
        attempt.notice(event(STEP_FAILED, step=step, error_code="x"), at_ms)
    assert [each.step for each in attempt.told] == ["apply", "face_check"]


def test_field_errors_are_kept_by_field_and_code() -> None:
    attempt = SignalledAttempt().see("apply")
    for at_ms, field in enumerate(("id_number", "id_number", "phone")):
        attempt.notice(event(FIELD_ERROR, field=field, code="format"), 2_000 + at_ms)
    assert attempt.signals == (
        Signal("field_error", "apply", "format", "id_number", 2),
        Signal("field_error", "apply", "format", "phone", 1),
    )
    assert attempt.told == [Signal("field_error", "apply", "format", "phone", 3)]


def test_a_failure_may_bring_its_code_under_the_other_name() -> None:
    attempt = SignalledAttempt().see("apply")
    attempt.notice(event(STEP_FAILED, code="a"), 2_000)
    attempt.notice(event(FIELD_ERROR, error_code=0), 2_001)
    assert [each.code for each in attempt.signals] == ["a", "0"]


def test_back_and_forth_is_told_at_the_third_visit_and_counts_on() -> None:
    attempt = SignalledAttempt().see("apply", "face_check", "apply", "face_check")
    assert attempt.told == []
    attempt.see("apply")
    assert attempt.told == [Signal("back_and_forth", "apply", None, None, 3)]
    attempt.see("face_check", "apply")
    assert attempt.signals == (Signal("back_and_forth", "apply", None, None, 4),)
    assert len(attempt.told) == 1


def test_reloading_a_step_is_not_going_back() -> None:
    attempt = SignalledAttempt().see("apply", "face_check", "face_check", "face_check", "face_check")
    assert attempt.struggle is None


def test_two_thresholds_of_visits_are_the_catalogues() -> None:
    attempt = SignalledAttempt(StruggleRules(Thresholds(back_and_forth_visits=2), journey())).see(
        "apply", "confirm", "apply"
    )
    assert attempt.told == [Signal("back_and_forth", "apply", None, None, 2)]


def click(target: str | None = "submit", x: float | None = 10.0, control: str | None = None) -> Event:
    return event(ELEMENT_CLICKED, step="apply", target=target, x=x, y=x, control=control)


def test_three_quick_clicks_on_one_target_are_a_rage_click() -> None:
    attempt = SignalledAttempt()
    assert [attempt.notice(click(), at_ms) for at_ms in (0, 300, 600, 900)] == [
        None,
        None,
        Signal("rage_click", "apply", "submit", None, 1),
        None,
    ]
    assert attempt.signals == (Signal("rage_click", "apply", "submit", None, 1),)


def test_a_second_burst_counts_and_is_not_told_again() -> None:
    attempt = SignalledAttempt()
    for at_ms in (0, 300, 600, 5_000, 5_300, 5_600):
        attempt.notice(click(), at_ms)
    assert attempt.signals == (Signal("rage_click", "apply", "submit", None, 2),)
    assert len(attempt.told) == 1


@pytest.mark.parametrize(
    ("third", "at_ms"),
    [
        (click(), 1_500),
        (click(target="other"), 700),
        (click(target=None), 700),
        (click(target=""), 700),
        (click(x=32.0), 700),
        (click(control="text_input"), 700),
    ],
    ids=["a second later", "another target", "no target", "an empty target", "30 px away", "an ignored control"],
)
def test_what_is_no_rage_click(third: Event, at_ms: int) -> None:
    attempt = SignalledAttempt()
    attempt.notice(click(), 0)
    attempt.notice(click(), 500)
    attempt.notice(third, at_ms)
    assert attempt.signals == ()


def test_clicks_without_coordinates_count_by_target() -> None:
    attempt = SignalledAttempt()
    for at_ms in (0, 300, 600):
        attempt.notice(click(x=None), at_ms)
    assert [each.kind for each in attempt.signals] == ["rage_click"]


def test_what_the_page_itself_noticed_is_kept_by_step_with_its_target_or_field() -> None:
    attempt = SignalledAttempt().see("apply")
    for at_ms, target in enumerate(("submit", "submit", "next", "submit")):
        attempt.notice(event(DEAD_CLICK, target=target), 2_000 + at_ms)
    for at_ms, field in enumerate(("phone", "phone", "id_number", "phone")):
        attempt.notice(event(FIELD_HESITATED, field=field), 3_000 + at_ms)
    for at_ms in (4_000, 4_001):
        attempt.notice(event(PAGE_LOOP, target="/loan"), at_ms)
    assert attempt.signals == (
        Signal("dead_click", "apply", "submit", None, 3),
        Signal("dead_click", "apply", "next", None, 1),
        Signal("field_hesitation", "apply", None, "phone", 3),
        Signal("field_hesitation", "apply", None, "id_number", 1),
        Signal("page_loop", "apply", "/loan", None, 2),
    )
    assert attempt.told == [
        Signal("dead_click", "apply", "submit", None, 2),
        Signal("field_hesitation", "apply", None, "id_number", 3),
        Signal("page_loop", "apply", "/loan", None, 1),
    ]


def test_when_a_dead_click_or_a_hesitation_at_fields_is_told_the_catalogue_says() -> None:
    attempt = SignalledAttempt(StruggleRules(Thresholds(dead_clicks=1, field_hesitations=1), journey())).see("apply")
    assert attempt.notice(event(DEAD_CLICK), 2_000) == Signal("dead_click", "apply", None, None, 1)
    assert attempt.notice(event(FIELD_HESITATED), 2_001) == Signal("field_hesitation", "apply", None, None, 1)


def test_clicks_on_ignored_controls_remember_nothing() -> None:
    attempt = SignalledAttempt()
    for at_ms in (0, 10, 20, 30):
        attempt.notice(click(control="next"), at_ms)
    assert attempt.struggle is None


def test_a_pause_is_hesitation_at_the_step_it_was_made_at() -> None:
    attempt = SignalledAttempt().see("apply")
    assert attempt.notice(event(STEP_VIEWED, step="face_check"), 61_001) == Signal("hesitation", "apply", None, None, 1)
    assert attempt.notice(event(PAGE_HIDDEN), 131_002) == Signal("hesitation", "face_check", None, None, 1)
    assert attempt.signals == (
        Signal("hesitation", "apply", None, None, 1),
        Signal("hesitation", "face_check", None, None, 1),
        Signal("page_hidden", "face_check", None, None, 1),
    )


@pytest.mark.parametrize(("pause_ms", "count"), [(60_000, 0), (60_001, 1), (300_000, 1), (300_001, 0)])
def test_hesitation_is_longer_than_its_threshold_and_no_longer_than_a_break_off(pause_ms: int, count: int) -> None:
    attempt = SignalledAttempt().see("apply", every_ms=1_000)
    attempt.notice(event(STEP_VIEWED, step="face_check"), 1_000 + pause_ms)
    assert len(attempt.signals) == count


def test_a_step_may_have_its_own_hesitation() -> None:
    attempt = SignalledAttempt(StruggleRules(Thresholds(), journey(hesitation_at={"face_check": "5s"})))
    attempt.see("apply", "face_check", "confirm", every_ms=6_000)
    assert attempt.signals == (Signal("hesitation", "face_check", None, None, 1),)


def test_a_failure_after_a_long_pause_tells_the_failure_and_counts_both() -> None:
    attempt = SignalledAttempt().see("apply")
    attempt.notice(event(STEP_FAILED, error_code="x"), 2_000)
    told = attempt.notice(event(STEP_FAILED, error_code="x"), 80_000)
    assert told == Signal("step_failed", "apply", "x", None, 2)
    assert [each.kind for each in attempt.signals] == ["step_failed", "hesitation"]


def test_what_comes_late_adds_failures_but_neither_pauses_nor_going_back() -> None:
    attempt = SignalledAttempt().see("apply", "face_check", "confirm")
    attempt.notice(event(STEP_VIEWED, step="apply"), 500)
    attempt.notice(event(STEP_VIEWED, step="apply"), 400)
    attempt.notice(event(STEP_FAILED, step="apply", error_code="x"), 600)
    assert attempt.signals == (Signal("step_failed", "apply", "x", None, 1),)


def test_an_attempt_remembers_a_bounded_number_of_signals_and_counts_those_on() -> None:
    attempt = SignalledAttempt()
    for number in range(100):
        attempt.notice(event(STEP_FAILED, step="apply", error_code=number), number)
        attempt.notice(event(STEP_FAILED, step="apply", error_code="first" if number else 0), number)
    assert len(attempt.signals) == DISTINCT_SIGNALS
    assert max(each.count for each in attempt.signals) == 99


def test_going_back_does_not_break_the_bound() -> None:
    attempt = SignalledAttempt()
    for number in range(DISTINCT_SIGNALS):
        attempt.notice(event(STEP_FAILED, step="apply", error_code=number), number)
    attempt.see("apply", "confirm", "apply", "confirm", "apply", "confirm", "apply")
    assert len(attempt.signals) == DISTINCT_SIGNALS


def test_long_texts_are_cut() -> None:
    attempt = SignalledAttempt()
    attempt.notice(event(STEP_FAILED, step="apply", error_code="x" * 30_000), 0)
    attempt.notice(event(FIELD_ERROR, step="apply", field="f" * 30_000, code=10**200), 1)
    assert [len(each.code or "") for each in attempt.signals] == [TEXT_CHARS, TEXT_CHARS]
    assert len(attempt.signals[1].field or "") == TEXT_CHARS


def test_an_event_without_properties_is_taken() -> None:
    struggle, told = RULES.notice(None, Event(event=STEP_VIEWED, user_id="u"), 0, "apply", 0)
    assert (struggle, told) == (None, None)
    struggle, told = RULES.notice(None, Event(event=STEP_FAILED, user_id="u"), 0, None, None)
    assert signals(struggle) == (Signal("step_failed", None, None, None, 1),)


codes = st.sampled_from(["a", "b", 7, None])
steps = st.sampled_from([*STEPS, None, "elsewhere"])
failures = st.builds(lambda step, code: event(STEP_FAILED, step=step, error_code=code), steps, codes)
field_errors = st.builds(lambda step, code: event(FIELD_ERROR, step=step, field="f", code=code), steps, codes)
targets = st.sampled_from(["submit", "next", "", None])
noticed = st.builds(
    lambda name, step, target: event(name, step=step, target=target, field=target),
    st.sampled_from([DEAD_CLICK, FIELD_HESITATED, PAGE_LOOP]),
    steps,
    targets,
)
views = st.builds(lambda step: event(STEP_VIEWED, step=step), steps)
clicks = st.builds(lambda step, x: event(ELEMENT_CLICKED, step=step, target="t", x=x, y=x), steps, st.floats())
anything = st.lists(
    st.tuples(st.one_of(failures, field_errors, noticed, views, clicks), st.integers(-1_000, 400_000)), max_size=60
)


@settings(deadline=None)
@given(anything, st.integers(0, 60))
def test_stored_and_taken_up_again_it_goes_on_as_before(happened: list[tuple[Event, int]], stored_after: int) -> None:
    whole, stored = SignalledAttempt(), SignalledAttempt()
    for number, (each, at_ms) in enumerate(happened):
        if number == stored_after:
            packed = msgspec.msgpack.encode(stored.struggle)
            stored.struggle = msgspec.msgpack.decode(packed, type=StruggleState | None)
        assert whole.notice(each, at_ms) == stored.notice(each, at_ms)
    assert whole.signals == stored.signals


@settings(deadline=None)
@given(anything)
def test_each_kind_is_told_once_a_step_and_never_below_its_threshold(happened: list[tuple[Event, int]]) -> None:
    attempt = SignalledAttempt()
    for each, at_ms in happened:
        attempt.notice(each, at_ms)
    told = [(each.kind, each.step) for each in attempt.told]
    assert len(told) == len(set(told))
    least = {"step_failed": 2, "field_error": 3, "back_and_forth": 3, "dead_click": 2, "field_hesitation": 3}
    assert all(each.count == least.get(each.kind, 1) for each in attempt.told)
    assert len({(s.kind, s.step, s.code, s.field) for s in attempt.signals}) == len(attempt.signals)


@settings(deadline=None)
@given(st.lists(st.one_of(failures, field_errors, noticed), max_size=20), st.randoms(use_true_random=False))
def test_failures_and_field_errors_add_up_in_any_order(happened: list[Event], random: Random) -> None:
    with_step = [each for each in happened if each.properties and each.properties.step]
    shuffled = list(with_step)
    random.shuffle(shuffled)
    first, second = SignalledAttempt(), SignalledAttempt()
    for at_ms, (one, other) in enumerate(zip(with_step, shuffled, strict=True)):
        first.notice(one, at_ms)
        second.notice(other, at_ms)
    assert set(first.signals) == set(second.signals)


@settings(deadline=None)
@given(st.lists(noticed, max_size=60))
def test_what_pages_noticed_is_what_anybody_would_count(happened: list[Event]) -> None:
    """A plain count over what was sent, as long as no more than ``DISTINCT_SIGNALS`` are different."""
    attempt, counted, step = SignalledAttempt(), Counter[tuple[str, str | None, str | None, str | None]](), None
    kinds = {DEAD_CLICK: "dead_click", FIELD_HESITATED: "field_hesitation", PAGE_LOOP: "page_loop"}
    for at_ms, each in enumerate(happened):
        attempt.notice(each, at_ms)
        assert each.event is not None
        assert each.properties is not None
        step, name = each.properties.step or step, each.properties.target or None
        at_a_field = each.event == FIELD_HESITATED
        counted[kinds[each.event], step, None if at_a_field else name, name if at_a_field else None] += 1
    assert all(counted[s.kind, s.step, s.code, s.field] == s.count for s in attempt.signals)
    assert len(attempt.signals) == min(len(counted), DISTINCT_SIGNALS)
