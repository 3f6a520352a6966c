"""The same job with the engine's own session windows: what a key a customer and ``fold_window`` cost.

In: recorded lines of journeys whose every step has the same ``idle_after``. Out: how many attempts were
completed, cancelled and abandoned, and how fast our replay is against it. Refused: a different answer
(``NotMeasured``).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import bytewax.operators as op
import bytewax.operators.windowing as win
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink

from bench.figures import Figure, figure, number
from bench.inputs import CACHE, RECORDED_CATALOGUE, Recording, recorded, simulated
from bench.not_measured import NotMeasured
from bench.replay import replayed
from bench.scale import Scale
from bench.timing import cpus, interleaved, quotients, taken, walls
from flows.live.runner import run_dataflow
from flows.replay.replay import DEFAULT_KINDS, ReplayPace, ReplayReport
from flows.sources.recording import RecordingSource, polls_of
from flows.steps.messages import Poll
from operators.records.catalogue import Catalogue
from operators.records.events import ACTIVITY, CANCELLED, COMPLETED, STEP_COMPLETED, STEP_VIEWED, Event, read_events

REPEATS: Final = 3
LARGE_POLL: Final = 16_384
"""What suits the windows best: each poll costs them something for each key they know."""

SMALL_POLL: Final = 128
"""About what a live source brings at a time."""

FEWER: Final = 4
"""With small polls a part of the events is enough, and takes long enough."""

_REACHES_STEP: Final = frozenset((STEP_VIEWED, STEP_COMPLETED))


class WindowOutcome(msgspec.Struct, frozen=True):
    """Attempts by how they ended; ``abandoned``: silences that counted as breaking off."""

    completed: int = 0
    cancelled: int = 0
    abandoned: int = 0


class WindowSession(msgspec.Struct):
    """One window: whether an attempt is open at its end, and those that ended in it."""

    is_open: bool = False
    completed: int = 0
    cancelled: int = 0


def measure(scale: Scale, cache: Path = CACHE) -> Iterator[Figure]:
    """How many times as fast our replay is, each with the polls that suit it best, and both with a live source's."""
    recording = recorded() or simulated(scale.stock_events, cache, RECORDED_CATALOGUE)
    repeats = min(REPEATS, scale.repeats)
    yield _figure(
        "each at its best", recording.first(scale.stock_events), (LARGE_POLL, ReplayPace().poll_events), repeats
    )
    fewer = recording.first(scale.stock_events // FEWER)
    yield _figure(f"polls of {SMALL_POLL}", fewer, (SMALL_POLL, SMALL_POLL), repeats)


def _figure(says: str, recording: Recording, polls: tuple[int, int], repeats: int) -> Figure:
    runs = (partial(stock_outcome, recording, polls[0]), partial(our_outcome, recording, polls[1]))
    require_agreement(runs[0](), runs[1]())
    stock, ours = interleaved(repeats, [partial(taken, run) for run in runs])
    speeds = [number(len(recording.lines) / median(walls(each))) for each in (ours, stock)]
    by_cpu = number(median(quotients(cpus(stock), cpus(ours))))
    note = f"{recording.says}, same answer; events/s: {speeds[0]} against {speeds[1]}; by processor time {by_cpu}"
    name = f"our replay / stock session windows, speed, {says}"
    return figure(name, quotients(walls(stock), walls(ours)), "times", note=note)


def require_agreement(stock: WindowOutcome, ours: WindowOutcome, whose: str = "stock session windows") -> None:
    """Raises NotMeasured unless both say the same."""
    if stock != ours:
        raise NotMeasured(whose, f"the windows say {stock}, our replay {ours}", "the same answer")


def our_outcome(recording: Recording, poll_events: int = SMALL_POLL) -> WindowOutcome:
    """What our replay says."""
    return outcome_of(replayed(recording, DEFAULT_KINDS, ReplayPace(poll_events=poll_events)))


def outcome_of(report: ReplayReport) -> WindowOutcome:
    """What a replay's report says of it."""
    return WindowOutcome(report.facts["completed"], report.facts["cancelled"], report.facts["abandoned"])


def stock_outcome(recording: Recording, poll_events: int = LARGE_POLL) -> WindowOutcome:
    """What the engine's own windows say."""
    found: list[tuple[str, tuple[int, WindowSession]]] = []
    run_dataflow(stock_flow(recording, poll_events, found), workers=1)
    sessions = [session for _, (_, session) in found]
    return WindowOutcome(
        sum(each.completed for each in sessions),
        sum(each.cancelled for each in sessions),
        sum(each.is_open for each in sessions),
    )


def stock_flow(recording: Recording, poll_events: int, found: list[tuple[str, tuple[int, WindowSession]]]) -> Dataflow:
    """The dataflow as the engine's own guide would write it; sessions go to ``found``."""
    catalogue = recording.catalogue
    finals = {step.id for journey in catalogue.journeys.values() for step in journey.steps if step.final}

    def fold(session: WindowSession, event: Event) -> WindowSession:
        return _fold(session, event, finals)

    flow = Dataflow("stock")
    polls = op.input("lines", flow, RecordingSource(polls_of(iter(recording.lines), poll_events), lambda: False))
    # What one look brought, raw
    events = op.flat_map("decode", polls, _keyed)
    # A keyed stream of events: by customer, journey and transaction, an item an event
    clock = win.EventClock(_at, wait_for_system_duration=timedelta(milliseconds=catalogue.lateness_ms))
    windower = win.SessionWindower(gap=timedelta(milliseconds=gap_ms(catalogue)))
    sessions = win.fold_window("sessions", events, clock, windower, WindowSession, fold, _merge)
    # By the same key: window id and session
    op.output("out", sessions.down, TestingSink(found))
    return flow


def gap_ms(catalogue: Catalogue) -> int:
    """The silence that ends a session: the ``idle_after`` that all steps share."""
    [gap] = {journey.idle_after_ms(step) for journey in catalogue.journeys.values() for step in journey.steps}
    return gap


def _keyed(poll: Poll) -> Iterable[tuple[str, Event]]:
    for event in read_events(poll.raws):
        if isinstance(event, Event) and event.event in ACTIVITY and event.properties is not None:
            yield f"{event.customer_id}|{event.properties.journey}|{event.properties.transaction_id}", event


def _at(event: Event) -> datetime:
    return event.timestamp or datetime.fromtimestamp(0, UTC)


def _fold(session: WindowSession, event: Event, finals: set[str]) -> WindowSession:
    step = event.properties.step if event.properties is not None else None
    session.is_open = False
    if event.event == CANCELLED:
        session.cancelled += 1
    elif event.event == COMPLETED or (step in finals and event.event in _REACHES_STEP):
        session.completed += 1
    else:
        session.is_open = True
    return session


def _merge(first: WindowSession, second: WindowSession) -> WindowSession:
    return WindowSession(second.is_open, first.completed + second.completed, first.cancelled + second.cancelled)
