"""What monitoring costs a replay, and what it finds in a quarter with planted problems.

In: a simulated recording; a simulated quarter. Out: the replay's throughput with monitoring against without, both in
one process and in turns; problems found and missed, false alarms a week, hours to detection, fixes confirmed.
Refused: nothing.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from bench.figures import Aim, Figure, figure, number
from bench.inputs import CACHE, SHIPPED_CATALOGUE, Recording, simulated
from bench.quarter import DAYS, PROBLEMS
from bench.scale import Scale
from bench.timing import cpus, interleaved, quotients, taken, walls
from bench.watched_quarter import WatchedQuarter, watch_quarter
from config import load_catalogue
from flows.dataflow import FlowOptions, Sinks, journey_flow
from flows.live.runner import run_dataflow
from flows.sinks.list_sink import ListSink
from flows.sources.recording import RecordingSource, polls_of

COST: Final = Aim(at_least=0.90)
POLL_EVENTS: Final = 512
SEED: Final = 1


def measure(scale: Scale, cache: Path = CACHE) -> Iterator[Figure]:
    """Cost first, then the quarter."""
    recording = simulated(scale.simulated_events, cache)
    yield cost(recording, scale.simulated_repeats)
    yield from quarter_figures(scale)


def cost(recording: Recording, repeats: int) -> Figure:
    """Throughput with monitoring by throughput without."""
    without, watched = interleaved(
        repeats,
        [
            partial(taken, partial(replay, recording, monitored=False)),
            partial(taken, partial(replay, recording, monitored=True)),
        ],
    )
    by_cpu = number(median(quotients(cpus(without), cpus(watched))))
    speeds = [number(len(recording.lines) / median(walls(each))) for each in (watched, without)]
    note = f"{recording.says}; events/s: {speeds[0]} against {speeds[1]}; by processor time {by_cpu}"
    return figure("replay with monitoring / without", quotients(walls(without), walls(watched)), "", COST, note)


def replay(recording: Recording, *, monitored: bool) -> None:
    """All lines through the dataflow as fast as it goes; what it says is thrown away."""

    def nowhere() -> ListSink[object]:
        return ListSink(lambda: lambda _: None)

    rules = FlowOptions(shards=1, run_out=lambda: True, latest_ms=lambda _: 1 << 62, checkpoints=False, struggles=False)
    outlets = Sinks(facts=nowhere(), dead_letters=nowhere(), monitor=nowhere() if monitored else None)
    source = RecordingSource(polls_of(iter(recording.lines), POLL_EVENTS), lambda: False)
    run_dataflow(journey_flow(source, recording.catalogue, rules, outlets), 1)


def quarter_figures(scale: Scale) -> Iterator[Figure]:
    """The quarter with problems, and one without any."""
    catalogue = load_catalogue(SHIPPED_CATALOGUE, quiet_hours=False)
    watched = watch_quarter(catalogue, PROBLEMS, SEED, scale.transactions_an_hour, DAYS)
    says = f"{watched.events:,} events, {number(scale.transactions_an_hour)} transactions an hour over 9 journeys"
    found = [each.hours for each in watched.outcomes if each.hours is not None]
    missed = [each.problem.says for each in watched.outcomes if each.hours is None]
    fixed = [each for each in watched.outcomes if each.problem.fixed_day is not None]
    proved = [each for each in fixed if each.state == "verified"]
    yield figure("planted problems found", [len(found)], f"of {len(watched.outcomes)}", note=_missed(says, missed))
    yield figure("hours to detection", found or [DAYS * 24.0], "h")
    yield figure("fixes confirmed", [len(proved)], f"of {len(fixed)}", note=_intervals(watched))
    yield figure("false alarms a week, with problems", [watched.false_alarms_a_week], "", note=_alarms(watched))
    quiet = watch_quarter(catalogue, (), SEED + 1, scale.transactions_an_hour, DAYS)
    allowed = Aim(at_most=catalogue.monitoring.false_alarms_a_week)
    yield figure("false alarms a week, nothing planted", [quiet.false_alarms_a_week], "", allowed, _alarms(quiet))


def _missed(says: str, missed: list[str]) -> str:
    return f"{says}; missed: {', '.join(missed) or 'none'}"


def _intervals(watched: WatchedQuarter) -> str:
    found = [each.fix for each in watched.outcomes if each.fix is not None]
    return "; ".join(f"{fix['metric']} {fix['difference']} ({fix['low']} to {fix['high']})" for fix in found)


def _alarms(watched: WatchedQuarter) -> str:
    named = ", ".join(f"{each.journey}/{each.step} ({each.scope})" for each in watched.false_alarms)
    return f"{len(watched.false_alarms)} in {number(watched.weeks)} weeks: {named or 'none'}"
