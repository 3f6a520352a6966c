"""The step of monitoring: one journey's moves become its map and its pain points.

In: moves of the tracker, facts, and what is reported and answered around transactions. Out: lists of words: panes of
the map, pain points, at most once a second while live, at the end of a recording. Refused: nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, get_args

import bytewax.operators as op
import msgspec
from bytewax.operators import KeyedStream, StatefulBatchLogic

from flows.sinks.list_sink import ListSink
from flows.sinks.output_metrics import OutputMetrics
from flows.steps.journaled_state import JournaledState, Journals
from flows.steps.messages import TrackerOutput
from operators.monitoring.journey_monitor import (
    JourneyKnown,
    JourneyMonitor,
    MapChanged,
    MonitorOutput,
    PainPointChanged,
)
from operators.monitoring.pain_detection import pain_thresholds
from operators.monitoring.pain_points import MAY_BECOME, PainPointAction, PainPointUpdate
from operators.monitoring.satisfaction import answer_transitions
from operators.records.catalogue import Catalogue
from operators.records.events import PAIN_POINT_REPORTED
from operators.records.facts import Fact, Interaction, stable_id
from operators.tracking.segments import Segments
from operators.tracking.transitions import Transition, fact_transitions
from state.monitoring.journey_maps import JourneyMapWriter
from state.monitoring.pain_points import PainPointWriter
from state.redis.retry import Retry

TELL_EVERY_MS: Final = 1_000
_WORDS: Final[dict[str, PainPointAction]] = {each: each for each in get_args(PainPointAction)}


class MonitorInputs(msgspec.Struct, gc=False):
    """What a batch has for one journey."""

    journey: str
    transitions: list[Transition]
    reports: list[PainPointUpdate]


class MonitorLogic(StatefulBatchLogic[MonitorInputs, list[MonitorOutput], bytes]):
    """One journey. ``clock``: now in ms (None: a recording, which is told of at its end)."""

    def __init__(
        self,
        monitor: JourneyMonitor,
        clock: Callable[[], int] | None,
        run_out: Callable[[], bool],
        remembering: JournaledState,
    ) -> None:
        self._monitor = monitor
        self._clock = clock
        self._run_out = run_out
        self._remembering = remembering
        self._tell_at_ms = 0
        self._has_news = True

    def on_batch(self, values: list[MonitorInputs]) -> tuple[Iterable[list[MonitorOutput]], bool]:
        """Counts and judges; tells when it is time."""
        if not self._monitor.name:
            self._monitor.open(values[0].journey)
            self._remembering.open(f"monitor-{stable_id(self._monitor.name)}")
        for each in values:
            self._monitor.take(each.transitions)
            for report in each.reports:
                self._monitor.report(report)
        self._remembering.write_ahead()
        self._has_news = True
        return self._told(), StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[list[MonitorOutput]], bool]:
        """The time has come that ``notify_at`` named."""
        return self._told(), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[list[MonitorOutput]], bool]:
        """The end of a recording; a live stream that stops is only paused."""
        words = self._monitor.pop_outputs() if self._run_out() else []
        return ([words] if words else ()), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """When what has changed is told; never for recordings, whose time is not the clock's."""
        if self._clock is None or not self._has_news:
            return None
        return datetime.fromtimestamp(self._tell_at_ms / 1000, UTC) + timedelta(milliseconds=1)

    def snapshot(self) -> bytes:
        """The place in the journal of what the monitor remembers."""
        return self._remembering.snapshot()

    def _told(self) -> Iterable[list[MonitorOutput]]:
        if self._clock is None or self._clock() < self._tell_at_ms:
            return ()
        self._tell_at_ms = self._clock() + TELL_EVERY_MS
        self._has_news = False
        words = self._monitor.pop_outputs()
        return [words] if words else ()


def monitored(
    tracked: KeyedStream[TrackerOutput],
    decided: KeyedStream[list[Fact]],
    catalogue: Catalogue,
    clock: Callable[[], int] | None,
    run_out: Callable[[], bool],
    journals: Journals | None,
) -> KeyedStream[list[MonitorOutput]]:
    """The step, by journey."""
    cells = Segments(catalogue.monitoring.channels, catalogue.monitoring.groups)
    rules = pain_thresholds(catalogue)

    def by_journey(keyed: tuple[str, TrackerOutput]) -> Iterable[tuple[str, MonitorInputs]]:
        return moves_by_journey(keyed[1], cells, catalogue.journeys.keys())

    def monitor(resumed: bytes | None) -> MonitorLogic:
        memory = JourneyMonitor(catalogue.journeys, rules, keeps_changes=journals is not None)
        return MonitorLogic(memory, clock, run_out, JournaledState(memory, journals, resumed))

    moved = op.flat_map("moves_by_journey", tracked, by_journey)
    told = op.map("moves_of_facts", decided, _of_facts)
    return op.stateful_batch("monitor", op.merge("monitoring", moved, told), monitor)


def monitor_sink(
    stores: Callable[[], tuple[JourneyMapWriter, PainPointWriter]],
    retry: Retry,
    counts: OutputMetrics,
) -> ListSink[MonitorOutput]:
    """Maps and pain points in Redis, whatever the bus is. ``stores()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[MonitorOutput]], None]:
        maps, points = stores()

        def write(words: Sequence[MonitorOutput]) -> None:
            panes = [each for each in words if isinstance(each, MapChanged | JourneyKnown)]
            changed = [each for each in words if isinstance(each, PainPointChanged)]
            if panes:
                retry(lambda: maps.write(panes))
            if changed:
                retry(lambda: points.write(changed))
                counts.pain_points(changed)

        return write

    return ListSink(open_writer)


def moves_by_journey(
    tracked: TrackerOutput, cells: Segments, journeys: Collection[str]
) -> Iterable[tuple[str, MonitorInputs]]:
    """The moves, the answers and the reports of a batch, by journey."""
    moves: defaultdict[str, list[Transition]] = defaultdict(list, tracked.transitions)
    for move in answer_transitions(tracked.interactions, cells, journeys):
        moves[move[0]].append(move)
    grouped = {journey: MonitorInputs(journey, of_journey, []) for journey, of_journey in moves.items()}
    for report in filter(None, map(report_of, tracked.interactions)):
        if report.journey in journeys:
            grouped.setdefault(report.journey, MonitorInputs(report.journey, [], [])).reports.append(report)
    return grouped.items()


def _of_facts(keyed: tuple[str, list[Fact]]) -> tuple[str, MonitorInputs]:
    journey, facts = keyed
    return journey, MonitorInputs(journey, fact_transitions(facts), [])


def report_of(around: Interaction) -> PainPointUpdate | None:
    """What it says of a pain point; None: nothing."""
    properties = around.event.properties
    if around.event.event != PAIN_POINT_REPORTED or properties is None or properties.pain_point_state not in MAY_BECOME:
        return None
    return PainPointUpdate(
        properties.journey or "",
        properties.pain_point_id or "",
        _WORDS[properties.pain_point_state],
        around.at_ms,
        properties.agent_id or "",
        properties.assignee,
    )
