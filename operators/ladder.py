"""How long a silence must last to be told as an abandonment: the shortest that keeps the target precision.

In: silences as they end (how long they were, or that nothing came any more), and whether each abandonment told was
right. Out: for a silence of a kind, at which of its checkpoints it is to be told; P(stays away) at each.
Refused: saved state of another shape (by its reader).

Silences are of the same *kind* when they are at the same step after about the same time at the step before. Of each
kind it is counted how many reached each checkpoint, and how many stayed away. Telling at checkpoint k costs, for all of
the kind together::

    reached[k] * checkpoint[k] + price * (reached[k] - away)

seconds of delay, and a price for each that comes back after all; the cheapest checkpoint is taken. ``price`` (seconds
of delay a wrong telling is worth) is steered: each wrong one raises it, each right one lowers it a little, so that in
the long run just the wanted share is wrong, whatever the customers do (Gibbs and Candes, "Adaptive conformal inference
under distribution shift", 2021). A threshold on P(stays away) alone would wait longer for the same precision: what
counts is how many still come back *between* this checkpoint and the next.
"""

import math
from typing import Final

import msgspec

STEER: Final = 0.15
"""How far the log of the price moves for a wrong telling, at most."""
AIMS_ABOVE: Final = 0.05
"""Of the wrong tellings allowed, this share is kept in hand."""
FIRST_PRICE: Final = 4.0
"""Of the longest ``idle_after``."""
LEAST_SILENCES: Final = 100
"""Before a step has seen so many it is told at ``idle_after``."""
MEMORY: Final = 1_000
"""About so many silences of a kind are remembered: customers change with the season."""
KIND_WEIGHT: Final = 5.0
"""So many silences of its step stand in for a kind that has seen none."""
_REFRESH: Final = 32
"""What holds is worked out anew when a 32nd more outcomes are known than the last time."""
_REFRESH_MOST: Final = 512
_KEPT: Final = 1.0 - 1.0 / MEMORY
_DWELLS_A_KIND: Final = 4


class KindCounts(msgspec.Struct, array_like=True, gc=False):
    """Silences of one kind: how many reached each checkpoint (the last is ``idle_after``), how many stayed away."""

    reached: list[float]
    away: float = 0.0


class LadderState(msgspec.Struct, array_like=True, gc=False):
    """What a ladder has learnt. ``price``: the natural log of it, in s; None: not steered yet."""

    price: float | None = None
    kinds: dict[str, KindCounts] = {}
    told: int = 0
    wrong: int = 0


class Verdicts(msgspec.Struct, gc=False):
    """What holds for a kind for a while. ``tell_at``: index of the checkpoint; ``stays_away``: P at each."""

    version: int
    tell_at: int
    stays_away: tuple[float, ...]


class Ladder:
    """The ladder of one journey. ``checkpoints_ms``: by step, rising, the last being its ``idle_after``."""

    def __init__(self, checkpoints_ms: dict[str, tuple[int, ...]], target_precision: float) -> None:
        self._checkpoints_s = {
            step: tuple(each / 1000 for each in checkpoints) for step, checkpoints in checkpoints_ms.items()
        }
        self._wrong_share = (1.0 - target_precision) * (1.0 - AIMS_ABOVE)
        longest_s = max(checkpoints[-1] for checkpoints in self._checkpoints_s.values())
        self._first_price = math.log(FIRST_PRICE * longest_s)
        self._verdicts: dict[str, Verdicts] = {}
        self._version = 0
        self._since_refresh = self._outcomes = 0
        self.state = LadderState(kinds={})

    def kind(self, step: str, trail: bytes) -> str:
        """What kind of silence it is: step, and the time at the step before in bins of two octaves."""
        return f"{step}|{trail[-1] // _DWELLS_A_KIND}" if trail else f"{step}|-"

    def verdicts(self, kind: str) -> Verdicts:
        """What holds for a kind of silence now."""
        found = self._verdicts.get(kind)
        if found is None or found.version != self._version:
            found = self._verdicts[kind] = self._judge(kind)
        return found

    def ended(self, kind: str, silence_ms: int | None) -> None:
        """A silence that had reached a checkpoint is over; None: nothing came any more."""
        step = step_of(kind)
        for name in (_all_of(step), kind):
            counts = self._counts(name, step)
            if counts.reached[0] >= MEMORY:
                counts.reached = [each * _KEPT for each in counts.reached]
                counts.away *= _KEPT
            if silence_ms is None:
                counts.away += 1.0
                counts.reached = [each + 1.0 for each in counts.reached]
            else:
                silence_s = silence_ms / 1000
                for place, checkpoint_s in enumerate(self._checkpoints_s[step]):
                    if checkpoint_s >= silence_s:
                        break
                    counts.reached[place] += 1.0
        self._count_down()

    def told(self, *, wrong: bool) -> None:
        """An abandonment was told, and what came of it."""
        state = self.state
        state.told += 1
        state.wrong += wrong
        before = self._first_price if state.price is None else state.price
        moved = before + STEER * (wrong - self._wrong_share)
        state.price = min(max(moved, self._first_price - 4.0), self._first_price + 4.0)
        self._count_down()

    def put(self, state: LadderState) -> None:
        """Goes on from what was saved; steps and checkpoints that have changed begin anew."""
        known = {
            kind: counts
            for kind, counts in state.kinds.items()
            if len(counts.reached) == len(self._checkpoints_s.get(step_of(kind), ()))
        }
        self.state = msgspec.structs.replace(state, kinds=known)
        self._version += 1

    def _count_down(self) -> None:
        self._since_refresh += 1
        self._outcomes += 1
        if self._since_refresh * _REFRESH >= min(self._outcomes, _REFRESH_MOST * _REFRESH):
            self._since_refresh = 0
            self._version += 1

    def _counts(self, name: str, step: str) -> KindCounts:
        found = self.state.kinds.get(name)
        if found is None:
            found = self.state.kinds[name] = KindCounts([0.0] * len(self._checkpoints_s[step]))
        return found

    def _judge(self, kind: str) -> Verdicts:
        step = step_of(kind)
        checkpoints_s = self._checkpoints_s[step]
        of_step, own = self._counts(_all_of(step), step), self._counts(kind, step)
        scale = KIND_WEIGHT / max(of_step.reached[0], 1.0)
        reached = [mine + scale * theirs for mine, theirs in zip(own.reached, of_step.reached, strict=True)]
        away = own.away + scale * of_step.away
        price = math.exp(self._first_price if self.state.price is None else self.state.price)
        costs = [many * at_s + price * (many - away) for many, at_s in zip(reached, checkpoints_s, strict=True)]
        known = of_step.reached[0] >= LEAST_SILENCES
        tell_at = min(range(len(costs)), key=costs.__getitem__) if known else len(costs) - 1
        stays_away = tuple((away + 0.5) / (many + 1.0) for many in reached)
        return Verdicts(self._version, tell_at, stays_away)


def _all_of(step: str) -> str:
    """The name under which all silences of a step are counted."""
    return f"{step}|all"


def step_of(kind: str) -> str:
    """The step of a kind of silence."""
    return kind.rpartition("|")[0]
