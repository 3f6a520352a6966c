"""A customer who is to be forgotten: nothing of him is remembered, and nothing is told of him but that it is over."""

from datetime import date

import msgspec
import pytest

from flows.steps.customer_step import CustomerStep
from flows.steps.decide import arbitrable
from flows.steps.journaled_state import Journaled, JournaledState
from flows.steps.messages import CustomerInputs
from operators.contacts.bundle import Attendance, PolicyNews
from operators.contacts.bundle_decision import BundleDecision
from operators.contacts.hot_questions import HotQuestions, QuestionAsked
from operators.hints.arbitration import Arbitration
from operators.hints.builder import HintMaker
from operators.hints.hint import Hint, Retirement
from operators.hints.uplift import Uplift
from operators.hints.wording_selection import WordingSelection
from operators.learning.fixed_decision import FixedDecision
from operators.learning.learned_decision import AwayRow, LearnedDecision
from operators.learning.learner import JourneyLearner
from operators.monitoring.journey_monitor import JourneyMonitor
from operators.monitoring.pain_detection import pain_thresholds
from operators.outreach.call_list import CallList
from operators.outreach.call_list_state import DoNotCall
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import ControlGroup, Words
from operators.records.events import CUSTOMER_ERASED, STARTED, STEP_VIEWED, Event
from operators.records.facts import Interaction
from operators.records.policies import Policy
from operators.tracking.plan import journey_plans
from operators.tracking.tracker import ShardTracker
from operators.tracking.transitions import fact_transitions
from tests.operators.samples import catalogue, event, fact

NOON_MS = 1_772_337_600_000
HOUR_MS = 3_600_000
PLAIN = catalogue()
FACE = msgspec.structs.replace(PLAIN.reasons["face_check"], variants=(Words("再试一次", "Try again"),))
VARIED = msgspec.structs.replace(PLAIN, reasons={**PLAIN.reasons, "face_check": FACE})
ERASED = Event(event=CUSTOMER_ERASED, user_id="u1", message_id="erased")


def everything(memory: Journaled) -> bytes:
    """What any snapshot could hold of it: what has changed was asked for before."""
    return memory.head() + memory.rows(memory.all_keys())


def shard_with(*customers: str) -> ShardTracker:
    shard = ShardTracker(journey_plans(catalogue()), keeps_changes=True)
    for customer in customers:
        for name, at_ms in ((STARTED, NOON_MS), (STEP_VIEWED, NOON_MS + 1)):
            shard.take([msgspec.structs.replace(event(name, step="apply"), user_id=customer)], [at_ms])
    return shard


def test_the_tracker_forgets_the_customer_and_says_that_his_attempts_are_gone() -> None:
    shard = shard_with("u1", "u2")
    shard.collect()
    shard.take([ERASED], [NOON_MS + 2])
    assert [(seen.kind, seen.customer_id) for seen in shard.collect()] == [("erased", "u1")]
    assert shard.collect_interactions() == [Interaction(ERASED, "u1", NOON_MS + 2)]
    assert (list(shard.customers), shard.open_attempts) == (["u2"], 1)
    assert b"u1" not in everything(shard)
    shard.run_out()
    assert {seen.customer_id for seen in shard.collect()} == {"u2"}
    assert not shard.customers


def test_who_was_never_heard_of_is_forgotten_too_and_may_come_again() -> None:
    shard = shard_with()
    shard.take([ERASED], [NOON_MS])
    assert not shard.customers
    shard.take([event(STARTED, step="apply")], [NOON_MS + HOUR_MS])
    assert [seen.kind for seen in shard.collect()] == ["started"]
    shard.run_out()
    assert [seen.kind for seen in shard.collect()][-1] == "gone"


def test_taken_up_again_the_tracker_does_not_know_him() -> None:
    shard = shard_with("u1", "u2")
    _, before = shard.changes()
    shard.take([ERASED], [NOON_MS + 2])
    _, after = shard.changes()
    again = ShardTracker(journey_plans(catalogue()), keeps_changes=True)
    again.restore(shard.head(), [before, after])
    assert list(again.customers) == ["u2"]


def test_the_decision_lets_go_of_an_attempt_without_a_word() -> None:
    shard, fixed = shard_with("u1"), FixedDecision(ReasonRules(catalogue()))
    learned = LearnedDecision(ReasonRules(catalogue()), lambda name: JourneyLearner(name, catalogue()))
    shard.settle()
    shard.take([event(STEP_VIEWED, step="apply")], [NOON_MS + HOUR_MS])
    seen = shard.collect()
    assert [fact.kind for fact in learned.decide(seen)] == [fact.kind for fact in fixed.decide(seen)]
    told_early = msgspec.msgpack.encode([AwayRow(seen[0].attempt_id, True)])
    learned.restore(learned.head(), [told_early])
    assert learned.away
    shard.take([ERASED], [NOON_MS + HOUR_MS + 1])
    gone = shard.collect()
    assert learned.decide(gone) == fixed.decide(gone) == []
    assert not learned.all_keys()


def test_hints_are_taken_from_those_who_have_them() -> None:
    arbitration = Arbitration(catalogue(), keeps_changes=True)
    (hint,) = arbitration.decide((fact(),), NOON_MS)
    assert isinstance(hint, Hint)
    assert arbitration.forget("u1", NOON_MS + 1) == [
        Retirement(hint.hint_id, "u1", "cancelled", NOON_MS + 1, "policy_loan")
    ]
    assert arbitration.forget("u1", NOON_MS + 2) == []
    arbitration.changes()
    assert b"u1" not in everything(arbitration)
    assert arbitration.due(NOON_MS + 100 * HOUR_MS) == []


def test_a_call_is_taken_from_the_list_and_a_wish_is_forgotten() -> None:
    outreach = CallList(catalogue(), keeps_changes=True)
    outreach.decide((fact(at_ms=NOON_MS),), NOON_MS)
    assert len(outreach.due(NOON_MS + HOUR_MS)) == 1
    (gone,) = outreach.forget("u1", NOON_MS + HOUR_MS)
    assert getattr(gone, "cause", None) == "cancelled"
    outreach.decide((DoNotCall("u1", True, NOON_MS),), NOON_MS)
    assert outreach.forget("u1", NOON_MS) == []
    outreach.changes()
    assert b"u1" not in everything(outreach)


def test_policies_and_an_open_bundle_are_forgotten() -> None:
    bundles = BundleDecision(catalogue(), 30 * 24 * HOUR_MS, keeps_changes=True)
    bundles.decide((PolicyNews("u1", Policy("p1", premium_due_on=date(2026, 3, 1)), NOON_MS),), NOON_MS)
    bundles.decide((Attendance("u1", True, NOON_MS, "phone", "d1", "k1"),), NOON_MS)
    assert len(bundles.forget("u1", NOON_MS)) == 1
    bundles.changes()
    assert b"u1" not in everything(bundles)


def test_what_is_kept_by_journey_or_group_is_filled_and_names_nobody() -> None:
    """The memories that an erasure does not reach: hashes of attempts and hints, and sums."""
    broken_off = fact(at_ms=NOON_MS)
    hint = HintMaker(VARIED).make(broken_off, NOON_MS, None)
    uplift = Uplift(ControlGroup(share=0.5), HOUR_MS, lambda _: 0, keeps_changes=True)
    uplift.learn((broken_off, hint))
    wording = WordingSelection(VARIED, keeps_changes=True)
    wording.worded(hint)
    questions = HotQuestions(VARIED, float(HOUR_MS), keeps_changes=True)
    questions.learn("all", QuestionAsked(("all",), "policy_loan.face_check", NOON_MS), NOON_MS)
    monitor = JourneyMonitor(VARIED.journeys, pain_thresholds(VARIED), keeps_changes=True)
    monitor.open("policy_loan")
    monitor.take(fact_transitions([broken_off, msgspec.structs.replace(broken_off, kind="started")]))
    assert monitor.pop_outputs()
    memories: tuple[Journaled, ...] = (uplift, wording, questions, monitor)
    for memory in memories:
        assert memory.all_keys(), f"{memory} is empty"
        assert broken_off.customer_id.encode() not in everything(memory)


@pytest.mark.parametrize("late", [True, False])
def test_what_was_on_its_way_when_he_was_erased_brings_nothing_back(late: bool) -> None:
    """Facts go through the decision by journey, the erasure does not: it may arrive before them."""
    arbitration = Arbitration(catalogue())
    remembering = JournaledState(arbitration, None, None)
    step = CustomerStep("arbitrate", arbitration, arbitrable, lambda: NOON_MS, remembering)
    erased = Interaction(ERASED, "u1", NOON_MS)
    words, _ = step.on_batch([CustomerInputs("000", [erased, fact(at_ms=NOON_MS + 1 if late else NOON_MS)])])
    assert len(arbitration) == len(list(words)) == int(late)
