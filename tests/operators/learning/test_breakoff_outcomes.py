"""What break-offs teach: the rules' word until more is known, outcomes as defined, nothing from later, nothing lost."""

from collections.abc import Callable, Iterable, Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.hints.arbitration import Contact
from operators.hints.builder import HintMaker, hint_id
from operators.learning import breakoff_outcomes
from operators.learning.breakoff_outcomes import CALLED, BreakoffOutcome, BreakoffOutcomes, CustomerForgotten, Judgement
from operators.learning.learned_decision import LearnedDecision
from operators.learning.learner import JourneyLearner
from operators.learning.reason_ranking import ReasonRanking
from operators.outreach.call_list_entry import outreach_id
from operators.outreach.call_list_state import CallOutcome
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import UNKNOWN
from operators.records.facts import Fact, Observation, RankedReason, Signal
from operators.tracking.features import AttemptFeatures
from tests.operators.samples import catalogue

CATALOGUE = msgspec.structs.replace(catalogue(), contact_within="1h", decision="learned", label_timeout="1h")
FACE = RankedReason("face_check", 0.6)
SMS = RankedReason("sms_code", 0.3)
KNOWN = AttemptFeatures("face_check", 300_000, 12, b"\x0a")
JOURNEY = "policy_loan"
AT_MS = 1_780_000_000_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000


def attempt(number: int) -> str:
    return f"{number:08x}00000000"


def abandoned(number: int, at_ms: int = AT_MS, reasons: tuple[RankedReason, ...] = (FACE, SMS)) -> Fact:
    fact = Fact("abandoned", at_ms, attempt(number), f"c{number}", JOURNEY, None, "face_check", idle_ms=300_000)
    return msgspec.structs.replace(fact, reasons=reasons)


def over(number: int, at_ms: int, kind: str = "completed") -> Fact:
    return msgspec.structs.replace(abandoned(number, at_ms), kind=kind, reasons=())


def called(number: int, outcome: str, at_ms: int, tries: int = 0) -> CallOutcome:
    return CallOutcome(f"c{number}", outreach_id(attempt(number), AT_MS, tries), outcome, at_ms)


def contact(number: int, at_ms: int, channel: str = "phone") -> Contact:
    return Contact(f"c{number}", True, at_ms, channel)


def labels(learnt: BreakoffOutcomes) -> dict[str, int]:
    return {each.question: each.labels for each in learnt.quality()}


def awake() -> BreakoffOutcomes:
    """Some telephone is connected."""
    learnt = BreakoffOutcomes(CATALOGUE, HOUR_MS)
    learnt.observe((contact(999, AT_MS - HOUR_MS),))
    return learnt


def test_without_data_the_rules_word_is_told_letter_for_letter() -> None:
    learnt = BreakoffOutcomes(CATALOGUE, HOUR_MS)
    assert learnt.predict(abandoned(1), KNOWN) == abandoned(1)
    unknown = (RankedReason(UNKNOWN, 0.7), RankedReason("sms_code", 0.2))
    assert learnt.predict(abandoned(2, reasons=unknown), KNOWN).reasons == unknown


def taught(truth: Callable[[int], str], numbers: Iterable[int]) -> BreakoffOutcomes:
    learnt = BreakoffOutcomes(CATALOGUE, HOUR_MS)
    for number in numbers:
        fact = learnt.predict(abandoned(number), KNOWN)
        learnt.observe((Judgement(fact.customer_id, hint_id(fact), AT_MS + 1, named=truth(number)),))
    return learnt


def test_what_agents_confirm_is_told_first_and_as_often_as_it_was_right() -> None:
    learnt = taught(lambda number: "sms_code" if number % 5 else "face_check", range(1_500))
    fact = learnt.predict(abandoned(2_000), KNOWN)
    assert [each.code for each in fact.reasons] == ["sms_code", "face_check"]
    assert fact.reasons[0].confidence == pytest.approx(0.8, abs=0.1)
    assert sum(each.confidence for each in fact.reasons) <= 1
    assert fact.effects[0].feature == "reason:confirmed"
    assert fact.effects[0].effect > 1
    [quality] = learnt.quality()
    assert quality.log_loss < quality.base_log_loss


def test_unknown_stays_an_answer() -> None:
    learnt = taught(lambda _: UNKNOWN, range(800))
    [first, *others] = learnt.predict(abandoned(2_000), KNOWN).reasons
    assert first.code == UNKNOWN
    assert first.confidence > 0.5
    assert {each.code for each in others} == {"face_check", "sms_code"}


def test_who_only_says_wrong_judges_only_what_was_shown() -> None:
    learnt = BreakoffOutcomes(CATALOGUE, HOUR_MS)
    fact = learnt.predict(abandoned(1), KNOWN)
    said = Judgement(fact.customer_id, hint_id(fact), AT_MS + 1, right=False)
    learnt.observe((said, said))
    assert labels(learnt) == {"reason": 1}
    assert learnt.pending == 0
    assert not learnt.waiting


def test_a_word_that_says_nothing_leaves_the_question_open() -> None:
    learnt = BreakoffOutcomes(CATALOGUE, HOUR_MS)
    fact = learnt.predict(abandoned(1), KNOWN)
    learnt.observe((Judgement(fact.customer_id, hint_id(fact), AT_MS + 1), Judgement("c1", "another", AT_MS + 1, True)))
    assert (labels(learnt), learnt.pending) == ({}, 1)


def test_a_reason_the_catalogue_does_not_know_is_not_taken_for_a_no_to_all() -> None:
    learnt = BreakoffOutcomes(CATALOGUE, HOUR_MS)
    fact = learnt.predict(abandoned(1), KNOWN)
    assert len(fact.reasons) == 2
    learnt.observe((Judgement(fact.customer_id, hint_id(fact), AT_MS + 1, named="sms_cod"),))
    assert (labels(learnt), learnt.pending) == ({}, 1)
    learnt.observe((Judgement(fact.customer_id, hint_id(fact), AT_MS + 1, right=False, named="sms_cod"),))
    assert labels(learnt) == {"reason": 1}


def test_confidences_never_add_up_to_more_than_one() -> None:
    ranking = ReasonRanking(0.4)
    both = (RankedReason("face_check", 0.45), RankedReason("sms_code", 0.45))
    for number in range(1_200):
        known = ranking.ranked(both, "face_check")
        shown = known.candidates[number % 2].code
        ranking.judged(known.candidates, KNOWN, shown, right=True, named=None)
    told = ranking.ranked(both, "face_check").reasons
    assert ranking.model.leads
    assert 0.98 < sum(each.confidence for each in told) <= 1


def test_contacts_are_not_asked_about_before_one_is_heard_of() -> None:
    learnt = BreakoffOutcomes(CATALOGUE, HOUR_MS)
    learnt.predict(abandoned(1, reasons=()), KNOWN)
    assert learnt.pending == 0
    learnt.observe((contact(2, AT_MS),))
    learnt.predict(abandoned(3, reasons=()), KNOWN)
    assert learnt.pending == 2


@pytest.mark.parametrize(
    ("heard", "ends", "found"),
    [
        ((contact(1, AT_MS + MINUTE_MS),), (), {"contact": 1, "person": 1}),
        ((contact(1, AT_MS - MINUTE_MS),), (), {"contact": 1}),
        ((contact(2, AT_MS + MINUTE_MS),), (), {"contact": 1}),
        ((contact(1, AT_MS + 2 * HOUR_MS),), (), {"contact": 1}),
        ((), (over(1, AT_MS + MINUTE_MS),), {"contact": 1, "person": 1}),
        ((), (over(1, AT_MS + MINUTE_MS, "cancelled"),), {"contact": 1}),
        ((), (), {"contact": 1}),
        ((contact(1, AT_MS + 1, CALLED), called(1, "solved", AT_MS + 2)), (), {"person": 1}),
        ((contact(1, AT_MS + 1, CALLED), called(1, "declined", AT_MS + 2)), (), {"person": 1}),
        ((contact(1, AT_MS + 1, CALLED), called(1, "no_answer", AT_MS + 2)), (), {}),
        ((contact(1, AT_MS + 1, CALLED), called(1, "reached", AT_MS + 2)), (), {"person": 1}),
        ((called(1, "solved", AT_MS + 2, tries=2),), (), {"contact": 1, "person": 1}),
        ((called(2, "solved", AT_MS + 2),), (), {"contact": 1}),
    ],
)
def test_outcomes_are_what_the_module_says(
    heard: tuple[BreakoffOutcome, ...], ends: tuple[Fact, ...], found: dict[str, int]
) -> None:
    learnt = awake()
    learnt.predict(abandoned(1, reasons=()), KNOWN)
    learnt.observe(heard)
    for each in ends:
        learnt.ended(each)
    learnt.settle_batch(AT_MS + HOUR_MS)
    assert heard or ends or not labels(learnt), "it waits for the whole time"
    learnt.settle_batch(AT_MS + 30 * HOUR_MS)
    assert labels(learnt) == found
    assert not learnt.waiting


@pytest.mark.parametrize(
    ("outcome", "completes", "yes"),
    [("solved", False, True), ("reached", True, True), ("reached", False, False), ("declined", False, False)],
)
def test_a_call_was_of_use_or_not(outcome: str, completes: bool, yes: bool) -> None:
    learnt = awake()
    for number in range(60):
        learnt.predict(abandoned(number, reasons=()), KNOWN)
        learnt.observe((called(number, outcome, AT_MS + 1),))
        assert not labels(learnt)
        if completes:
            learnt.ended(over(number, AT_MS + 2))
    learnt.settle_batch(AT_MS + 30 * HOUR_MS)
    assert list(learnt.state().person_rates.values()) == [[[60.0, 60.0 * yes]]]


def needy(learnt: BreakoffOutcomes, count: int) -> int:
    """Who stopped at the check of the face needs somebody; who did so for a text message does not. When it is over."""
    for number in range(count):
        at_ms = AT_MS + number * MINUTE_MS
        fact = learnt.predict(abandoned(number, at_ms, (FACE, SMS) if number % 2 else (SMS, FACE)), KNOWN)
        if number % 2:
            learnt.observe(
                (CallOutcome(fact.customer_id, outreach_id(fact.attempt_id, at_ms, 0), "solved", at_ms + 1),)
            )
        else:
            learnt.ended(over(number, at_ms + 1))
        learnt.settle_batch(at_ms + 2)
    learnt.settle_batch(AT_MS + 100 * HOUR_MS)
    return AT_MS + 100 * HOUR_MS


def test_the_learnt_need_is_told_once_it_is_better_than_the_rules_and_ranks_the_list() -> None:
    learnt = awake()
    needy(learnt, 20)
    early = learnt.predict(abandoned(5_000, AT_MS + 101 * HOUR_MS), KNOWN)
    assert early.need is None
    hints = HintMaker(CATALOGUE)
    assert hints.make(early, AT_MS, None).need == hints.make(abandoned(5_000), AT_MS, None).need
    needy(learnt, 1_000)
    face, sms = learnt.predict(abandoned(5_001), KNOWN), learnt.predict(abandoned(5_002, reasons=(SMS, FACE)), KNOWN)
    assert (face.need or 0) > 0.7
    assert (sms.need or 1) < 0.3
    hint = hints.make(face, AT_MS, None)
    assert hint.need == face.need
    assert any("in need of a person" in each.en for each in hint.explanation)
    assert any("人工协助" in each.zh for each in hint.explanation)


def test_will_contact_us_is_told_after_some_outcomes() -> None:
    learnt, random = awake(), Random(2)
    for number in range(2_000):
        reasons = (FACE, SMS) if number % 2 else (SMS, FACE)
        at_ms = AT_MS + number * MINUTE_MS
        fact = learnt.predict(abandoned(number, at_ms, reasons), KNOWN)
        assert (fact.will_contact is None) == (labels(learnt).get("contact", 0) < breakoff_outcomes.LEAST_OUTCOMES)
        assert fact.will_contact is None or number > 100, "no outcome is learnt before its time is over"
        if random.random() < (0.6 if number % 2 else 0.1):
            learnt.observe((contact(number, at_ms + MINUTE_MS),))
        learnt.settle_batch(at_ms)
    likely = learnt.predict(abandoned(5_001), KNOWN).will_contact
    unlikely = learnt.predict(abandoned(5_002, reasons=(SMS, FACE)), KNOWN).will_contact
    assert (likely or 0) == pytest.approx(0.6, abs=0.15)
    assert (unlikely or 1) == pytest.approx(0.1, abs=0.1)


def test_a_forgotten_customer_waits_no_more() -> None:
    learnt = awake()
    learnt.predict(abandoned(1), KNOWN)
    learnt.predict(abandoned(2), KNOWN)
    learnt.observe((CustomerForgotten("c1", AT_MS + 1),))
    assert list(learnt.waiting) == [attempt(2)]


def test_what_waits_is_bounded_and_what_is_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakoff_outcomes, "MOST_WAITING", 10)
    learnt = awake()
    for number in range(25):
        learnt.predict(abandoned(number), KNOWN)
    assert (len(learnt.waiting), learnt.state().dropped) == (10, 15)
    assert list(learnt.waiting) == [attempt(number) for number in range(15, 25)]


class OutcomeStep(msgspec.Struct, frozen=True):
    """A batch of observations, and what is heard after it."""

    observations: list[Observation]
    heard: list[BreakoffOutcome]


@st.composite
def lives(draw: st.DrawFn) -> list[OutcomeStep]:
    """A few customers who break off, come back, complete, turn to somebody, and agents who speak of it."""
    steps: list[OutcomeStep] = []
    at_ms, kinds = AT_MS, dict.fromkeys(range(4), "")
    for _ in range(draw(st.integers(1, 12))):
        at_ms += draw(st.integers(1, 3)) * 20 * MINUTE_MS
        number = draw(st.integers(0, 3))
        kind = draw(st.sampled_from(("silent", "silent", "active", "completed", "gone")))
        broken_off = kinds[number] == "silent" if kind == "active" else kinds[number] != ""
        kinds[number] = kind
        steps.append(
            OutcomeStep(
                [observed(number, kind, at_ms, broken_off=broken_off)], draw(st.lists(heard(at_ms), max_size=3))
            )
        )
    return steps


def observed(number: int, kind: str, at_ms: int, *, broken_off: bool = False) -> Observation:
    signals = (Signal("step_failed", "face_check", ("face_timeout", "sms_timeout")[number % 2], None, 2),)
    seen = Observation("silent", at_ms, attempt(number), f"c{number}", JOURNEY, None, "face_check", None, 300_000)
    return msgspec.structs.replace(seen, kind=kind, signals=signals, started_ms=at_ms - HOUR_MS, broken_off=broken_off)


def heard(at_ms: int) -> st.SearchStrategy[BreakoffOutcome]:
    numbers = st.integers(0, 3)
    calls = st.sampled_from(("solved", "reached", "declined", "no_answer"))
    named = st.sampled_from(("face_check", "sms_code", UNKNOWN))
    return st.one_of(
        st.builds(lambda number: contact(number, at_ms + 1), numbers),
        st.builds(lambda number, outcome: called(number, outcome, at_ms + 1), numbers, calls),
        st.builds(lambda number, name: (number, name), numbers, named).map(
            lambda each: Judgement(f"c{each[0]}", f"hint of {each[0]}", at_ms + 1, named=each[1])
        ),
    )


def deciding() -> LearnedDecision:
    decision = LearnedDecision(
        ReasonRules(CATALOGUE), lambda name: JourneyLearner(name, CATALOGUE, keeps_changes=True), keeps_changes=True
    )
    decision.begin(JOURNEY)
    return decision


def lived(decision: LearnedDecision, steps: Sequence[OutcomeStep]) -> list[Fact]:
    """The facts of a life; words on hints are about the last hint of the customer."""
    facts: list[Fact] = []
    for step in steps:
        facts += decision.decide(step.observations)
        last = {fact.customer_id: hint_id(fact) for fact in facts if fact.kind == "abandoned"}
        decision.observe(
            [
                msgspec.structs.replace(each, hint_id=last.get(each.customer_id, ""))
                if isinstance(each, Judgement)
                else each
                for each in step.heard
            ]
        )
    return facts


@settings(max_examples=30, deadline=None)
@given(past=lives(), one=lives(), other=lives())
def test_another_future_leaves_all_that_was_said_as_it_was(
    past: list[OutcomeStep], one: list[OutcomeStep], other: list[OutcomeStep]
) -> None:
    later = 100 * HOUR_MS

    def after(steps: list[OutcomeStep]) -> list[OutcomeStep]:
        return [
            OutcomeStep(
                [msgspec.structs.replace(each, at_ms=each.at_ms + later) for each in step.observations],
                [msgspec.structs.replace(each, at_ms=each.at_ms + later) for each in step.heard],
            )
            for step in steps
        ]

    said = [lived(deciding(), [*past, *after(future)]) for future in (one, other)]
    told = [[fact for fact in facts if fact.at_ms < AT_MS + later] for facts in said]
    assert told[0] == told[1]


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_within_a_batch_an_end_teaches_nothing_that_was_told_before_it(places: tuple[int, ...]) -> None:
    said = []
    for order in ((0, 1), places):
        decision = deciding()
        decision.observe((contact(999, AT_MS - HOUR_MS),))
        decision.decide([observed(1, "silent", AT_MS)])
        batch = [observed(3, "silent", AT_MS + HOUR_MS), observed(1, "completed", AT_MS + 2 * HOUR_MS)]
        decision.decide([batch[place] for place in order])
        decision.decide([observed(5, "silent", AT_MS + 2 * HOUR_MS)])
        assert decision.learning is not None
        waiting = decision.learning.breakoff_outcomes.waiting
        said.append((waiting[attempt(3)].person, waiting[attempt(5)].person))
    assert said[0] == said[1]
    assert said[0][0] != said[0][1], "it taught something"


@settings(max_examples=30, deadline=None)
@given(steps=lives(), cut=st.integers(0, 11))
def test_restored_from_its_journal_it_thinks_the_same(steps: list[OutcomeStep], cut: int) -> None:
    whole, before, after = deciding(), deciding(), deciding()
    lived(whole, steps[:cut])
    lived(before, steps[:cut])
    after.restore(before.head(), [before.changes()[1]])
    assert after.head() == before.head() == whole.head()
    assert sorted(after.all_keys()) == sorted(before.all_keys())
    assert all(after.rows([key]) == before.rows([key]) for key in before.all_keys())
    assert lived(after, steps[cut:]) == lived(whole, steps[cut:])


def test_what_was_learnt_is_saved_and_taken_up() -> None:
    first, second = JourneyLearner(JOURNEY, CATALOGUE), JourneyLearner(JOURNEY, CATALOGUE)
    first.breakoff_outcomes.observe((contact(999, AT_MS - HOUR_MS),))
    needy(first.breakoff_outcomes, 500)
    second.take_up(first.saved())
    assert second.saved() == first.saved()
    assert [each.question for each in second.figures().quality] == ["unfinished", "away", "contact", "person"]
    assert second.figures().learnt == 1_000
    one, other = (each.breakoff_outcomes.predict(abandoned(5_000), KNOWN) for each in (first, second))
    assert one.need == other.need is not None
