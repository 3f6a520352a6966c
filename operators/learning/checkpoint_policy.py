"""How long a silence must last to be published as an abandonment: the shortest that keeps the target precision.

In: silences as they end (how long they were, or that nothing came any more), and whether each published
abandonment was right. Out: for a silence of a kind, at which of its checkpoints it is published; P(stays away) at each.
Refused: saved state of another shape (by its reader).

Silences are of the same *kind* when they are at the same step after about the same time at the step before. Of each
kind it is counted how many reached each checkpoint, and how many stayed away. To publish at checkpoint k costs, for all
of the kind together::

    reached[k] * checkpoint[k] + price * (reached[k] - away)

seconds of delay, and a price for each that comes back after all; the cheapest checkpoint is taken. ``price`` (seconds
of delay a wrong verdict is worth) is steered: each wrong one raises it, each right one lowers it a little, so that in
the long run just the wanted share is wrong, whatever the customers do (Gibbs and Candes, "Adaptive conformal inference
under distribution shift", 2021). A threshold on P(stays away) alone would wait longer for the same precision: what
counts is how many still come back *between* this checkpoint and the next.
"""

import math
from bisect import bisect_left
from itertools import accumulate
from typing import Final

import msgspec

STEER: Final = 0.15
"""How far the log of the price moves for a wrong verdict, at most."""
AIMS_ABOVE: Final = 0.05
"""Of the wrong verdicts allowed, this share is kept in hand."""
FIRST_PRICE: Final = 4.0
"""Of the longest ``idle_after``."""
LEAST_SILENCES: Final = 100
"""Before a step has seen so many, its abandonments are published at ``idle_after``."""
MEMORY: Final = 1_000
"""About so many silences of a kind are remembered: customers change with the season."""
KIND_WEIGHT: Final = 5.0
"""So many silences of its step stand in for a kind that has seen none."""
_REFRESH: Final = 32
"""What holds is worked out anew when a 32nd more outcomes are known than the last time."""
_REFRESH_MOST: Final = 512
_KEPT: Final = 1.0 - 1.0 / MEMORY
_UNIT_MOST: Final = 1e6
_DWELLS_A_KIND: Final = 4


class SilenceKindCounts(msgspec.Struct, array_like=True, gc=False):
    """Silences of one kind, older ones counting less: each new one counts ``unit``, and ``unit`` grows.

    ``ended``: those that came back, by the last checkpoint they had reached (the last is ``idle_after``); ``away``:
    those that did not; ``total``: all of them.
    """

    ended: list[float]
    away: float = 0.0
    total: float = 0.0
    unit: float = 1.0

    def add(self, index: int | None) -> None:
        """One silence that ended after the checkpoint at ``index``; None: nothing came any more."""
        if self.total >= MEMORY * self.unit:
            self.unit /= _KEPT
            if self.unit > _UNIT_MOST:
                self._begin_units_anew()
        self.total += self.unit
        if index is None:
            self.away += self.unit
        else:
            self.ended[index] += self.unit

    def reached(self) -> list[float]:
        """How many reached each checkpoint."""
        sums = [*accumulate(reversed(self.ended), initial=self.away)]
        return [count / self.unit for count in reversed(sums[1:])]

    def _begin_units_anew(self) -> None:
        self.ended = [count / self.unit for count in self.ended]
        self.away, self.total, self.unit = self.away / self.unit, self.total / self.unit, 1.0


class SilenceKind(msgspec.Struct, frozen=True, gc=False):
    """A kind of silence at hand: its own counts and those of its step, and its checkpoints in s."""

    own: SilenceKindCounts
    of_step: SilenceKindCounts
    checkpoints_s: tuple[float, ...]


class CheckpointPolicyState(msgspec.Struct, array_like=True, gc=False):
    """What a checkpoint policy has learnt. ``price``: the natural log of it, in s; None: not steered yet."""

    price: float | None = None
    kinds: dict[str, SilenceKindCounts] = {}
    told: int = 0
    wrong: int = 0


class PublishingPoint(msgspec.Struct, gc=False):
    """What holds for a kind for a while. ``publish_at``: index of the checkpoint; ``stays_away``: P at each."""

    version: int
    publish_at: int
    stays_away: tuple[float, ...]


class CheckpointPolicy:
    """The checkpoint policy of one journey. ``checkpoints_ms``: by step, rising, the last being its ``idle_after``."""

    def __init__(self, checkpoints_ms: dict[str, tuple[int, ...]], target_precision: float) -> None:
        self._checkpoints_s = {
            step: tuple(checkpoint_ms / 1000 for checkpoint_ms in checkpoints)
            for step, checkpoints in checkpoints_ms.items()
        }
        self._wrong_share = (1.0 - target_precision) * (1.0 - AIMS_ABOVE)
        longest_s = max(checkpoints[-1] for checkpoints in self._checkpoints_s.values())
        self._first_price = math.log(FIRST_PRICE * longest_s)
        self._kinds: dict[str, SilenceKind] = {}
        self._points: dict[str, PublishingPoint] = {}
        self._version = 0
        self._since_refresh = self._outcomes = 0
        self.state = CheckpointPolicyState(kinds={})

    def kind(self, step: str, trail: bytes) -> str:
        """What kind of silence it is: step, and the time at the step before in bins of two octaves."""
        return f"{step}|{trail[-1] // _DWELLS_A_KIND}" if trail else f"{step}|-"

    def publishing_point(self, kind: str) -> PublishingPoint:
        """What holds for a kind of silence now."""
        point = self._points.get(kind)
        if point is None or point.version != self._version:
            point = self._points[kind] = self._compute_point(kind)
        return point

    def record_silence(self, kind: str, silence_ms: int | None) -> None:
        """A silence that had reached a checkpoint is over; None: nothing came any more."""
        silence_kind = self._kind(kind)
        index = None if silence_ms is None else bisect_left(silence_kind.checkpoints_s, silence_ms / 1000) - 1
        if index is None or index >= 0:
            silence_kind.of_step.add(index)
            silence_kind.own.add(index)
        self._count_down()

    def record_verdict(self, *, wrong: bool) -> None:
        """An abandonment was published, and what came of it."""
        state = self.state
        state.told += 1
        state.wrong += wrong
        price = self._first_price if state.price is None else state.price
        steered_price = price + STEER * (wrong - self._wrong_share)
        state.price = min(max(steered_price, self._first_price - 4.0), self._first_price + 4.0)
        self._count_down()

    def restore(self, state: CheckpointPolicyState) -> None:
        """Goes on from what was saved; steps and checkpoints that have changed begin anew."""
        kinds = {
            kind: counts
            for kind, counts in state.kinds.items()
            if len(counts.ended) == len(self._checkpoints_s.get(step_of(kind), ()))
        }
        self.state = msgspec.structs.replace(state, kinds=kinds)
        self._kinds.clear()
        self._version += 1

    def _count_down(self) -> None:
        self._since_refresh += 1
        self._outcomes += 1
        if self._since_refresh * _REFRESH >= min(self._outcomes, _REFRESH_MOST * _REFRESH):
            self._since_refresh = 0
            self._version += 1

    def _kind(self, name: str) -> SilenceKind:
        kind = self._kinds.get(name)
        if kind is None:
            step = step_of(name)
            kind = SilenceKind(self._counts(name, step), self._counts(f"{step}|all", step), self._checkpoints_s[step])
            self._kinds[name] = kind
        return kind

    def _counts(self, name: str, step: str) -> SilenceKindCounts:
        counts = self.state.kinds.get(name)
        if counts is None:
            counts = self.state.kinds[name] = SilenceKindCounts([0.0] * len(self._checkpoints_s[step]))
        return counts

    def _compute_point(self, name: str) -> PublishingPoint:
        kind = self._kind(name)
        of_step, own = kind.of_step.reached(), kind.own.reached()
        scale = KIND_WEIGHT / max(of_step[0], 1.0)
        reached = [own_count + scale * step_count for own_count, step_count in zip(own, of_step, strict=True)]
        away = kind.own.away / kind.own.unit + scale * kind.of_step.away / kind.of_step.unit
        price = math.exp(self._first_price if self.state.price is None else self.state.price)
        costs = [count * at_s + price * (count - away) for count, at_s in zip(reached, kind.checkpoints_s, strict=True)]
        is_known = of_step[0] >= LEAST_SILENCES
        index = min(range(len(costs)), key=costs.__getitem__) if is_known else len(costs) - 1
        stays_away = tuple((away + 0.5) / (count + 1.0) for count in reached)
        return PublishingPoint(self._version, index, stays_away)


def step_of(kind: str) -> str:
    """The step of a kind of silence."""
    return kind.rpartition("|")[0]
