"""What hints are worth: of those whose transaction broke off, how many complete with hints, and how many without.

In: one journey's facts, and the hints that were made for it. Out: counts by group, and the uplift with its interval.
Refused: saved state of another format (``StateUnreadable``).

Compared are the *control* group (a stable share of customers, never hinted) and the *offered* group: everybody else,
whether or not a cap or a contact held their hint back. Comparing only those who were hinted would be unfair: caps and
contacts hold back hints of customers who break off often or are being helped, and the control group has those too. How
many of the offered were hinted is counted beside it.

A unit is an attempt that broke off. It is a success when it completes within ``label_timeout`` of its first break-off.
It is counted once that time is over, completed or not, and never before, so that quick ends do not count more than
slow ones. What time it is, the facts of the customer's shard say: shards may be far apart. While a unit waits, further
break-offs of its attempt are part of it. At most ``most_waiting`` units wait; what comes beyond is not counted,
whichever group it is in, but its number is.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from operators.hints.arbitration import in_control_group
from operators.hints.hint import Hint
from operators.records.catalogue import ControlGroup
from operators.records.facts import Fact
from operators.support.intervals import Proportion, ProportionDifference, difference_interval, smallest_detectable
from operators.support.snapshot_codec import ALL, SnapshotCodec, pop_up_to

FORMAT: Final = "zhiyin-uplift-1"
GRACE_MS: Final = 60_000
"""So much longer a unit waits: events may come late, and later ones before them."""

MOST_WAITING: Final = 200_000


class UpliftCounts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What has been counted of one journey. ``hinted``: of the offered, those who got a hint; ``dropped``: too many."""

    control: int = 0
    control_completed: int = 0
    offered: int = 0
    offered_completed: int = 0
    hinted: int = 0
    hinted_completed: int = 0
    dropped: int = 0

    @property
    def uplift(self) -> ProportionDifference | None:
        """The share of the offered that completed, less that of the control group; None while either is empty."""
        return difference_interval(
            Proportion(self.offered_completed, self.offered), Proportion(self.control_completed, self.control)
        )

    @property
    def smallest_detectable(self) -> float | None:
        """The uplift that so many can show; None while either group is empty."""
        everybody = self.control + self.offered
        completed = self.control_completed + self.offered_completed
        return smallest_detectable(completed / everybody, self.offered, self.control) if everybody else None


class UpliftHead(msgspec.Struct, array_like=True, gc=False):
    """What is stored whole: format, counts, and how far each shard's time has come."""

    format: str
    counts: UpliftCounts
    now_ms: dict[int, int]


class UnitRow(msgspec.Struct, array_like=True, gc=False):
    """One attempt that broke off and waits to be counted. ``until_ms`` None: it waits no more."""

    attempt_id: str
    until_ms: int | None = None
    shard: int = 0
    control: bool = False
    hinted: bool = False
    completed: bool = False


_HEAD: Final = SnapshotCodec(UpliftHead, FORMAT)
_ROWS: Final = SnapshotCodec(UnitRow, FORMAT)


class Uplift:
    """One journey's comparison. ``shard_of(customer_id)``: whose times belong together.

    ``keeps_changes``: whether what changes is noted for ``changes``.
    """

    def __init__(
        self,
        control_group: ControlGroup,
        label_timeout_ms: int,
        shard_of: Callable[[str], int],
        *,
        keeps_changes: bool = False,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._control_group = control_group
        self._label_timeout_ms = label_timeout_ms
        self._shard_of = shard_of
        self._most_waiting = most_waiting
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()
        self._units: dict[str, UnitRow] = {}
        self._ends: dict[int, list[tuple[int, str]]] = {}
        self._now_ms: dict[int, int] = {}
        self.counts = UpliftCounts()

    def __len__(self) -> int:
        return len(self._units)

    def learn(self, inputs: Sequence[Fact | Hint]) -> bool:
        """Takes facts and hints in order of arrival; whether the counts have changed."""
        before = self.counts
        fresh: list[UnitRow] = []
        shards: set[int] = set()
        for item in inputs:
            if isinstance(item, Hint):
                self._hinted(item)
                continue
            shard = self._shard_of(item.customer_id)
            shards.add(shard)
            self._now_ms[shard] = max(self._now_ms.get(shard, 0), item.at_ms)
            if item.kind == "abandoned":
                fresh += self._broken_off(item, shard)
            elif item.kind == "completed":
                self._completed(item)
        for shard in shards:
            self._count_past(shard)
        for unit in fresh:
            self._wait(unit)
        return self.counts != before

    def head(self) -> bytes:
        """Format, counts, the journey's time."""
        return msgspec.msgpack.encode(UpliftHead(FORMAT, self.counts, self._now_ms))

    @property
    def waiting(self) -> int:
        """How many rows ``changes`` would give."""
        return len(self._changed)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        """How many units have changed since the last call, and they packed."""
        changed = pop_up_to(self._changed, most)
        rows = [self._units.get(attempt_id) or UnitRow(attempt_id) for attempt_id in changed]
        return len(rows), msgspec.msgpack.encode(rows)

    def all_keys(self) -> list[str]:
        """The attempts that wait to be counted."""
        return list(self._units)

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that still wait, packed as in ``changes``."""
        return msgspec.msgpack.encode([self._units[key] for key in keys if key in self._units])

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        stored = _HEAD.decode(head)
        self.counts, self._now_ms = stored.counts, stored.now_ms
        for row in _ROWS.decode_rows(packed):
            if row.until_ms is None:
                self._units.pop(row.attempt_id, None)
            else:
                self._units[row.attempt_id] = row
        self._ends = {}
        for row in self._units.values():
            self._wait(row)

    def _hinted(self, hint: Hint) -> None:
        unit = self._units.get(hint.attempt_id)
        if unit is not None:
            unit.hinted = True
            self._note(hint.attempt_id)

    def _broken_off(self, fact: Fact, shard: int) -> list[UnitRow]:
        """The new unit, if it is one; it can't be counted before its hint had time to come."""
        if fact.attempt_id in self._units:
            return []
        if len(self._units) >= self._most_waiting:
            self.counts = msgspec.structs.replace(self.counts, dropped=self.counts.dropped + 1)
            return []
        group = self._control_group
        control = in_control_group(fact.customer_id, group.salt, group.share)
        unit = UnitRow(fact.attempt_id, fact.at_ms + self._label_timeout_ms, shard, control)
        self._units[fact.attempt_id] = unit
        self._note(fact.attempt_id)
        return [unit]

    def _wait(self, unit: UnitRow) -> None:
        heapq.heappush(self._ends.setdefault(unit.shard, []), (unit.until_ms or 0, unit.attempt_id))

    def _completed(self, fact: Fact) -> None:
        unit = self._units.get(fact.attempt_id)
        if unit is not None and unit.until_ms is not None and fact.at_ms <= unit.until_ms:
            unit.completed = True
            self._note(fact.attempt_id)

    def _count_past(self, shard: int) -> None:
        """Counts the shard's units whose time is over."""
        ends, past_ms = self._ends.get(shard), self._now_ms[shard] - GRACE_MS
        while ends and ends[0][0] < past_ms:
            _, attempt_id = heapq.heappop(ends)
            self.counts = _counted(self.counts, self._units.pop(attempt_id))
            self._note(attempt_id)

    def _note(self, attempt_id: str) -> None:
        if self._keeps_changes:
            self._changed.add(attempt_id)


def _counted(counts: UpliftCounts, unit: UnitRow) -> UpliftCounts:
    change, completed = msgspec.structs.replace, int(unit.completed)
    if unit.control:
        return change(counts, control=counts.control + 1, control_completed=counts.control_completed + completed)
    hinted = int(unit.hinted)
    return change(
        counts,
        offered=counts.offered + 1,
        offered_completed=counts.offered_completed + completed,
        hinted=counts.hinted + hinted,
        hinted_completed=counts.hinted_completed + hinted * completed,
    )
