"""Monitoring in the dataflow: a recording's map is what its facts and steps say, however it is shared out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest

from config import load_catalogue
from flows.dataflow import FlowOptions, Sinks, journey_flow
from flows.live.runner import run_dataflow
from flows.sinks.list_sink import ListSink
from flows.sources.recording import RecordingSource, polls_of
from operators.monitoring.journey_map import HOUR_MS, StepTally, Window, over, unpack_pane
from operators.monitoring.journey_monitor import MapChanged, MonitorOutput
from operators.monitoring.satisfaction import satisfaction
from operators.records.catalogue import Catalogue
from operators.records.facts import LIFE_CYCLE, Fact
from tests.parts.machine import ROOT
from zhiyin.simulate.run import SimulationPlan, write_file

CATALOGUE = ROOT / "config" / "catalog"
EVERYTHING = Window("all", HOUR_MS, 24 * 400)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CATALOGUE, quiet_hours=False)


@pytest.fixture(scope="module")
def lines(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("monitor") / "events.ndjson"
    write_file(catalogue, SimulationPlan(customers=400, seed=7, duration_ms=2 * HOUR_MS), path)
    return path.read_bytes().splitlines()


class MonitorRun:
    """One pass of lines through the dataflow: its facts, and the maps at its end."""

    def __init__(self, catalogue: Catalogue, lines: Sequence[bytes], shards: int, poll: int) -> None:
        self.facts: list[Fact] = []
        self.words: list[MonitorOutput] = []
        source = RecordingSource(polls_of(iter(lines), poll), lambda: False)
        rules = FlowOptions(shards=shards, run_out=lambda: True, latest_ms=lambda _: 1 << 62, checkpoints=False)
        outlets = Sinks(
            facts=ListSink(lambda: self.facts.extend),
            dead_letters=ListSink(lambda: lambda _: None),
            monitor=ListSink(lambda: self.words.extend),
        )
        run_dataflow(journey_flow(source, catalogue, rules, outlets), 1)

    def tally(self, journey: str) -> StepTally:
        words = [each for each in self.words if isinstance(each, MapChanged) and each.journey == journey]
        return over(unpack_pane(packed) for each in words for packed in each.panes.values())


def steps_changed(lines: Sequence[bytes], journey: str) -> Counter[tuple[str, str, str]]:
    """Brute force over the events of transactions that were never silent long enough to matter: changes of step."""
    last: dict[str, str] = {}
    found: Counter[tuple[str, str, str]] = Counter()
    for line in lines:
        properties: dict[str, Any] = msgspec.json.decode(line).get("properties", {})
        step, transaction = properties.get("step"), properties.get("transaction_id")
        if properties.get("journey") != journey or transaction is None:
            continue
        before = last.get(transaction, "")
        if step is not None and step != before and transaction in last:
            found["moved", before, step] += 1
        last[transaction] = step or before
    return found


@pytest.mark.parametrize(("shards", "poll"), [(1, 512), (16, 37)])
def test_the_map_is_what_facts_and_steps_say(catalogue: Catalogue, lines: list[bytes], shards: int, poll: int) -> None:
    run = MonitorRun(catalogue, lines, shards, poll)
    for journey in catalogue.journeys:
        counts = run.tally(journey).counts
        facts = Counter(
            (fact.kind, fact.step or "", "")
            for fact in run.facts
            if fact.journey == journey and fact.kind in LIFE_CYCLE
        )
        moved = steps_changed(lines, journey)
        assert sum(moved.values()) > 50
        assert {key: number for key, number in counts.items() if key[0] not in ("moved", "failed", "stumbled")} == facts
        assert {key: number for key, number in counts.items() if key[0] == "moved"} == moved


def answers(begins: str) -> Iterator[bytes]:
    for number, score in enumerate((5, 4, 4, 1, 9)):
        event = {
            "event": "Survey Sent",
            "userId": f"s-{number}",
            "timestamp": begins,
            "properties": {"journey": "claim", "score": score, "channel": "app"},
        }
        yield msgspec.json.encode(event)


def test_answers_are_counted_beside_the_interruptions(catalogue: Catalogue, lines: list[bytes]) -> None:
    begins = msgspec.json.decode(lines[-1])["timestamp"]
    run = MonitorRun(catalogue, [*lines, *answers(begins)], 4, 512)
    figures = satisfaction(run.tally("claim"))
    assert figures["surveys"] == 4
    assert figures["mean_score"] == 3.5
    assert figures["satisfied"]["share"] == 0.75
    assert figures["interrupted"] > 0.1
    assert satisfaction(run.tally("renewal"))["surveys"] == 0
