"""The step of monitoring: one journey's transitions become its map and its pain points.

In: transitions of the tracker, facts, and what interactions report and answer. Out: lists of outputs: panes of
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
_ACTIONS: Final[dict[str, PainPointAction]] = {action: action for action in get_args(PainPointAction)}


class MonitorInputs(msgspec.Struct, gc=False):
    """What a batch has for one journey."""

    journey: str
    transitions: list[Transition]
    reports: list[PainPointUpdate]


class MonitorLogic(StatefulBatchLogic[MonitorInputs, list[MonitorOutput], bytes]):
    """One journey. ``clock``: now in ms (None: a recording, which has its outputs at its end)."""

    def __init__(
        self,
        monitor: JourneyMonitor,
        clock: Callable[[], int] | None,
        run_out: Callable[[], bool],
        state: JournaledState,
    ) -> None:
        self._monitor = monitor
        self._clock = clock
        self._run_out = run_out
        self._state = state
        self._output_at_ms = 0
        self._has_news = True

    def on_batch(self, values: list[MonitorInputs]) -> tuple[Iterable[list[MonitorOutput]], bool]:
        """Counts and judges; gives outputs when it is time."""
        if not self._monitor.name:
            self._monitor.open(values[0].journey)
            self._state.open(f"monitor-{stable_id(self._monitor.name)}")
        for batch in values:
            self._monitor.take(batch.transitions)
            for report in batch.reports:
                self._monitor.report(report)
        self._state.write_ahead()
        self._has_news = True
        return self._outputs(), StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[list[MonitorOutput]], bool]:
        """The time has come that ``notify_at`` named."""
        return self._outputs(), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[list[MonitorOutput]], bool]:
        """The end of a recording; a live stream that stops is only paused."""
        outputs = self._monitor.pop_outputs() if self._run_out() else []
        return ([outputs] if outputs else ()), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """When what has changed is published; never for recordings, whose time is not the clock's."""
        if self._clock is None or not self._has_news:
            return None
        return datetime.fromtimestamp(self._output_at_ms / 1000, UTC) + timedelta(milliseconds=1)

    def snapshot(self) -> bytes:
        """The position in the journal of what the monitor remembers."""
        return self._state.snapshot()

    def _outputs(self) -> Iterable[list[MonitorOutput]]:
        if self._clock is None or self._clock() < self._output_at_ms:
            return ()
        self._output_at_ms = self._clock() + TELL_EVERY_MS
        self._has_news = False
        outputs = self._monitor.pop_outputs()
        return [outputs] if outputs else ()


def monitored(
    tracked: KeyedStream[TrackerOutput],
    decided: KeyedStream[list[Fact]],
    catalogue: Catalogue,
    clock: Callable[[], int] | None,
    run_out: Callable[[], bool],
    journals: Journals | None,
) -> KeyedStream[list[MonitorOutput]]:
    """The step, by journey."""
    segments = Segments(catalogue.monitoring.channels, catalogue.monitoring.groups)
    thresholds = pain_thresholds(catalogue)

    def by_journey(keyed: tuple[str, TrackerOutput]) -> Iterable[tuple[str, MonitorInputs]]:
        return transitions_by_journey(keyed[1], segments, catalogue.journeys.keys())

    def monitor(resumed: bytes | None) -> MonitorLogic:
        memory = JourneyMonitor(catalogue.journeys, thresholds, keeps_changes=journals is not None)
        return MonitorLogic(memory, clock, run_out, JournaledState(memory, journals, resumed))

    transition_inputs = op.flat_map("moves_by_journey", tracked, by_journey)
    fact_inputs = op.map("moves_of_facts", decided, _fact_inputs)
    return op.stateful_batch("monitor", op.merge("monitoring", transition_inputs, fact_inputs), monitor)


def monitor_sink(
    new_writers: Callable[[], tuple[JourneyMapWriter, PainPointWriter]],
    retry: Retry,
    counts: OutputMetrics,
) -> ListSink[MonitorOutput]:
    """Maps and pain points in Redis, whatever the bus is. ``new_writers()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[MonitorOutput]], None]:
        map_writer, point_writer = new_writers()

        def write(outputs: Sequence[MonitorOutput]) -> None:
            panes = [output for output in outputs if isinstance(output, MapChanged | JourneyKnown)]
            changed_points = [output for output in outputs if isinstance(output, PainPointChanged)]
            if panes:
                retry(lambda: map_writer.write(panes))
            if changed_points:
                retry(lambda: point_writer.write(changed_points))
                counts.pain_points(changed_points)

        return write

    return ListSink(open_writer)


def transitions_by_journey(
    tracked: TrackerOutput, segments: Segments, journeys: Collection[str]
) -> Iterable[tuple[str, MonitorInputs]]:
    """The transitions, the answers and the reports of a batch, by journey."""
    transitions: defaultdict[str, list[Transition]] = defaultdict(list, tracked.transitions)
    for transition in answer_transitions(tracked.interactions, segments, journeys):
        transitions[transition[0]].append(transition)
    grouped = {
        journey: MonitorInputs(journey, journey_transitions, []) for journey, journey_transitions in transitions.items()
    }
    for report in filter(None, map(report_of, tracked.interactions)):
        if report.journey in journeys:
            grouped.setdefault(report.journey, MonitorInputs(report.journey, [], [])).reports.append(report)
    return grouped.items()


def _fact_inputs(keyed: tuple[str, list[Fact]]) -> tuple[str, MonitorInputs]:
    journey, facts = keyed
    return journey, MonitorInputs(journey, fact_transitions(facts), [])


def report_of(interaction: Interaction) -> PainPointUpdate | None:
    """What it says of a pain point; None: nothing."""
    properties = interaction.event.properties
    if (
        interaction.event.event != PAIN_POINT_REPORTED
        or properties is None
        or properties.pain_point_state not in MAY_BECOME
    ):
        return None
    return PainPointUpdate(
        properties.journey or "",
        properties.pain_point_id or "",
        _ACTIONS[properties.pain_point_state],
        interaction.at_ms,
        properties.agent_id or "",
        properties.assignee,
    )
