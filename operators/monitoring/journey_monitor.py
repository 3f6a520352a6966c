"""All that is remembered of how one journey goes: its map, what is usual, its pain points.

In: transitions of the journey and reports on its pain points. Out: outputs for whoever shows them: panes of the map
that have changed, pain points and what happened to them. Refused: nothing; a report that fits no pain point is left
alone.

An hour is judged once the newest transition is five minutes past its end; what comes later still counts in the map.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from operators.monitoring.hourly_buffer import HourlyBuffer
from operators.monitoring.journey_map import DAY_MS, HOUR_MS, JourneyMap, Pane, PaneKey, pack_pane, parse_key
from operators.monitoring.pain_detection import JourneyWatch, PainThresholds, Slowness, StreamKey
from operators.monitoring.pain_points import PainMetric, PainPoint, PainPointAction, PainPointUpdate, reported
from operators.monitoring.sequential_testing import Watch
from operators.monitoring.step_shares import by_scope
from operators.records.catalogue import Journey
from operators.support.snapshot_codec import ALL, SnapshotCodec, pop_up_to
from operators.tracking.transitions import Transition

FORMAT: Final = "zhiyin-monitor-1"
GRACE_MS: Final = 5 * 60_000
NEIGHBOURS_DAYS: Final = 7
_HOURS_BY_MINUTES: Final = 2
MOST_WAITING: Final = 100_000
"""Transitions that wait to be counted: some two megabytes."""


class MapChanged(msgspec.Struct, frozen=True):
    """Panes of a journey's map, packed, by their keys; ``gone``: keys that are no more."""

    journey: str
    newest_ms: int
    panes: dict[str, bytes]
    gone: tuple[str, ...]


class JourneyKnown(msgspec.Struct, frozen=True):
    """A journey as the catalogue has it, for whoever shows its map."""

    journey: str
    document: dict[str, Any]


class PainPointChanged(msgspec.Struct, frozen=True):
    """A pain point as it is now; ``action``: what happened to it, None when only its figures moved on."""

    point: PainPoint
    action: PainPointAction | None
    at_ms: int


MonitorOutput = JourneyKnown | MapChanged | PainPointChanged


class MonitorHead(msgspec.Struct, array_like=True, gc=False):
    """Where a monitor stands, stored."""

    format: str
    journey: str
    newest_ms: int
    next_hour_ms: int | None
    too_old: int


class MonitorRow(msgspec.Struct, array_like=True, gc=False):
    """One pane, stream, or step, stored; ``packed`` None: forgotten."""

    key: str
    packed: bytes | None


_HEAD: Final = SnapshotCodec(MonitorHead, FORMAT)
_ROWS: Final = SnapshotCodec(MonitorRow, FORMAT)


class JourneyMonitor:
    """One journey of ``journeys`` under watch, which ``open`` names.

    ``take`` and ``report`` what happens; ``pop_outputs`` gives what changed since the last call.
    """

    def __init__(
        self, journeys: Mapping[str, Journey], thresholds: PainThresholds, *, keeps_changes: bool = False
    ) -> None:
        self.name = ""
        self.map = JourneyMap()
        self._recent = HourlyBuffer()
        self.watch = JourneyWatch("", None, thresholds)
        self._journeys = journeys
        self._thresholds = thresholds
        self._is_known = True
        self._keeps_changes = keeps_changes
        self._next_hour_ms: int | None = None
        self._unwritten: set[str] = set()
        self._unsent_panes: set[PaneKey] = set()
        self._gone_panes: set[PaneKey] = set()
        self._point_changes: list[PainPointChanged] = []
        self._updated_points: set[str] = set()

    def open(self, name: str) -> None:
        """Which journey it watches; the same for ever."""
        if name != self.name:
            self.name = name
            self._is_known = False
            self.watch = JourneyWatch(name, self._journeys.get(name), self._thresholds)

    def take(self, transitions: Sequence[Transition]) -> None:
        """Takes transitions, then judges the hours that are over. They count once that is cheap, or by ``settle``."""
        if not transitions:
            return
        self._recent.add(transitions)
        newest_ms = self._recent.newest_ms
        if self._next_hour_ms is None:
            self._next_hour_ms = newest_ms // HOUR_MS * HOUR_MS + HOUR_MS
        while newest_ms >= self._next_hour_ms + HOUR_MS + GRACE_MS:
            self._judge(self._next_hour_ms)
            self._next_hour_ms += HOUR_MS
        if len(self._recent.hours) > _HOURS_BY_MINUTES:
            self.map.goes_on(newest_ms)
            for start_ms, hour in self._recent.pop_old():
                self.map.take_hour(start_ms, hour.counted(), hour.how_many)
            self._note_panes()
        if self._recent.waiting > MOST_WAITING:
            self.settle()

    def settle(self) -> None:
        """Counts all that was taken in the panes of the map."""
        if self._recent.waiting:
            self.map.take(self._recent.pop_transitions(self.name))
            self._note_panes()

    def report(self, report: PainPointUpdate) -> bool:
        """What a person says became of a pain point; False when it fits none, or not its state."""
        point = next((point for point in self.watch.points.values() if point.id == report.pain_point_id), None)
        if point is None or any(event.at_ms == report.at_ms and event.word == report.action for event in point.history):
            return False
        action = reported(point, report)
        if action is None:
            return False
        if action in ("fixed", "dismissed"):
            self.watch.start_again(point, report.at_ms)
        self.watch.changed.add(point.step)
        self._note_watch()
        self._record(point, action, report.at_ms)
        return True

    def pop_outputs(self) -> list[MonitorOutput]:
        """What has changed since the last call."""
        self.settle()
        outputs: list[MonitorOutput] = []
        journey = self._journeys.get(self.name)
        if journey is not None and not self._is_known:
            self._is_known = True
            outputs.append(JourneyKnown(self.name, journey_document(self.name, journey)))
        if self._unsent_panes or self._gone_panes:
            panes = {str(key): pack_pane(self.map.panes[key]) for key in sorted(self._unsent_panes)}
            outputs.append(MapChanged(self.name, self.map.newest_ms, panes, tuple(map(str, sorted(self._gone_panes)))))
        recorded = {change.point.step for change in self._point_changes}
        outputs += self._point_changes
        for step in sorted(self._updated_points - recorded):
            point = self.watch.points[step]
            outputs.append(PainPointChanged(_copy(point), None, point.seen_ms))
        self._unsent_panes, self._gone_panes, self._point_changes, self._updated_points = set(), set(), [], set()
        return outputs

    def head(self) -> bytes:
        """What a snapshot holds beside the rows."""
        head = MonitorHead(FORMAT, self.name, self._recent.newest_ms, self._next_hour_ms, self.map.too_old)
        return msgspec.msgpack.encode(head)

    @property
    def waiting(self) -> int:
        """How many rows ``changes`` would give."""
        return len(self._unwritten)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        """How many rows have changed since the last call, and they packed. All that was taken is in them."""
        self.settle()
        changed = pop_up_to(self._unwritten, most)
        return len(changed), msgspec.msgpack.encode([MonitorRow(key, self._packed(key)) for key in sorted(changed)])

    def all_keys(self) -> list[str]:
        """The keys of all rows."""
        steps = self.watch.slowness.keys() | self.watch.points.keys()
        return [
            *(f"pane\n{key}" for key in self.map.panes),
            *("\n".join(("stream", *key)) for key in self.watch.streams),
            *(f"step\n{step}" for step in steps),
        ]

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are still remembered, packed as in ``changes``."""
        rows = [MonitorRow(key, self._packed(key)) for key in keys]
        return msgspec.msgpack.encode([row for row in rows if row.packed is not None])

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later rows hold. Raises StateUnreadable.

        All panes and pain points count as unsent: what was on its way when the process ended is sent again.
        """
        stored = _HEAD.decode(head)
        self.open(stored.journey)
        self.map.newest_ms, self.map.too_old = stored.newest_ms, stored.too_old
        self._recent.newest_ms = stored.newest_ms
        self._next_hour_ms = stored.next_hour_ms
        rows = {row.key: row.packed for row in _ROWS.decode_rows(packed)}
        for key, value in rows.items():
            kind, _, name = key.partition("\n")
            if value is not None:
                self._take_up(kind, name, value)
            elif kind == "pane":
                self._gone_panes.add(parse_key(name))
        self.map.changed.clear()
        self._unsent_panes = set(self.map.panes)
        self._updated_points = set(self.watch.points)

    def _take_up(self, kind: str, name: str, packed: bytes) -> None:
        if kind == "pane":
            self.map.restore(parse_key(name), packed)
        elif kind == "stream":
            step, metric, scope = name.split("\n")
            key: StreamKey = (step, _METRICS[metric], scope)
            self.watch.streams[key] = _WATCH.decode(packed)
        elif name in self.watch.steps:
            slowness, point = _STEP.decode(packed)
            if slowness is not None:
                self.watch.slowness[name] = slowness
            if point is not None:
                self.watch.points[name] = point

    def _packed(self, key: str) -> bytes | None:
        kind, _, name = key.partition("\n")
        if kind == "pane":
            pane = self.map.panes.get(parse_key(name))
            return None if pane is None else pack_pane(pane)
        if kind == "stream":
            step, metric, scope = name.split("\n")
            return msgspec.msgpack.encode(self.watch.streams[step, _METRICS[metric], scope])
        return msgspec.msgpack.encode((self.watch.slowness.get(name), self.watch.points.get(name)))

    def _judge(self, start_ms: int) -> None:
        end_ms = start_ms + HOUR_MS
        shares = by_scope(self._panes(start_ms, end_ms))
        outputs = self.watch.see_hour(start_ms, shares) if shares else []
        if end_ms % DAY_MS == 0:
            outputs += self.watch.see_week(end_ms, by_scope(self._panes(end_ms - NEIGHBOURS_DAYS * DAY_MS, end_ms)))
        self._note_watch()
        for point, action in outputs:
            self._record(point, action, start_ms + HOUR_MS)

    def _panes(self, start_ms: int, end_ms: int) -> Iterator[Pane]:
        """All that lies in a span."""
        for key, pane in self.map.panes.items():
            if start_ms <= key.start_ms and key.start_ms + key.span_ms <= end_ms:
                yield pane
        yield from self._recent.between(start_ms, end_ms)

    def _record(self, point: PainPoint, action: PainPointAction, at_ms: int) -> None:
        self._point_changes.append(PainPointChanged(_copy(point), action, at_ms))

    def _note_panes(self) -> None:
        changed, gone = self.map.changed, self.map.gone
        self._unsent_panes = (self._unsent_panes | changed) - gone
        self._gone_panes = (self._gone_panes | gone) - changed
        if self._keeps_changes:
            self._unwritten.update(f"pane\n{key}" for key in changed | gone)
        self.map.changed, self.map.gone = set(), set()

    def _note_watch(self) -> None:
        changed, self.watch.changed = self.watch.changed, set()
        self._updated_points.update(key for key in changed if isinstance(key, str) and key in self.watch.points)
        if self._keeps_changes:
            self._unwritten.update(
                f"step\n{key}" if isinstance(key, str) else "\n".join(("stream", *key)) for key in changed
            )


_METRICS: Final[dict[str, PainMetric]] = {metric: metric for metric in get_args(PainMetric)}
_WATCH: Final = msgspec.msgpack.Decoder(Watch)
_STEP: Final = msgspec.msgpack.Decoder(tuple[Slowness | None, PainPoint | None])
_POINT: Final = msgspec.msgpack.Decoder(PainPoint)


def _copy(point: PainPoint) -> PainPoint:
    """As it is now: the monitor goes on writing into its own."""
    return _POINT.decode(msgspec.msgpack.encode(point))


def journey_document(name: str, journey: Journey) -> dict[str, Any]:
    """What a page needs to know of a journey: its title, its steps in order, who owns them."""
    steps = [
        {
            "id": step.id,
            "title": msgspec.to_builtins(step.title),
            "final": step.final,
            "owner": None if step.owner is None else msgspec.to_builtins(step.owner),
        }
        for step in journey.steps
    ]
    return {"journey": name, "title": msgspec.to_builtins(journey.title), "steps": steps}
