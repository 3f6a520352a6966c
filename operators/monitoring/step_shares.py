"""The shares of each step that are watched, out of what the journey map has counted.

In: tallies of segments. Out: ``loss``, ``failure`` and ``slow`` as proportions, by step. Refused: nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import add
from typing import Final

from operators.monitoring.journey_map import Pane, StepTally
from operators.monitoring.pain_points import PainMetric
from operators.support.intervals import Proportion
from operators.tracking.segments import OTHER, channel_of, group_of
from operators.tracking.transitions import MOVED, STUMBLED

ALL: Final = "all"


class Shares:
    """The shares of some tallies, by step.

    ``counts``: by kind and step; ``arrived``: how many came to a step; ``by_range``: how many stays had which length.
    """

    __slots__ = ("arrived", "by_range", "counts")

    def __init__(self, tallies: Iterable[StepTally] = ()) -> None:
        self.counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.arrived: defaultdict[str, int] = defaultdict(int)
        self.by_range: dict[str, list[int]] = {}
        for tally in tallies:
            self.count(tally)

    def count(self, tally: StepTally) -> None:
        """One more tally."""
        for (kind, step, other), number in tally.counts.items():
            self.counts[kind, step] += number
            if kind == MOVED:
                self.arrived[other] += number
            elif kind in ("started", "returned"):
                self.arrived[step] += number
        for step, dwell in tally.dwells.items():
            dwell.settle()
            self._add_ranges(step, dwell.ranges)

    def merge(self, other: "Shares") -> None:
        """All that ``other`` has counted."""
        for key, number in other.counts.items():
            self.counts[key] += number
        for step, number in other.arrived.items():
            self.arrived[step] += number
        for step, ranges in other.by_range.items():
            self._add_ranges(step, ranges)

    def of(self, metric: PainMetric, step: str) -> Proportion:
        """``loss`` or ``failure`` at a step."""
        count = self.counts.get
        if metric == "loss":
            lost = count(("abandoned", step), 0)
            return Proportion(lost, lost + sum(count((kind, step), 0) for kind in (MOVED, "completed", "cancelled")))
        stays = self.arrived.get(step, 0)
        return Proportion(min(stays, count((STUMBLED, step), 0)), stays)

    def slow(self, step: str, edge: int | None) -> Proportion:
        """Stays from the edge on; of none while that is not known."""
        ranges = self.ranges(step)
        return Proportion(0, 0) if edge is None or ranges is None else Proportion(sum(ranges[edge + 1 :]), sum(ranges))

    def ranges(self, step: str) -> list[int] | None:
        """How many stays had which length; None: nobody stayed."""
        return self.by_range.get(step)

    def _add_ranges(self, step: str, ranges: Sequence[int]) -> None:
        own = self.by_range.get(step)
        self.by_range[step] = list(ranges) if own is None else list(map(add, own, ranges))


def by_scope(panes: Iterable[Pane]) -> dict[str, Shares]:
    """Everybody, each channel, and each group where there is more than ``other``."""
    segments: defaultdict[str, Shares] = defaultdict(Shares)
    for pane in panes:
        for segment, tally in pane.items():
            segments[segment].count(tally)
    scopes: defaultdict[str, Shares] = defaultdict(Shares)
    for segment, shares in segments.items():
        for scope in (ALL, f"channel:{channel_of(segment)}", f"group:{group_of(segment)}"):
            scopes[scope].merge(shares)
    if [scope for scope in scopes if scope.startswith("group:")] == [f"group:{OTHER}"]:
        del scopes[f"group:{OTHER}"]
    return dict(scopes)
