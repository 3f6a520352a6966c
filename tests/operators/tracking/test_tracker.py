"""The tracker against the oracle: any stream, any batches, any spread over shards, any restart."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.learning.fixed_decision import FixedDecision
from operators.reasons.rules import ReasonRules
from operators.records.events import Event, read_event
from operators.records.facts import Fact
from operators.support.snapshot_codec import StateUnreadable
from operators.support.timestamps import duration_ms
from operators.tracking.plan import journey_plans
from operators.tracking.tracker import ShardTracker
from tests.oracle import expected_facts
from tests.streams import BEGIN_MS, LATENESS_MS, STREAM_CATALOGUE, oracle_journeys, streams, told, wire

PLANS = journey_plans(STREAM_CATALOGUE)


def new_shard() -> ShardTracker:
    return ShardTracker(PLANS, keeps_changes=True)


def decide_all(shards: Sequence[ShardTracker], decision: FixedDecision) -> list[Fact]:
    return [fact for shard in shards for fact in decision.decide(shard.collect())]


def take(shard: ShardTracker, event: Mapping[str, Any], arrived_ms: int | None = None) -> None:
    read = read_event(wire(event))
    assert isinstance(read, Event)
    assert shard.take([read], [event["at_ms"]], None if arrived_ms is None else [arrived_ms]) == []


def act(shard: ShardTracker, name: str, at_ms: int, **more: str | None) -> list[tuple[str, int]]:
    event: dict[str, Any] = {"customer": "anna", "name": name, "at_ms": at_ms}
    event |= {"journey": "loan", "transaction_id": "t1", "step": None}
    event |= more
    take(shard, {**event, "id": "/".join(map(str, event.values()))})
    shard.settle()
    return [(seen.kind, seen.at_ms - BEGIN_MS) for seen in shard.collect()]


@given(events=streams(), shards=st.integers(1, 3), batch=st.integers(1, 12))
def test_any_stream_gives_the_oracles_facts(events: list[dict[str, Any]], shards: int, batch: int) -> None:
    parts = [new_shard() for _ in range(shards)]
    decision = FixedDecision(ReasonRules(STREAM_CATALOGUE))
    facts: list[Fact] = []
    for start in range(0, len(events), batch):
        for event in events[start : start + batch]:
            take(parts[len(event["customer"]) % shards], event)
        for part in parts:
            part.settle()
        facts += decide_all(parts, decision)
    for part in parts:
        part.run_out()
    facts += decide_all(parts, decision)
    assert told(facts) == expected_facts(events, oracle_journeys(STREAM_CATALOGUE))
    assert all(not part.open_attempts and not part.customers for part in parts)


@given(events=streams(), cut=st.integers(0, 40), tick=st.integers(0, 3))
def test_restarts_and_live_ticks_change_nothing(events: list[dict[str, Any]], cut: int, tick: int) -> None:
    shard, decision = new_shard(), FixedDecision(ReasonRules(STREAM_CATALOGUE))
    facts: list[Fact] = []
    packs: list[bytes] = []
    for number, event in enumerate(events):
        take(shard, event, event["arrival"])
        shard.settle(event["arrival"] if number % 4 == tick else None)
        facts += decide_all([shard], decision)
        if number % 3 == 0:
            packs.append(shard.changes()[1])
        if number == cut:
            before, shard = shard, new_shard()
            shard.restore(before.head(), [*packs, before.changes()[1]])
            assert sorted(shard.all_keys()) == sorted(before.all_keys())
            assert all(shard.rows([key]) == before.rows([key]) for key in before.all_keys())
            assert shard.changes()[0] == 0
    shard.run_out()
    facts += decide_all([shard], decision)
    assert told(facts) == expected_facts(events, oracle_journeys(STREAM_CATALOGUE))


def test_silence_is_told_when_the_watermark_has_passed_the_deadline() -> None:
    shard = new_shard()
    act(shard, "Transaction Step Viewed", BEGIN_MS, step="face")
    deadline_ms = BEGIN_MS + 5_000
    assert act(shard, "Order Viewed", deadline_ms + LATENESS_MS, journey=None, customer="bo") == [("idle", 3_000)]
    assert act(shard, "Order Viewed", deadline_ms + LATENESS_MS + 64, journey=None, customer="bo") == [
        ("silent", 5_000)
    ]


def test_a_journey_with_more_lateness_is_told_later_and_the_others_are_not() -> None:
    patient = msgspec.structs.replace(STREAM_CATALOGUE.journeys["loan"], lateness="10s")
    journeys = {**STREAM_CATALOGUE.journeys, "patient": patient}
    shard = ShardTracker(journey_plans(msgspec.structs.replace(STREAM_CATALOGUE, journeys=journeys), checkpoints=False))
    act(shard, "Transaction Step Viewed", BEGIN_MS, step="face", journey="loan")
    act(shard, "Transaction Step Viewed", BEGIN_MS, step="face", journey="patient")
    other = {"journey": None, "customer": "bo"}
    assert act(shard, "Order Viewed", BEGIN_MS + 5_000 + LATENESS_MS + 64, **other) == [("silent", 5_000)]
    assert act(shard, "Order Viewed", BEGIN_MS + 5_000 + 10_000, **other) == []
    assert shard.counts.late == 0
    act(shard, "Transaction Step Viewed", BEGIN_MS + 5_000, journey="patient", step="face")
    assert (shard.counts.late, shard.collect()) == (0, []), "ten seconds late is in time for this one"
    act(shard, "Transaction Step Viewed", BEGIN_MS + 5_000, journey="loan", step="face")
    assert shard.counts.late == 1
    assert act(shard, "Order Viewed", BEGIN_MS + 10_000 + 10_000 + 64, **other)[-1] == ("silent", 10_000)


def test_the_clock_moves_the_watermark_only_as_far_as_it_has_gone_since_the_newest_event() -> None:
    shard = new_shard()
    recorded_ms, arrived_ms = BEGIN_MS - duration_ms("7d"), BEGIN_MS
    started = {"customer": "anna", "id": "1", "name": "Transaction Started", "at_ms": recorded_ms}
    take(shard, {**started, "journey": "loan", "transaction_id": None, "step": "face"}, arrived_ms)
    shard.settle(arrived_ms + 1_000)
    assert [seen.kind for seen in shard.collect()] == ["started"]
    shard.settle(arrived_ms + 5_000 + LATENESS_MS + 64)
    assert [seen.kind for seen in shard.collect()] == ["idle", "silent"]


def test_an_event_ahead_of_its_arrival_does_not_run_the_watermark_ahead() -> None:
    shard = new_shard()
    event = {"customer": "anna", "id": "1", "name": "Page Hidden", "at_ms": BEGIN_MS + 59_000, "journey": "loan"}
    take(shard, {**event, "transaction_id": None, "step": None}, BEGIN_MS)
    shard.settle(BEGIN_MS + 10_000)
    assert shard.watermark_ms == BEGIN_MS + 10_000 - LATENESS_MS


def test_a_duplicate_completion_opens_nothing() -> None:
    shard = new_shard()
    assert act(shard, "Transaction Completed", BEGIN_MS) == [("started", 0), ("completed", 0)]
    assert act(shard, "Transaction Completed", BEGIN_MS) == []
    assert shard.counts.duplicates == 1


def test_a_failure_at_the_final_step_completes_nothing() -> None:
    shard = new_shard()
    assert act(shard, "Transaction Step Failed", BEGIN_MS, step="confirm") == [("started", 0)]


def test_message_ids_are_remembered_ten_minutes_and_then_forgotten() -> None:
    shard = new_shard()
    act(shard, "Transaction Completed", BEGIN_MS)
    act(shard, "Order Viewed", BEGIN_MS + 600_000, journey=None, customer="bo")
    assert "anna" in shard.customers
    act(shard, "Order Viewed", BEGIN_MS + 602_200, journey=None, customer="bo")
    assert "anna" not in shard.customers


def test_counts_say_what_was_late_and_what_was_disordered() -> None:
    shard = new_shard()
    act(shard, "Transaction Step Viewed", BEGIN_MS, step="apply")
    act(shard, "Transaction Step Viewed", BEGIN_MS - 1_000, step="face")
    assert (shard.counts.late, shard.counts.disordered) == (0, 1)
    act(shard, "Transaction Step Viewed", BEGIN_MS - 3_000, step="face")
    assert (shard.counts.late, shard.counts.disordered) == (1, 2)
    assert [attempt.step.id for attempt in shard.customers["anna"].attempts()] == ["apply"]


@pytest.mark.parametrize(
    ("name", "journey", "step", "kind"),
    [
        ("Transaction Started", "mortgage", None, "unknown_journey"),
        ("Transaction Started", None, None, "no_journey"),
        ("Transaction Step Viewed", "loan", "dance", "unknown_step"),
    ],
)
def test_what_the_catalogue_does_not_know_is_refused_by_name(
    name: str, journey: str | None, step: str | None, kind: str
) -> None:
    event = {"customer": "anna", "id": "1", "name": name, "at_ms": BEGIN_MS, "journey": journey}
    read = read_event(wire({**event, "transaction_id": None, "step": step}))
    assert isinstance(read, Event)
    shard = new_shard()
    [(index, rejection)] = shard.take([read], [BEGIN_MS])
    assert index == 0
    assert rejection.kind == kind
    assert "one of" in rejection.expected
    assert not shard.customers


def test_the_state_of_another_format_is_refused_by_name() -> None:
    with pytest.raises(StateUnreadable, match="found format 'zhiyin-shard-1', expected 'zhiyin-shard-2'"):
        new_shard().restore(b"\x91\xaezhiyin-shard-1", [])
    with pytest.raises(StateUnreadable, match="nothing we know"):
        new_shard().restore(b"\xc1", [])
    with pytest.raises(StateUnreadable, match="damaged"):
        new_shard().restore(b"\x91\xaezhiyin-shard-2", [])
    with pytest.raises(StateUnreadable, match="damaged"):
        new_shard().restore(new_shard().head(), [b"\x91\xc0"])


def test_attempts_of_journeys_that_are_gone_are_dropped_and_the_rest_goes_on() -> None:
    shard = new_shard()
    act(shard, "Transaction Step Viewed", BEGIN_MS, step="apply")
    act(shard, "Transaction Step Viewed", BEGIN_MS, journey="claim", step="report")
    smaller = ShardTracker({"claim": PLANS["claim"]})
    smaller.restore(shard.head(), [shard.changes()[1]])
    assert smaller.open_attempts == 1
    assert [attempt.plan.name for attempt in smaller.customers["anna"].attempts()] == ["claim"]


def test_what_has_not_changed_is_not_packed_again() -> None:
    shard = new_shard()
    act(shard, "Transaction Step Viewed", BEGIN_MS, step="apply")
    act(shard, "Transaction Step Viewed", BEGIN_MS, customer="bo", step="apply")
    assert shard.changes()[0] == 2
    assert shard.changes()[0] == 0
    act(shard, "Transaction Step Viewed", BEGIN_MS + 1_000, customer="bo", step="face")
    assert shard.changes()[0] == 1
    act(shard, "Order Viewed", BEGIN_MS + 20_000, journey=None, customer="cy")
    assert shard.changes()[0] == 3, "silence changes an attempt too"


def test_a_customer_forgotten_and_seen_again_between_two_snapshots_is_the_new_one() -> None:
    shard = new_shard()
    act(shard, "Transaction Completed", BEGIN_MS)
    packs = [shard.changes()[1]]
    act(shard, "Order Viewed", BEGIN_MS + 700_000, journey=None, customer="bo")
    assert "anna" not in shard.customers
    act(shard, "Transaction Step Viewed", BEGIN_MS + 700_000, step="apply")
    packs.append(shard.changes()[1])
    again = new_shard()
    again.restore(shard.head(), packs)
    assert again.rows(["anna"]) == shard.rows(["anna"])
