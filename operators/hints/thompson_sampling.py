"""Which wording gets customers to finish: Thompson sampling over the wordings of one journey's reasons.

In: hints as they are made, and how their attempts ended (completed: 1; cancelled or expired: 0). Out: the hint in the
wording chosen, with the propensity of that choice, and a ``WordingReward`` an outcome. Refused: saved state of another
format (``StateUnreadable``).

The share of a wording is the probability that it is the best one, as far as is known, moved a little towards
equal shares so that none is ever given up, nor any propensity is so small that an estimate from the log is worth
nothing. A hash of the hint's id draws from the shares: the same hint made again has the same text. Posteriors
are Beta distributions; River's ``ThompsonSampling`` holds and updates them. It draws from a random state of its
own and does not know the propensity, so the draw is made here.

Thompson, "On the likelihood that one unknown probability exceeds another", Biometrika 25, 1933. Chapelle and Li, "An
empirical evaluation of Thompson sampling", NIPS 2011.
"""

import math
from collections.abc import Sequence
from typing import Final, cast

import msgspec
from river import bandit, proba

EXPLORATION: Final = 0.1
"""The part of the hints that is spread evenly."""

CELLS: Final = 200
HALVED_AT: Final = 4_000
"""Outcomes of one wording after which half of them are forgotten: customers change."""


class Choice(msgspec.Struct, frozen=True):
    """The wording chosen, and how probable it was."""

    arm: str
    propensity: float


class WordingPolicy(bandit.ThompsonSampling):
    """River's Thompson sampling, whose shares are worked out instead of drawn."""

    def __init__(self) -> None:
        super().__init__(reward_obj=proba.Beta(), seed=0)
        self._below: dict[str, list[float]] = {}
        self._shares: dict[tuple[str, ...], list[float]] = {}

    def shares(self, arms: Sequence[str]) -> list[float]:
        """The propensity of each of ``arms``, in their order; they sum to 1."""
        known = self._shares.get(tuple(arms))
        if known is None:
            known = self._shares[tuple(arms)] = self._computed_shares(arms)
        return known

    def _computed_shares(self, arms: Sequence[str]) -> list[float]:
        below = [self._distribution(arm) for arm in arms]
        best = [_probability_best(index, below) for index in range(len(arms))]
        total = math.fsum(best)
        return [(1 - EXPLORATION) * probability / total + EXPLORATION / len(arms) for probability in best]

    def choose(self, arms: Sequence[str], draw: float) -> Choice:
        """The arm on which ``draw`` (0 to 1) falls."""
        shares = self.shares(arms)
        passed = 0.0
        for arm, share in zip(arms, shares, strict=True):
            passed += share
            if draw < passed:
                return Choice(arm, share)
        return Choice(arms[-1], shares[-1])

    def learn(self, arm: str, reward: bool) -> None:
        """One outcome more."""
        self._changes(arm)
        self.update(arm, reward)  # type: ignore[no-untyped-call]  # River's method has no types
        posterior = self._beta(arm)
        if posterior.alpha + posterior.beta > HALVED_AT:
            posterior.alpha, posterior.beta = max(1, posterior.alpha // 2), max(1, posterior.beta // 2)

    @property
    def arms(self) -> list[str]:
        """The arms that anything is known of."""
        return [str(arm) for arm in self._rewards]

    def posterior(self, arm: str) -> tuple[int, int]:
        """Alpha and beta of an arm."""
        posterior = self._beta(arm)
        return posterior.alpha, posterior.beta

    def recall(self, arm: str, alpha: int, beta: int) -> None:
        """Takes up an arm as it was."""
        self._changes(arm)
        posterior = self._beta(arm)
        posterior.alpha, posterior.beta = alpha, beta

    def _changes(self, arm: str) -> None:
        self._below.pop(arm, None)
        self._shares.clear()

    def _distribution(self, arm: str) -> list[float]:
        """How probable it is that the arm is worth less than each edge of a cell."""
        below = self._below.get(arm)
        if below is None:
            posterior = self._beta(arm)
            below = self._below[arm] = [posterior.cdf(cell / CELLS) for cell in range(CELLS + 1)]
        return below

    def _beta(self, arm: str) -> proba.Beta:
        return cast("proba.Beta", self._rewards[arm])


def _probability_best(index: int, below: Sequence[Sequence[float]]) -> float:
    """The integral of one density times the others' distributions, by cells."""
    own = below[index]
    total = 0.0
    for cell in range(CELLS):
        mass = own[cell + 1] - own[cell]
        for other, distribution in enumerate(below):
            if other != index:
                mass *= (distribution[cell] + distribution[cell + 1]) / 2
        total += mass
    return total
