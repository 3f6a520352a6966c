"""How long customers stay at a step: a mergeable sketch of quantiles, and exact counts by range.

In: durations in ms, other sketches. Out: quantiles in ms within ``RANK_ERROR`` of the rank asked, at 99 % confidence,
and how many durations were at least an edge of ``EDGES_MS``, exactly. Refused: bytes that hold no sketch
(``ValueError``). A sketch takes some hundred bytes and, however much it has seen, less than two thousand; the few
durations it has not been fed yet take eight bytes each.

Source: Z. Karnin, K. Lang, E. Liberty, "Optimal quantile approximation in streams", FOCS 2016; Apache DataSketches.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from operator import add
from typing import Any, Final

import msgspec
from datasketches import kll_floats_sketch

K: Final = 128
RANK_ERROR: Final = 0.021
"""Of the sketch with ``K``: the quantile asked for lies between those of so much more and so much less."""
_PENDING: Final = 256
_EDGES_S: Final = (
    *(1, 1.5, 2, 3, 4.5, 7, 10, 15, 22, 34, 50, 75, 115, 170, 260, 390, 580, 870, 1_300, 2_000),
    *(3_000, 4_400, 6_600, 10_000),
)
EDGES_MS: Final = tuple(round(edge_s * 1000) for edge_s in _EDGES_S)
"""Each half as long again as the one before."""


class DwellRow(msgspec.Struct, array_like=True):
    """A sketch, stored."""

    ranges: list[int]
    sketch: bytes


class Dwell:
    """The durations of one step. Cheap to add to: the sketch is fed by the hundred.

    ``sketch`` (None: not begun) and ``ranges`` hold all but what is ``pending``; ``settle`` brings them up to date.
    """

    __slots__ = ("pending", "ranges", "sketch")

    def __init__(self, ranges: Sequence[int] | None = None, sketch: object = None) -> None:
        self.pending = array("q")
        self.ranges = [0] * (len(EDGES_MS) + 1) if ranges is None else list(ranges)
        self.sketch: Any = sketch

    @property
    def count(self) -> int:
        """How many durations there were."""
        return len(self.pending) + (0 if self.sketch is None else int(self.sketch.n))

    def add(self, dwells_ms: Iterable[int]) -> None:
        """More durations."""
        self.pending.extend(dwells_ms)
        if len(self.pending) >= _PENDING:
            self.settle()

    def merge(self, other: "Dwell") -> None:
        """All that ``other`` has seen."""
        if other.sketch is not None:
            self._begin()
            self.sketch.merge(other.sketch)
            self.ranges = list(map(add, self.ranges, other.ranges))
        self.add(other.pending)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """The durations in ms that the given shares (0 to 1) do not exceed; nothing when there were none."""
        self.settle()
        return [] if self.sketch is None else list(self.sketch.get_quantiles(list(shares)))

    def row(self) -> DwellRow:
        """All of it, to be stored."""
        self.settle()
        self._begin()
        return DwellRow(self.ranges, self.sketch.serialize())

    def settle(self) -> None:
        """Feeds what is pending to the sketch and the ranges."""
        if self.pending:
            self._begin()
            self.sketch.update(array("f", self.pending))
            self._count_ranges()
            self.pending = array("q")

    def _begin(self) -> None:
        if self.sketch is None:
            self.sketch = kll_floats_sketch(K)

    def _count_ranges(self) -> None:
        if len(self.pending) < len(EDGES_MS):
            for dwell_ms in self.pending:
                self.ranges[bisect_right(EDGES_MS, dwell_ms)] += 1
            return
        ordered = sorted(self.pending)
        below = [0, *(bisect_left(ordered, edge) for edge in EDGES_MS), len(ordered)]
        self.ranges = [number + below[index + 1] - below[index] for index, number in enumerate(self.ranges)]


def stored_dwell(row: DwellRow) -> Dwell:
    """What ``Dwell.row`` gave. Raises ValueError."""
    try:
        sketch = kll_floats_sketch.deserialize(row.sketch)
        return Dwell(row.ranges, None if sketch.is_empty() else sketch)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        description = f"{len(row.sketch)} bytes that hold none ({error})"
        message = f"sketch of dwell times: found {description}, expected one that was stored"
        raise ValueError(message) from error
