"""The fixed decision remembers nothing, and takes turns with one that learns without a word lost or told twice."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.learning.fixed_decision import FixedDecision
from operators.learning.learned_decision import LearnedDecision
from operators.learning.learner import JourneyLearner
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import Catalogue
from operators.records.events import Event, read_event
from operators.records.facts import Fact
from operators.tracking.plan import journey_plans
from operators.tracking.tracker import ShardTracker
from tests.oracle import expected_facts
from tests.streams import BEGIN_MS, STREAM_CATALOGUE, oracle_journeys, streams, told, wire

FIXED = FixedDecision(ReasonRules(STREAM_CATALOGUE))


def take(shard: ShardTracker, event: dict[str, Any]) -> None:
    read = read_event(wire(event))
    assert isinstance(read, Event)
    shard.take([read], [event["at_ms"]])
    shard.settle()


def viewed(step: str, after_s: int) -> dict[str, Any]:
    event = {"customer": "anna", "id": f"{step}-{after_s}", "at_ms": BEGIN_MS + 1_000 * after_s, "step": step}
    return event | {"name": "Transaction Step Viewed", "journey": "loan", "transaction_id": None}


def restarted(shard: ShardTracker, catalogue: Catalogue = STREAM_CATALOGUE) -> ShardTracker:
    again = ShardTracker(journey_plans(catalogue), keeps_changes=True)
    again.restore(shard.head(), [shard.rows(shard.all_keys())])
    return again


@settings(max_examples=60)
@given(events=streams(), learns=st.lists(st.booleans(), max_size=12))
def test_learning_goes_on_and_off_and_the_facts_are_the_oracles(
    events: list[dict[str, Any]], learns: list[bool]
) -> None:
    rules = ReasonRules(STREAM_CATALOGUE)
    learned = {
        name: LearnedDecision(rules, lambda each: JourneyLearner(each, STREAM_CATALOGUE))
        for name in STREAM_CATALOGUE.journeys
    }
    shard = ShardTracker(journey_plans(STREAM_CATALOGUE))
    facts: list[Fact] = []

    def decide(*, learns: bool) -> None:
        for seen in shard.collect():
            facts.extend(learned[seen.journey].decide([seen]) if learns else FIXED.decide([seen]))

    for number, event in enumerate(events):
        take(shard, event)
        decide(learns=bool(learns) and learns[number % len(learns)])
    shard.run_out()
    decide(learns=False)
    assert told(facts) == expected_facts(events, oracle_journeys(STREAM_CATALOGUE))


def test_what_was_told_is_known_after_a_restart() -> None:
    shard = ShardTracker(journey_plans(STREAM_CATALOGUE), keeps_changes=True)
    for event in (viewed("apply", 0), viewed("apply", 30)):
        take(shard, event)
    assert [fact.kind for fact in FIXED.decide(shard.collect())][-2:] == ["abandoned", "returned"]
    shard = restarted(shard)
    take(shard, viewed("confirm", 31))
    assert [(fact.kind, fact.recovered) for fact in FIXED.decide(shard.collect())] == [("completed", True)]


def test_a_silence_that_was_told_is_not_told_again_where_the_catalogue_now_allows_a_longer_one() -> None:
    shard = ShardTracker(journey_plans(STREAM_CATALOGUE), keeps_changes=True)
    take(shard, viewed("apply", 0))
    take(shard, viewed("apply", 0) | {"customer": "bo", "at_ms": BEGIN_MS + 30_000})
    assert [fact.kind for fact in FIXED.decide(shard.collect())].count("abandoned") == 1
    patient = msgspec.structs.replace(STREAM_CATALOGUE.journeys["loan"], idle_after="300s", forget_after="1h")
    journeys = {**STREAM_CATALOGUE.journeys, "loan": patient}
    shard = restarted(shard, msgspec.structs.replace(STREAM_CATALOGUE, journeys=journeys))
    take(shard, viewed("apply", 400))
    assert [(fact.kind, fact.customer_id) for fact in FIXED.decide(shard.collect()) if fact.kind != "idle"] == [
        ("returned", "anna"),
        ("abandoned", "bo"),
    ]
