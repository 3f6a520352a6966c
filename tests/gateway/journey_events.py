"""Simulated customers mapped into a Redis by the real dataflow, and pain points beside them."""

from collections.abc import Callable, Sequence
from itertools import count
from random import Random

import msgspec

from config import load_catalogue
from flows.dataflow import FlowOptions, Sinks, journey_flow
from flows.live.runner import run_dataflow
from flows.sinks.list_sink import ListSink
from flows.sources.recording import RecordingSource, polls_of
from flows.steps.monitor import TELL_EVERY_MS
from operators.monitoring.fix_effect import Side
from operators.monitoring.journey_map import DAY_MS, HOUR_MS
from operators.monitoring.journey_monitor import JourneyKnown, MapChanged, MonitorOutput, PainPointChanged
from operators.monitoring.pain_points import PainPoint, PainPointUpdate, Symptom, boundaries, opened, reported
from operators.records.catalogue import Catalogue
from operators.support.timestamps import iso_text
from state.monitoring.journey_maps import JourneyMapWriter
from state.monitoring.pain_points import PainPointWriter
from state.redis.connections import Client
from tests.parts.machine import ROOT
from zhiyin.simulate.population import Simulation, merged
from zhiyin.simulate.posting import wire_event
from zhiyin.simulate.visit import Visit

CATALOGUE = ROOT / "config" / "catalog"


def catalogue() -> Catalogue:
    return load_catalogue(CATALOGUE, quiet_hours=False)


def simulated_lines(begins_ms: int, customers: int = 600, hours: int = 3, seed: int = 5) -> list[bytes]:
    """What so many customers do in so many hours from ``begins_ms`` on, a line an event."""
    simulation = Simulation(catalogue(), Random(seed))
    stream = merged(simulation.visits(customers, hours * HOUR_MS))
    ends_ms = begins_ms + hours * HOUR_MS
    lines = [
        msgspec.json.encode(wire_event(each, begins_ms + each.at_ms))
        for each in stream
        if not isinstance(each, Visit) and begins_ms + each.at_ms < ends_ms
    ]
    return [*lines, *answers(ends_ms - 60_000)]


def answers(at_ms: int) -> list[bytes]:
    """Survey answers after claims and policy loans."""
    random = Random(3)
    events = [
        {
            "event": "Survey Sent",
            "userId": f"s-{number}",
            "timestamp": iso_text(at_ms),
            "properties": {
                "journey": random.choice(("claim", "policy_loan")),
                "score": random.choice((5, 5, 4, 4, 3, 1)),
            },
            "context": {"channel": "web"},
        }
        for number in range(60)
    ]
    return [msgspec.json.encode(event) for event in events]


def mapped(lines: Sequence[bytes], client: Client) -> list[MonitorOutput]:
    """Sends lines through the dataflow; its maps are in Redis afterwards."""
    words: list[MonitorOutput] = []
    write = _keep(words, client)
    outlets = Sinks(
        facts=ListSink(lambda: lambda _: None),
        dead_letters=ListSink(lambda: lambda _: None),
        monitor=ListSink(lambda: write),
    )
    # A stream that has only stopped, not one that has ended: what is open stays open. Each look at the clock is later.
    clock = count(0, TELL_EVERY_MS + 1)
    rules = FlowOptions(
        shards=1,
        run_out=lambda: False,
        latest_ms=lambda _: 1 << 62,
        checkpoints=False,
        clock=lambda: next(clock),
    )
    source = RecordingSource(polls_of(iter(lines), 512), lambda: False)
    run_dataflow(journey_flow(source, catalogue(), rules, outlets), 1)
    return words


def _keep(words: list[MonitorOutput], client: Client) -> Callable[[Sequence[MonitorOutput]], None]:
    maps = JourneyMapWriter(client)

    def write(told: Sequence[MonitorOutput]) -> None:
        words.extend(told)
        maps.write([each for each in told if isinstance(each, MapChanged | JourneyKnown)])

    return write


def pain_points(now_ms: int) -> list[PainPoint]:
    """Three: one that waits, one in one channel, one whose fix has worked."""
    journeys = catalogue().journeys
    since_ms = now_ms - 4 * DAY_MS

    def point(journey: str, step: str, symptom: Symptom, lost: float) -> PainPoint:
        found = opened(journey, step, boundaries(journeys[journey])[step], symptom, since_ms + HOUR_MS)
        found.seen_ms, found.lost = now_ms, lost
        return found

    waits = point("policy_loan", "sms_code", Symptom("failure", "all", "past", 0.31, 0.05, 420, since_ms), 64)
    waits.symptoms.append(Symptom("loss", "all", "past", 0.22, 0.07, 420, since_ms))
    app = point(
        "new_application", "id_photo", Symptom("loss", "channel:app", "neighbours", 0.24, 0.08, 310, since_ms), 28
    )
    proved = point("claim", "treatment", Symptom("failure", "all", "past", 0.2, 0.06, 600, since_ms), 40)
    proved.before = Side(120, 600, 36.0)
    reported(proved, PainPointUpdate("claim", proved.id, "fixed", now_ms - 80 * HOUR_MS, "anna"))
    proved.after = Side(30, 500, 30.0)
    proved.happens("verified", now_ms, "zhiyin")
    return [waits, app, proved]


def write_points(points: Sequence[PainPoint], client: Client, now_ms: int) -> None:
    """Puts them where the gateway reads them."""
    PainPointWriter(client).write([PainPointChanged(each, each.history[-1].word, now_ms) for each in points])
