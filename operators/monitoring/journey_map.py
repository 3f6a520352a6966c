"""The map of one journey: how many went which way, by channel and customer group, in rolling windows.

In: transitions (steps changed, failures, facts, answers) in any order of time. Out: exact counts and sketches of dwell
times over the last 5 minutes, hour, day and 28 days. Refused: what happened before the oldest day kept (counted
in ``too_old``).

Time is cut into panes: minutes of this hour and the last, hours of today and yesterday, days of the last four
weeks (UTC). A pane that has grown too old for its kind is merged into the next larger one, so each transition counts in
exactly one pane, and one that comes late goes where its time is kept by then. A window ends with the newest pane and is
as many panes long as it says: 5 or 60 minutes, 24 hours, 28 days, the last of them still filling.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from operators.support.dwell_sketch import Dwell, DwellRow, stored_dwell
from operators.tracking.segments import channel_of, group_of
from operators.tracking.transitions import FAILED, UNKNOWN_DWELL, Transition, TransitionKey, at_ms_of

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
DAYS_KEPT: Final = 28
MOST_CODES: Final = 64
"""Codes told apart in a segment of a pane: a sender that makes up a new one each time cannot fill the memory."""
OTHER_CODE: Final = "other"


class PaneKey(NamedTuple):
    """One pane: how long it is (``MINUTE_MS HOUR_MS DAY_MS``) and when it begins, epoch ms."""

    span_ms: int
    start_ms: int

    def __str__(self) -> str:
        return f"{self.span_ms}:{self.start_ms}"


class Window(NamedTuple):
    """A rolling window: ``panes`` of ``pane_ms`` each, the last being the newest."""

    name: str
    pane_ms: int
    panes: int

    def start_ms(self, newest_ms: int) -> int:
        """Where it begins when the newest transition is at ``newest_ms``."""
        return newest_ms // self.pane_ms * self.pane_ms - (self.panes - 1) * self.pane_ms


WINDOWS: Final = {
    window.name: window
    for window in (
        Window("5m", MINUTE_MS, 5),
        Window("1h", MINUTE_MS, 60),
        Window("1d", HOUR_MS, 24),
        Window("28d", DAY_MS, DAYS_KEPT),
    )
}


class StepTally:
    """Counts and dwell times of one segment."""

    __slots__ = ("_codes", "counts", "dwells")

    def __init__(self, counts: dict[TransitionKey, int] | None = None) -> None:
        self.counts: dict[TransitionKey, int] = counts or {}
        self._codes = sum(key[0] == FAILED for key in self.counts)
        self.dwells: dict[str, Dwell] = {}

    def take(self, key: TransitionKey, dwells_ms: Sequence[int]) -> None:
        """Transitions that differ in their dwell only."""
        self.count(key, len(dwells_ms))
        known_ms = [dwell_ms for dwell_ms in dwells_ms if dwell_ms != UNKNOWN_DWELL]
        if known_ms:
            dwell = self.dwells.get(key[1])
            if dwell is None:
                dwell = self.dwells[key[1]] = Dwell()
            dwell.add(known_ms)

    def merge(self, other: "StepTally") -> None:
        """All that ``other`` has counted."""
        for key, number in other.counts.items():
            self.count(key, number)
        for step, dwell in other.dwells.items():
            own = self.dwells.get(step)
            if own is None:
                own = self.dwells[step] = Dwell()
            own.merge(dwell)

    def total(self, kind: str, step: str | None = None) -> int:
        """How many of a kind there were, at one step or at all."""
        return sum(number for key, number in self.counts.items() if key[0] == kind and step in (None, key[1]))

    def count(self, key: TransitionKey, number: int) -> None:
        """So many of it; a code too many counts as another."""
        before = self.counts.get(key)
        if before is None and key[0] == FAILED:
            if self._codes >= MOST_CODES:
                key = (FAILED, key[1], OTHER_CODE)
                before = self.counts.get(key)
            self._codes += before is None
        self.counts[key] = (before or 0) + number


Pane = dict[str, StepTally]
"""The tallies of one pane, by segment."""


class SegmentRow(msgspec.Struct, array_like=True):
    """One segment of a pane, stored."""

    segment: str
    counts: list[tuple[str, str, str, int]]
    dwells: list[tuple[str, DwellRow]]


_DECODER: Final = msgspec.msgpack.Decoder(list[SegmentRow])


class JourneyMap:
    """The panes of one journey.

    ``changed``, ``gone``: which have changed, or are merged or forgotten, since whoever writes them down has cleared
    these sets.
    """

    def __init__(self) -> None:
        self.panes: dict[PaneKey, Pane] = {}
        self.newest_ms = -1
        self.too_old = 0
        self.changed: set[PaneKey] = set()
        self.gone: set[PaneKey] = set()

    def take(self, transitions: Sequence[Transition]) -> None:
        """Counts transitions of this journey. Many at once cost less: what is old by the newest goes to large panes."""
        if not transitions:
            return
        self.goes_on(max(map(at_ms_of, transitions)))
        minutes: defaultdict[int, list[Transition]] = defaultdict(list)
        for transition in transitions:
            minutes[transition[2] // MINUTE_MS].append(transition)
        panes: defaultdict[PaneKey, list[Transition]] = defaultdict(list)
        for minute, minute_batch in minutes.items():
            key = pane_key(minute * MINUTE_MS, self.newest_ms)
            if key is None:
                self.too_old += len(minute_batch)
            else:
                panes[key] += minute_batch
        for key, pane_batch in panes.items():
            count_transitions(self._pane(key), pane_batch)

    def take_hour(self, start_ms: int, pane: Pane, count: int) -> None:
        """Merges ``pane``: ``count`` transitions, counted already, of one hour that is no longer kept by minutes."""
        key = pane_key(start_ms, self.newest_ms)
        if key is None:
            self.too_old += count
        else:
            merge_panes(self._pane(key), pane)

    def goes_on(self, newest_ms: int) -> None:
        """Something has happened at ``newest_ms``: panes too old for their kind are merged into larger ones."""
        if newest_ms > self.newest_ms:
            hour_before, self.newest_ms = self.newest_ms // HOUR_MS, newest_ms
            if newest_ms // HOUR_MS > hour_before:
                self._age()

    def restore(self, key: PaneKey, packed: bytes) -> None:
        """Takes up a pane that was written down; it counts as changed. Raises ValueError."""
        self.panes[key] = unpack_pane(packed)
        self.changed.add(key)

    def _pane(self, key: PaneKey) -> Pane:
        """The pane of that key, which is about to change."""
        self.changed.add(key)
        pane = self.panes.get(key)
        if pane is None:
            pane = self.panes[key] = {}
            self.gone.discard(key)
        return pane

    def _age(self) -> None:
        for key in sorted(self.panes):
            current_key = pane_key(key.start_ms, self.newest_ms)
            if current_key == key:
                continue
            pane = self.panes.pop(key)
            self.changed.discard(key)
            self.gone.add(key)
            if current_key is not None:
                merge_panes(self._pane(current_key), pane)


def pane_key(at_ms: int, newest_ms: int) -> PaneKey | None:
    """Which pane counts ``at_ms`` while ``newest_ms`` is the newest; None: none does any more."""
    if at_ms // HOUR_MS >= newest_ms // HOUR_MS - 1:
        return PaneKey(MINUTE_MS, at_ms // MINUTE_MS * MINUTE_MS)
    if at_ms // DAY_MS >= newest_ms // DAY_MS - 1:
        return PaneKey(HOUR_MS, at_ms // HOUR_MS * HOUR_MS)
    if at_ms // DAY_MS > newest_ms // DAY_MS - DAYS_KEPT:
        return PaneKey(DAY_MS, at_ms // DAY_MS * DAY_MS)
    return None


def parse_key(text: str) -> PaneKey:
    """What ``str`` of a key gave. Raises ValueError."""
    span, _, start = text.partition(":")
    return PaneKey(int(span), int(start))


def keys_in(window: Window, newest_ms: int, keys: Iterable[PaneKey]) -> Iterator[PaneKey]:
    """Those of ``keys`` that the window holds."""
    start_ms = window.start_ms(newest_ms)
    return (key for key in keys if key.start_ms >= start_ms)


def over(panes: Iterable[Mapping[str, StepTally]], channel: str | None = None, group: str | None = None) -> StepTally:
    """All panes together, of one channel and one group where these are given."""
    total = StepTally()
    for pane in panes:
        for segment, tally in pane.items():
            if channel in (None, channel_of(segment)) and group in (None, group_of(segment)):
                total.merge(tally)
    return total


def count_transitions(pane: Pane, transitions: Iterable[Transition]) -> None:
    """Counts transitions in one pane: gathered by what is counted first, for most of them are alike."""
    dwells_ms: defaultdict[tuple[str, TransitionKey], list[int]] = defaultdict(list)
    for _, key, _, segment, dwell_ms in transitions:
        dwells_ms[segment, key].append(dwell_ms)
    for (segment, key), values in dwells_ms.items():
        tally = pane.get(segment)
        if tally is None:
            tally = pane[segment] = StepTally()
        tally.take(key, values)


def merge_panes(into: Pane, other: Mapping[str, StepTally]) -> None:
    """All that ``other`` has counted, segment by segment."""
    for segment, tally in other.items():
        into.setdefault(segment, StepTally()).merge(tally)


def pack_pane(pane: Mapping[str, StepTally]) -> bytes:
    """A pane as bytes."""
    return msgspec.msgpack.encode([_row(segment, tally) for segment, tally in pane.items()])


def unpack_pane(packed: bytes) -> Pane:
    """What ``pack_pane`` gave. Raises ValueError."""
    try:
        rows: Sequence[SegmentRow] = _DECODER.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"pane of a journey map: found {len(packed)} bytes that hold none ({error}), expected a stored one"
        raise ValueError(message) from error
    return {row.segment: _tally(row) for row in rows}


def _row(segment: str, tally: StepTally) -> SegmentRow:
    counts = [(*key, number) for key, number in tally.counts.items()]
    return SegmentRow(segment, counts, [(step, dwell.row()) for step, dwell in tally.dwells.items()])


def _tally(row: SegmentRow) -> StepTally:
    tally = StepTally({(kind, step, other): number for kind, step, other, number in row.counts})
    tally.dwells = {step: stored_dwell(dwell) for step, dwell in row.dwells}
    return tally
