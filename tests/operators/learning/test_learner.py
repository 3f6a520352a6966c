"""Learning from silences: nothing from later, scored before learnt, fixed as before, the same after a restart."""

import time
from collections.abc import Iterable, Sequence
from itertools import chain
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.learning import learner
from operators.learning.fixed_decision import FixedDecision
from operators.learning.interfaces import MODEL_FORMAT
from operators.learning.learned_decision import LearnedDecision
from operators.learning.learner import JourneyLearner
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import Catalogue
from operators.records.events import Event, read_event
from operators.records.facts import Fact, Observation, ObservationKind
from operators.support.snapshot_codec import StateUnreadable
from operators.tracking.features import ScoredPrediction
from operators.tracking.plan import journey_plans
from operators.tracking.tracker import ShardTracker
from tests.oracle import expected_facts
from tests.streams import BEGIN_MS, STREAM_CATALOGUE, oracle_journeys, streams, told, wire

LEARNED = msgspec.structs.replace(STREAM_CATALOGUE, decision="learned", label_timeout="30s")
BY_JOURNEY = sorted(STREAM_CATALOGUE.journeys)


def observed(events: Sequence[dict[str, Any]], catalogue: Catalogue, batch: int) -> list[list[Observation]]:
    """What the tracker sees of a stream, batch by batch."""
    shard = ShardTracker(journey_plans(catalogue))
    batches: list[list[Observation]] = []
    for start in range(0, len(events), batch):
        taken = events[start : start + batch]
        read = [read_event(wire(event)) for event in taken]
        shard.take([each for each in read if isinstance(each, Event)], [event["at_ms"] for event in taken])
        shard.settle()
        batches.append(shard.collect())
    shard.run_out()
    return [*batches, shard.collect()]


def decided(batches: Sequence[Sequence[Observation]], catalogue: Catalogue, *, learns: bool) -> list[Fact]:
    rules = ReasonRules(catalogue)
    if not learns:
        return FixedDecision(rules).decide(chain.from_iterable(batches))
    facts: list[Fact] = []
    for journey in BY_JOURNEY:
        decision = LearnedDecision(rules, lambda name: JourneyLearner(name, catalogue))
        for batch in batches:
            facts += decision.decide([seen for seen in batch if seen.journey == journey])
    return facts


@settings(max_examples=30)
@given(events=streams(), batch=st.integers(1, 12))
def test_a_fixed_decision_that_learns_tells_the_oracles_facts(events: list[dict[str, Any]], batch: int) -> None:
    facts = decided(observed(events, STREAM_CATALOGUE, batch), STREAM_CATALOGUE, learns=True)
    assert told(facts) == expected_facts(events, oracle_journeys(STREAM_CATALOGUE))
    assert all(0 < (fact.score or 0) < 1 for fact in facts if fact.kind in ("idle", "abandoned"))


@settings(max_examples=30)
@given(events=streams(), batch=st.integers(1, 12))
def test_a_learned_decision_differs_only_in_when_it_tells(events: list[dict[str, Any]], batch: int) -> None:
    batches = observed(events, LEARNED, batch)
    plain = [fact for fact in decided(batches, LEARNED, learns=True) if fact.kind in ("started", "idle", "expired")]
    fixed = decided(observed(events, STREAM_CATALOGUE, batch), STREAM_CATALOGUE, learns=False)
    assert told(plain) == told([fact for fact in fixed if fact.kind in ("started", "idle", "expired")])


@settings(max_examples=30)
@given(events=streams(), cut=st.integers(0, 100), randomness=st.randoms(use_true_random=False))
def test_another_future_leaves_every_score_as_it_was(
    events: list[dict[str, Any]], cut: int, randomness: Random
) -> None:
    seen = [each for each in chain.from_iterable(observed(events, LEARNED, 5)) if each.journey == "loan"]
    seen.sort(key=lambda each: each.at_ms)
    cut_ms = seen[min(cut, len(seen) - 1)].at_ms if seen else 0
    past = [each for each in seen if each.at_ms < cut_ms]
    future = [each for each in seen if each.at_ms >= cut_ms]
    kinds = [each.kind for each in future]
    randomness.shuffle(kinds)
    idle_ms = [3_000 if kind == "idle" else each.idle_ms for kind, each in zip(kinds, future, strict=True)]
    other = [
        msgspec.structs.replace(each, kind=kind, idle_ms=idle)
        for each, kind, idle in zip(future, kinds, idle_ms, strict=True)
    ]
    first = JourneyLearner("loan", LEARNED).observe([*past, *future])[: len(past)]
    second = JourneyLearner("loan", LEARNED).observe([*past, *other])[: len(past)]
    assert [each and (each.score, each.is_abandonment) for each in first] == [
        each and (each.score, each.is_abandonment) for each in second
    ]


@pytest.mark.parametrize("places", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_batch_is_heard_in_the_order_of_event_time(places: tuple[int, ...]) -> None:
    loan = JourneyLearner("loan", LEARNED)
    loan.observe([seen("idle", 3, 3, attempt_id(number)) for number in range(4)])
    batch = [
        seen("completed", 10, attempt=attempt_id(0)),
        seen("idle", 10, 3, attempt_id(7)),
        seen("idle", 9.999, 3, attempt_id(8)),
    ]
    thoughts = loan.observe([batch[place] for place in places])
    scores = {places[at]: each.score for at, each in enumerate(thoughts) if each is not None}
    assert scores[2] == 0.5, "before the outcome"
    assert scores[1] < 0.5, "after it: at the same instant events come first"


@settings(max_examples=30)
@given(events=streams(), cut=st.integers(0, 8))
def test_restored_from_its_journal_it_tells_the_same_facts(events: list[dict[str, Any]], cut: int) -> None:
    batches = [[each for each in batch if each.journey == "loan"] for batch in observed(events, LEARNED, 4)]

    def fresh() -> LearnedDecision:
        return LearnedDecision(
            ReasonRules(LEARNED), lambda name: JourneyLearner(name, LEARNED, keeps_changes=True), keeps_changes=True
        )

    whole, decision = fresh(), fresh()
    packs: list[bytes] = []
    for number, batch in enumerate(batches):
        assert [(fact.id, fact.score) for fact in whole.decide(batch)] == [
            (fact.id, fact.score) for fact in decision.decide(batch)
        ]
        if number % 2 == 0:
            packs.append(decision.changes()[1])
        if number == cut:
            before, decision = decision, fresh()
            decision.restore(before.head(), [*packs, before.changes()[1]])
            packs = [decision.rows(decision.all_keys())]
            assert sorted(decision.all_keys()) == sorted(before.all_keys())
            assert all(decision.rows([key]) == before.rows([key]) for key in before.all_keys())
            assert decision.head() == before.head()


def seen(
    kind: ObservationKind, at_s: float, idle_s: float = 0, attempt: str = "00000000aaaaaaaa", step: str = "apply"
) -> Observation:
    at_ms = BEGIN_MS + round(at_s * 1000)
    return Observation(
        kind, at_ms, attempt, "anna", "loan", None, step, None, round(idle_s * 1000), started_ms=BEGIN_MS
    )


def attempt_id(number: int) -> str:
    return f"{number:08x}00000000"


def test_a_prediction_is_scored_as_it_was_made_and_then_learnt() -> None:
    scored: list[ScoredPrediction] = []
    loan = JourneyLearner("loan", LEARNED, lambda _, each: scored.extend(each))
    said = [thought for thought in loan.observe([seen("idle", 3, 3), seen("idle", 8, 8)]) if thought is not None]
    assert [each.score for each in said] == [0.5, 0.5], "nothing has been learnt"
    loan.observe([seen("active", 9, 9), seen("completed", 10)])
    told = [each for each in scored if each.question == "unfinished"]
    assert [(each.score, each.outcome, each.features.idle_ms) for each in told] == [
        (0.5, False, 3_000),
        (0.5, False, 8_000),
    ]
    assert loan.figures().quality[0].labels == 2
    [again] = loan.observe([seen("idle", 13, 3, attempt_id(2))])
    assert again is not None
    assert again.score < 0.5, "now it has"


def test_a_silence_is_settled_after_the_label_timeout_of_event_time() -> None:
    loan = JourneyLearner("loan", LEARNED)
    loan.observe([seen("idle", 3, 3)])
    assert loan.figures().pending == 1
    loan.observe([seen("started", 29, attempt=attempt_id(2))])
    assert loan.figures().pending == 1
    loan.observe([seen("started", 31, attempt=attempt_id(2))])
    assert (loan.figures().pending, loan.figures().learnt) == (0, 1)
    loan.observe([seen("completed", 40)])
    assert loan.figures().learnt == 1, "too late: it has been settled"


def test_silences_heard_of_out_of_order_take_no_longer() -> None:
    """A partition of the bus that is behind, or another process: whatever they tell is earlier than what waits."""
    patient = msgspec.structs.replace(LEARNED, label_timeout="30d")
    batch = [seen("idle", number, 3, attempt_id(number)) for number in range(20_000)]
    batches = [batch[start : start + 50] for start in range(0, len(batch), 50)]

    def seconds(ordered: Iterable[Sequence[Observation]]) -> float:
        loan = JourneyLearner("loan", patient)
        began = time.process_time()
        for each in ordered:
            loan.observe(each)
        assert loan.figures().pending == len(batch)
        return time.process_time() - began

    assert seconds(reversed(batches)) < 4 * seconds(batches)


def test_what_waits_is_bounded_and_what_is_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "MOST_WAITING", 10)
    loan = JourneyLearner("loan", LEARNED)
    loan.observe([seen("idle", 3, 3, attempt_id(number)) for number in range(25)])
    assert (len(loan.waiting), loan.figures().dropped, loan.figures().pending) == (10, 15, 10)


def test_what_was_learnt_is_taken_up_by_another() -> None:
    first, second = JourneyLearner("loan", LEARNED), JourneyLearner("loan", LEARNED)
    for number in range(60):
        at_s = 100 * number
        first.observe([seen("idle", at_s + 3, 3, attempt_id(number)), seen("gone", at_s + 50, 0, attempt_id(number))])
    second.take_up(first.saved())
    assert second.saved() == first.saved()
    assert second.figures() == first.figures()
    one, other = (each.observe([seen("idle", 9_000, 3, attempt_id(99))])[0] for each in (first, second))
    assert one is not None
    assert other is not None
    assert one.score == other.score > 0.9


def test_another_format_is_refused_by_name() -> None:
    with pytest.raises(StateUnreadable, match=f"found format 'zhiyin-learning-9', expected '{MODEL_FORMAT}'"):
        JourneyLearner("loan", LEARNED).take_up(msgspec.msgpack.encode(["zhiyin-learning-9"]))


def test_once_told_the_same_break_is_not_told_again_however_early_it_is_noticed() -> None:
    early = Fact("abandoned", BEGIN_MS + 3_000, "a1", "anna", "loan", None, "apply", idle_ms=3_000)
    late = Fact("abandoned", BEGIN_MS + 8_000, "a1", "anna", "loan", None, "apply", idle_ms=8_000)
    assert early.id == late.id
    assert early.id != msgspec.structs.replace(late, idle_ms=7_999).id
