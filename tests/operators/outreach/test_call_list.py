"""The outreach list: who goes on it, what takes a customer from it, cool-off, quiet hours, memory."""

import random
from collections.abc import Sequence
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.hints.arbitration import CONTACT_ENDS_AFTER_MS, Contact
from operators.outreach.call_list import CallList
from operators.outreach.call_list_entry import (
    OUTCOMES,
    CallFirst,
    CallListOutput,
    NoCall,
    NotListed,
    OutreachEntry,
    outreach_document,
)
from operators.outreach.call_list_state import HELPED, CallListInput, CallOutcome, DoNotCall
from operators.records.catalogue import Catalogue, ControlGroup, QuietHours, sped_up
from operators.records.catalogue import Outreach as Plan
from operators.records.facts import Fact, FactKind, RankedReason, Signal
from operators.support.snapshot_codec import StateUnreadable
from operators.support.timestamps import duration_ms
from tests.operators.samples import LOAN, TITLES, catalogue, fact

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NOON_MS = 1_772_337_600_000
"""2026-03-01T12:00 in Shanghai."""

TEN_PM_MS = NOON_MS + 10 * HOUR_MS
EIGHT_AM_MS = NOON_MS + 20 * HOUR_MS
NIGHT = QuietHours("Asia/Shanghai", "21:00", "08:00")


def told(words: Sequence[CallListOutput]) -> list[OutreachEntry]:
    return [each.entry for each in words if isinstance(each, CallFirst)]


def causes(words: Sequence[CallListOutput]) -> list[str]:
    return [each.cause for each in words if isinstance(each, NoCall)]


def why_nots(words: Sequence[CallListOutput]) -> list[str]:
    return [each.why_not for each in words if isinstance(each, NotListed)]


def listed(outreach: CallList, at_ms: int = NOON_MS) -> OutreachEntry:
    """One customer who broke off at ``at_ms`` and went on the list an hour later."""
    outreach.decide((fact(at_ms=at_ms),), at_ms)
    (entry,) = told(outreach.due(at_ms + HOUR_MS))
    return entry


def called(entry: OutreachEntry, outcome: str, at_ms: int) -> CallOutcome:
    return CallOutcome(entry.customer_id, entry.outreach_id, outcome, at_ms)


def test_who_is_not_back_within_an_hour_is_to_be_called() -> None:
    outreach = CallList(catalogue())
    signals = (Signal("step_failed", "face_check", "face_mismatch", None, 4),)
    assert outreach.decide((fact(at_ms=NOON_MS, signals=signals),), NOON_MS + 50) == []
    assert outreach.next_due_ms == NOON_MS + HOUR_MS
    assert outreach.due(NOON_MS + HOUR_MS - 1) == []
    (entry,) = told(outreach.due(NOON_MS + HOUR_MS))
    assert (entry.customer_id, entry.journey, entry.transaction_id) == ("u1", "policy_loan", "t1")
    assert (entry.journey_title, entry.step_title) == (LOAN, TITLES["face_check"])
    assert (entry.reason.code, entry.text.en) == ("face_check", "Your policy loan stopped at Face check")
    assert entry.article.id == "help-face"
    sure = 0.3 + 0.75 * (0.7 - 0.3)
    assert entry.need == pytest.approx(sure + (1 - sure) * 0.5 * 0.5)
    assert (entry.abandoned_at_ms, entry.listed_at_ms) == (NOON_MS, NOON_MS + HOUR_MS)
    assert (entry.expires_at_ms, entry.tries, entry.lease_ms) == (NOON_MS + DAY_MS, 0, 15 * MINUTE_MS)
    assert outreach.due(NOON_MS + 2 * HOUR_MS) == []


def test_the_document_has_times_as_text() -> None:
    document = outreach_document(listed(CallList(catalogue(quiet_hours=NIGHT))))
    assert document["abandoned_at"] == "2026-03-01T04:00:00.000Z"
    assert document["lease_seconds"] == 900
    assert document["quiet_hours"]["from"] == "21:00"
    assert not [name for name in document if name.endswith("_ms")]


ENDS: tuple[Literal["returned", "completed", "cancelled", "expired"], ...] = (
    "returned",
    "completed",
    "cancelled",
    "expired",
)


@pytest.mark.parametrize("kind", ENDS)
def test_what_ends_the_silence_before_is_no_word_and_afterwards_takes_the_entry_back(
    kind: Literal["returned", "completed", "cancelled", "expired"],
) -> None:
    outreach = CallList(catalogue())
    outreach.decide((fact(at_ms=NOON_MS), fact(kind, at_ms=NOON_MS + MINUTE_MS)), NOON_MS)
    assert outreach.due(NOON_MS + HOUR_MS) == []
    assert len(outreach) == 0
    entry = listed(outreach)
    (word,) = outreach.decide((fact(kind, at_ms=NOON_MS + 2 * HOUR_MS),), NOON_MS + 2 * HOUR_MS)
    assert word == NoCall(entry.outreach_id, "u1", "policy_loan", kind, NOON_MS + 2 * HOUR_MS)
    assert len(outreach) == 0


def test_what_happens_to_another_attempt_changes_nothing() -> None:
    outreach = CallList(catalogue())
    listed(outreach)
    assert (
        outreach.decide((fact("completed", attempt="other", at_ms=NOON_MS + 2 * HOUR_MS),), NOON_MS + 2 * HOUR_MS) == []
    )


@pytest.mark.parametrize(("channel", "cause"), [("phone", "contact"), ("counter", "contact"), (HELPED, "helped")])
def test_a_contact_anywhere_takes_the_customer_from_the_list(channel: str, cause: str) -> None:
    outreach = CallList(catalogue())
    listed(outreach)
    at_ms = NOON_MS + 2 * HOUR_MS
    assert causes(outreach.decide((Contact("u1", True, at_ms, channel),), at_ms)) == [cause]
    assert outreach.decide((Contact("u1", False, at_ms + 1, channel),), at_ms + 1) == []
    assert outreach.due(at_ms + CONTACT_ENDS_AFTER_MS) == []
    assert len(outreach) == 0


def test_a_contact_while_the_silence_was_not_yet_a_break_off_counts_too() -> None:
    outreach = CallList(catalogue())
    silent = Fact("abandoned", NOON_MS, "a1", "u1", "policy_loan", "t1", "confirm", idle_ms=5 * MINUTE_MS)
    outreach.decide((Contact("u1", True, NOON_MS - MINUTE_MS, "phone"),), NOON_MS)
    assert why_nots(outreach.decide((silent,), NOON_MS)) == ["contact"]
    outreach.decide((Contact("u2", True, NOON_MS - 6 * MINUTE_MS, "phone"),), NOON_MS)
    earlier = Fact("abandoned", NOON_MS, "a2", "u2", "claim", None, None, idle_ms=5 * MINUTE_MS)
    assert outreach.decide((earlier,), NOON_MS) == []
    assert len(told(outreach.due(NOON_MS + HOUR_MS))) == 1


def test_the_control_group_is_never_called_and_not_remembered() -> None:
    outreach = CallList(catalogue(control_group=ControlGroup(share=1.0)))
    assert why_nots(outreach.decide((fact(at_ms=NOON_MS),), NOON_MS)) == ["control"]
    assert len(outreach) == 0


def test_a_customer_is_listed_once_with_the_greater_need_and_then_for_the_other() -> None:
    outreach = CallList(catalogue())
    small = fact(attempt="small", at_ms=NOON_MS, reasons=(RankedReason("sms_code", 0.9),), journey="claim")
    great = fact(attempt="great", at_ms=NOON_MS, reasons=(RankedReason("face_check", 0.9),))
    outreach.decide((small, great), NOON_MS)
    (entry,) = told(outreach.due(NOON_MS + HOUR_MS))
    assert entry.attempt_id == "great"
    words = outreach.decide((fact("completed", attempt="great", at_ms=NOON_MS + 2 * HOUR_MS),), NOON_MS + 2 * HOUR_MS)
    assert (causes(words), [each.attempt_id for each in told(words)]) == (["completed"], ["small"])


@pytest.mark.parametrize("outcome", ["reached", "declined", "solved", "wrong_person"])
def test_after_a_call_there_is_a_week_of_quiet(outcome: str) -> None:
    outreach = CallList(catalogue())
    entry = listed(outreach)
    at_ms = NOON_MS + 2 * HOUR_MS
    assert causes(outreach.decide((called(entry, outcome, at_ms),), at_ms)) == ["called"]
    outreach.decide((fact(attempt="next", at_ms=at_ms),), at_ms)
    assert why_nots(outreach.due(at_ms + HOUR_MS)) == ["cool_off"]
    again = at_ms + 7 * DAY_MS
    assert outreach.due(again) == []
    assert len(outreach) == 0
    assert listed(outreach, again).attempt_id == "a1"


def test_nobody_answers_three_times() -> None:
    outreach = CallList(catalogue())
    entry = listed(outreach)
    ids = [entry.outreach_id]
    at_ms = NOON_MS + HOUR_MS
    for tries in (1, 2):
        assert causes(outreach.decide((called(entry, "no_answer", at_ms),), at_ms)) == ["called"]
        assert outreach.due(at_ms + 4 * HOUR_MS - 1) == []
        at_ms += 4 * HOUR_MS
        (entry,) = told(outreach.due(at_ms))
        assert (entry.tries, entry.attempt_id) == (tries, "a1")
        ids.append(entry.outreach_id)
    outreach.decide((called(entry, "no_answer", at_ms),), at_ms)
    assert len(set(ids)) == 3
    assert outreach.due(at_ms + 4 * HOUR_MS) == []
    outreach.decide((fact(attempt="next", at_ms=at_ms),), at_ms)
    assert why_nots(outreach.due(at_ms + HOUR_MS)) == ["cool_off"]


def test_an_outcome_that_comes_after_the_end_still_cools_off() -> None:
    outreach = CallList(catalogue())
    entry = listed(outreach)
    at_ms = NOON_MS + 2 * HOUR_MS
    outreach.decide((fact("returned", at_ms=at_ms), called(entry, "reached", at_ms + 1)), at_ms)
    outreach.decide((fact(at_ms=at_ms + HOUR_MS),), at_ms + HOUR_MS)
    assert why_nots(outreach.due(at_ms + 2 * HOUR_MS)) == ["cool_off"]


def test_do_not_call_is_for_good_until_it_is_lifted() -> None:
    outreach = CallList(catalogue())
    entry = listed(outreach)
    at_ms = NOON_MS + 2 * HOUR_MS
    assert causes(outreach.decide((called(entry, "do_not_call", at_ms),), at_ms)) == ["do_not_call"]
    year_ms = at_ms + 365 * DAY_MS
    outreach.due(year_ms)
    assert why_nots(outreach.decide((fact(at_ms=year_ms),), year_ms)) == ["do_not_call"]
    outreach.decide((DoNotCall("u1", False, year_ms),), year_ms)
    assert listed(outreach, year_ms).customer_id == "u1"


def test_of_two_words_about_calling_the_later_counts_and_a_tie_is_a_no() -> None:
    outreach = CallList(catalogue())
    wishes = (DoNotCall("u1", True, NOON_MS), DoNotCall("u1", False, NOON_MS - 1), DoNotCall("u1", False, NOON_MS))
    outreach.decide(wishes, NOON_MS)
    assert why_nots(outreach.decide((fact(at_ms=NOON_MS),), NOON_MS)) == ["do_not_call"]
    outreach.decide((DoNotCall("u1", False, NOON_MS + 1),), NOON_MS)
    assert len(outreach) == 0


def test_a_wish_for_no_calls_takes_the_customer_from_the_list() -> None:
    outreach = CallList(catalogue())
    listed(outreach)
    at_ms = NOON_MS + 2 * HOUR_MS
    assert causes(outreach.decide((DoNotCall("u1", True, at_ms),), at_ms)) == ["do_not_call"]


def test_at_night_nobody_goes_on_the_list() -> None:
    outreach = CallList(catalogue(quiet_hours=NIGHT))
    outreach.decide((fact(at_ms=TEN_PM_MS),), TEN_PM_MS)
    assert outreach.due(TEN_PM_MS + HOUR_MS) == []
    assert outreach.next_due_ms == EIGHT_AM_MS
    assert len(told(outreach.due(EIGHT_AM_MS))) == 1
    dropping = CallList(catalogue(quiet_hours=QuietHours("Asia/Shanghai", "21:00", "08:00", "drop")))
    dropping.decide((fact(at_ms=TEN_PM_MS),), TEN_PM_MS)
    assert why_nots(dropping.due(TEN_PM_MS + HOUR_MS)) == ["quiet_hours"]


def test_an_entry_ends_with_the_attempt_even_when_nobody_says_so() -> None:
    outreach = CallList(catalogue())
    listed(outreach)
    assert causes(outreach.due(NOON_MS + DAY_MS)) == ["expired"]
    assert (len(outreach), outreach.next_due_ms) == (0, None)


def test_the_waits_follow_the_speed_but_the_lease_does_not() -> None:
    plan = sped_up(catalogue(), 30).outreach
    assert [duration_ms(each) for each in (plan.after, plan.cool_off, plan.no_answer_after)] == [
        2 * MINUTE_MS,
        7 * DAY_MS // 30,
        8 * MINUTE_MS,
    ]
    assert plan.lease == Plan().lease


def test_memory_of_another_format_is_refused() -> None:
    with pytest.raises(StateUnreadable, match="expected 'zhiyin-outreach-1'"):
        CallList(catalogue()).restore(b"\x91\xa5other", ())


CUSTOMERS = ("u1", "u2", "u3")
KINDS: tuple[FactKind, ...] = ("abandoned", "returned", "completed", "cancelled", "expired")


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[int, CallListInput | None]]:
    """Inputs of three customers at rising instants; None: time alone."""
    chosen = random.Random(draw(st.integers(0, 2**32)))
    now_ms = NOON_MS
    made: list[tuple[int, CallListInput | None]] = []
    for _ in range(draw(st.integers(1, 60))):
        now_ms += chosen.choice((0, 1, MINUTE_MS, 20 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS, 3 * DAY_MS))
        customer = chosen.choice(CUSTOMERS)
        at_ms = now_ms - chosen.choice((0, 0, 0, MINUTE_MS))
        match chosen.randrange(8):
            case 0:
                made.append((now_ms, Contact(customer, chosen.random() < 0.5, at_ms, chosen.choice(("phone", HELPED)))))
            case 1:
                made.append((now_ms, CallOutcome(customer, "whatever", chosen.choice(OUTCOMES), at_ms)))
            case 2:
                made.append((now_ms, DoNotCall(customer, chosen.random() < 0.4, at_ms)))
            case 3:
                made.append((now_ms, None))
            case _:
                attempt = f"{customer}-{chosen.randrange(3)}"
                made.append((now_ms, fact(chosen.choice(KINDS), customer, attempt, at_ms)))
    return made


def played(outreach: CallList, played_steps: Sequence[tuple[int, CallListInput | None]]) -> list[CallListOutput]:
    words: list[CallListOutput] = []
    for now_ms, step in played_steps:
        words += outreach.due(now_ms)
        words += [] if step is None else outreach.decide((step,), now_ms)
    return words


def _wish(step: CallListInput | None) -> DoNotCall | None:
    if isinstance(step, CallOutcome) and step.outcome == "do_not_call":
        return DoNotCall(step.customer_id, True, step.at_ms)
    return step if isinstance(step, DoNotCall) else None


@given(steps())
def test_a_customer_is_on_the_list_at_most_once_and_never_against_a_wish(
    made: list[tuple[int, CallListInput | None]],
) -> None:
    outreach = CallList(catalogue())
    on_list: dict[str, str] = {}
    no_calls: dict[str, int] = {}
    for now_ms, step in made:
        words = played(outreach, [(now_ms, step)])
        wish = _wish(step)
        if wish is not None and wish.wanted:
            no_calls[wish.customer_id] = max(wish.at_ms, no_calls.get(wish.customer_id, 0))
        elif wish is not None and wish.at_ms > no_calls.get(wish.customer_id, 0):
            no_calls.pop(wish.customer_id, None)
        for word in words:
            if isinstance(word, CallFirst):
                assert word.entry.customer_id not in on_list
                on_list[word.entry.customer_id] = word.entry.outreach_id
            elif isinstance(word, NoCall):
                assert on_list.pop(word.customer_id) == word.outreach_id
        assert not set(on_list) & set(no_calls)
    entries = [word.entry.outreach_id for word in played(CallList(catalogue()), made) if isinstance(word, CallFirst)]
    assert len(entries) == len(set(entries))
    outreach.due(made[-1][0] + 400 * DAY_MS)
    assert len(outreach) == len(no_calls)


@given(steps(), st.integers(0, 60))
def test_a_restart_anywhere_tells_the_same(made: list[tuple[int, CallListInput | None]], cut: int) -> None:
    whole = played(CallList(catalogue()), made)
    first = CallList(catalogue(), keeps_changes=True)
    head = first.head()
    words: list[CallListOutput] = []
    packs: list[bytes] = []
    for step in made[:cut]:
        words += played(first, [step])
        assert first.waiting <= len(CUSTOMERS)
        packs.append(first.changes()[1])
    for packed in (packs, [first.rows(first.all_keys())]):
        second = CallList(catalogue())
        second.restore(head, packed)
        assert len(second) == len(first)
        assert words + played(second, made[cut:]) == whole


class ToldList:
    """The list as it is kept outside: each entry comes once and goes once, whatever is told again."""

    def __init__(self) -> None:
        self.known: dict[str, OutreachEntry] = {}
        self.over: set[str] = set()

    def take(self, words: Sequence[CallListOutput]) -> None:
        self.known = {each.outreach_id: each for each in told(words)} | self.known
        self.over |= {each.outreach_id for each in words if isinstance(each, NoCall)}

    def on_list(self, now_ms: int) -> list[str]:
        return sorted(
            each.customer_id
            for each in self.known.values()
            if each.outreach_id not in self.over and each.expires_at_ms > now_ms
        )


@settings(max_examples=1000)
@given(steps(), st.integers(0, 60), st.integers(0, 60), st.randoms(use_true_random=False))
def test_what_was_listed_before_a_crash_goes_when_all_since_then_is_read_at_once(
    made: list[tuple[int, CallListInput | None]], saved: int, crashed: int, chosen: random.Random
) -> None:
    happened = [  # no two at one instant, for which went first is not read again
        (now_ms + number, None if each is None else msgspec.structs.replace(each, at_ms=now_ms + number))
        for number, (now_ms, each) in enumerate(made)
    ]
    now_ms = happened[-1][0]
    listed = ToldList()
    first, second = CallList(catalogue()), CallList(catalogue())
    listed.take(played(first, happened[:saved]))
    second.restore(first.head(), [first.rows(first.all_keys())])
    listed.take(played(first, happened[saved : saved + crashed]))
    late = [each for _, each in happened[saved:] if each is not None]
    facts = [each for each in late if isinstance(each, Fact)]
    others = [each for each in late if not isinstance(each, Fact)]
    listed.take(second.decide([*facts, *others] if chosen.random() < 0.5 else [*others, *facts], now_ms))
    whole = ToldList()
    whole.take(played(CallList(catalogue()), [*happened, (now_ms, None)]))
    assert listed.on_list(now_ms) == whole.on_list(now_ms)


def test_the_default_plan_is_within_the_attempts_life() -> None:
    known: Catalogue = catalogue()
    assert duration_ms(known.outreach.after) < known.journeys["policy_loan"].forget_after_ms
