"""The map of one journey: how many went which way, by channel and customer group, in rolling windows.

In: moves (steps changed, failures, facts, answers) in any order of time. Out: exact counts and sketches of dwell
times over the last 5 minutes, hour, day and 28 days. Refused: what happened before the oldest day kept (counted
in ``too_old``).

Time is cut into panes: minutes of this hour and the last, hours of today and yesterday, days of the last four
weeks (UTC). A pane that has grown too old for its kind is merged into the next larger one, so each move is counted in
exactly one pane, and one that comes late goes where its time is kept by then. A window ends with the newest pane and is
as many panes long as it says: 5 or 60 minutes, 24 hours, 28 days, the last of them still filling.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from operators.cells import channel_of, group_of
from operators.moves import FAILED, UNKNOWN_DWELL, Counted, Move
from operators.sketches import Dwell, DwellRow, stored_dwell

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
DAYS_KEPT: Final = 28
MOST_CODES: Final = 64
"""Codes told apart in a cell of a pane: a sender that makes up a new one each time cannot fill the memory."""
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
        """Where it begins when the newest move is at ``newest_ms``."""
        return newest_ms // self.pane_ms * self.pane_ms - (self.panes - 1) * self.pane_ms


WINDOWS: Final = {
    each.name: each
    for each in (
        Window("5m", MINUTE_MS, 5),
        Window("1h", MINUTE_MS, 60),
        Window("1d", HOUR_MS, 24),
        Window("28d", DAY_MS, DAYS_KEPT),
    )
}


class Tally:
    """Counts and dwell times of one cell."""

    __slots__ = ("counts", "dwells")

    def __init__(self) -> None:
        self.counts: dict[Counted, int] = {}
        self.dwells: dict[str, Dwell] = {}

    def stay(self, step: str, dwell_ms: int) -> None:
        """One stay at a step."""
        dwell = self.dwells.get(step)
        if dwell is None:
            dwell = self.dwells[step] = Dwell()
        dwell.add(dwell_ms)

    def merge(self, other: "Tally") -> None:
        """All that ``other`` has counted."""
        for counted, number in other.counts.items():
            if counted in self.counts:
                self.counts[counted] += number
            else:
                self.count_new(counted, number)
        for step, dwell in other.dwells.items():
            self.dwells.setdefault(step, Dwell()).merge(dwell)

    def total(self, kind: str, step: str | None = None) -> int:
        """How many of a kind there were, at one step or at all."""
        return sum(
            number for counted, number in self.counts.items() if counted[0] == kind and step in (None, counted[1])
        )

    def count_new(self, counted: Counted, number: int) -> None:
        """What may not have been counted before; a code too many counts as another."""
        kind, step, _ = counted
        if kind == FAILED and sum(each[0] == FAILED for each in self.counts) >= MOST_CODES:
            counted = (kind, step, OTHER_CODE)
        self.counts[counted] = self.counts.get(counted, 0) + number


Pane = dict[str, Tally]
"""The tallies of one pane, by cell."""


class CellRow(msgspec.Struct, array_like=True):
    """One cell of a pane, stored."""

    cell: str
    counts: list[tuple[str, str, str, int]]
    dwells: list[tuple[str, DwellRow]]


_DECODER: Final = msgspec.msgpack.Decoder(list[CellRow])


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

    def take(self, moves: Sequence[Move]) -> None:
        """Counts moves of this journey."""
        start_ms, end_ms = 0, 0
        pane: Pane = {}
        cell_before, tally, counts = None, Tally(), Tally().counts
        for _, counted, at_ms, cell, dwell_ms in moves:
            if not start_ms <= at_ms < end_ms:
                found = self._pane_at(at_ms)
                if found is None:
                    self.too_old += 1
                    continue
                key, pane = found
                start_ms, end_ms, cell_before = key.start_ms, key.start_ms + key.span_ms, None
            if cell != cell_before:
                tally = pane[cell] if cell in pane else pane.setdefault(cell, Tally())
                cell_before, counts = cell, tally.counts
            if counted in counts:
                counts[counted] += 1
            else:
                tally.count_new(counted, 1)
            if dwell_ms != UNKNOWN_DWELL:
                tally.stay(counted[1], dwell_ms)
        if moves:
            self.newest_ms = max(self.newest_ms, moves[-1][2])

    def restore(self, key: PaneKey, packed: bytes) -> None:
        """Takes up a pane that was written down; it counts as changed. Raises ValueError."""
        self.panes[key] = unpack_pane(packed)
        self.changed.add(key)

    def _pane_at(self, at_ms: int) -> tuple[PaneKey, Pane] | None:
        """The pane that counts ``at_ms`` now; None: that is too long ago."""
        if at_ms > self.newest_ms:
            hour_before, self.newest_ms = self.newest_ms // HOUR_MS, at_ms
            if at_ms // HOUR_MS > hour_before >= 0:
                self._age()
        key = pane_key(at_ms, self.newest_ms)
        if key is None:
            return None
        self.changed.add(key)
        pane = self.panes.get(key)
        if pane is None:
            pane = self.panes[key] = {}
            self.gone.discard(key)
        return key, pane

    def _age(self) -> None:
        """Merges the panes that have grown too old for their kind into larger ones."""
        for key in sorted(self.panes):
            now_in = pane_key(key.start_ms, self.newest_ms)
            if now_in == key:
                continue
            old = self.panes.pop(key)
            self.changed.discard(key)
            self.gone.add(key)
            if now_in is not None:
                merge_panes(self.panes.setdefault(now_in, {}), old)
                self.changed.add(now_in)
                self.gone.discard(now_in)


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


def over(panes: Iterable[Mapping[str, Tally]], channel: str | None = None, group: str | None = None) -> Tally:
    """All panes together, of one channel and one group where these are given."""
    total = Tally()
    for pane in panes:
        for cell, tally in pane.items():
            if channel in (None, channel_of(cell)) and group in (None, group_of(cell)):
                total.merge(tally)
    return total


def merge_panes(into: Pane, other: Mapping[str, Tally]) -> None:
    """All that ``other`` has counted, cell by cell."""
    for cell, tally in other.items():
        into.setdefault(cell, Tally()).merge(tally)


def pack_pane(pane: Mapping[str, Tally]) -> bytes:
    """A pane as bytes."""
    return msgspec.msgpack.encode([_row(cell, tally) for cell, tally in pane.items()])


def unpack_pane(packed: bytes) -> Pane:
    """What ``pack_pane`` gave. Raises ValueError."""
    try:
        rows: Sequence[CellRow] = _DECODER.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"pane of a journey map: found {len(packed)} bytes that hold none ({error}), expected a stored one"
        raise ValueError(message) from error
    return {row.cell: _tally(row) for row in rows}


def _row(cell: str, tally: Tally) -> CellRow:
    counts = [(*counted, number) for counted, number in tally.counts.items()]
    return CellRow(cell, counts, [(step, dwell.row()) for step, dwell in tally.dwells.items()])


def _tally(row: CellRow) -> Tally:
    tally = Tally()
    tally.counts = {(kind, step, other): number for kind, step, other, number in row.counts}
    tally.dwells = {step: stored_dwell(dwell) for step, dwell in row.dwells}
    return tally
