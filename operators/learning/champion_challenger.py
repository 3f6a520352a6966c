"""Champion and challengers: which model's prediction is published.

In: what each model predicted of the same outcome, before it was learnt. Out: the name of the one that leads.
Refused: nothing.

The mean log loss decides, older outcomes counting less; who leads keeps the lead until another is better by
``MARGIN`` over at least ``LEAST_LABELS`` outcomes that both have seen.
"""

import math
from typing import Final

import msgspec

from operators.learning.models import ModelName

MARGIN: Final = 0.005
"""Relative: half a per cent better."""
LEAST_LABELS: Final = 200
WINDOW: Final = 2_048
"""When so many outcomes have been counted, all that is counted is halved."""


class Comparison(msgspec.Struct, array_like=True, gc=False):
    """A challenger against the leader, on the same outcomes: how many, and the sums of their log losses."""

    labels: float = 0.0
    loss: float = 0.0
    leader_loss: float = 0.0

    @property
    def is_won(self) -> bool:
        """Whether the challenger is better by enough."""
        return self.labels >= LEAST_LABELS and self.loss < (1.0 - MARGIN) * self.leader_loss


class ChampionChallenger:
    """Who leads, and the comparisons of the others with it."""

    def __init__(self, leader: ModelName, comparisons: dict[ModelName, Comparison] | None = None) -> None:
        self.leader: ModelName = leader
        self.comparisons: dict[ModelName, Comparison] = comparisons or {}

    def compare(self, challenger: ModelName, probability: float, leader_probability: float, outcome: bool) -> None:
        """What a challenger and the leader predicted of an outcome; the lead may change hands."""
        comparison = self.comparisons.setdefault(challenger, Comparison())
        if comparison.labels >= WINDOW:
            comparison.labels, comparison.loss, comparison.leader_loss = (
                comparison.labels / 2,
                comparison.loss / 2,
                comparison.leader_loss / 2,
            )
        comparison.labels += 1.0
        comparison.loss += log_loss(probability, outcome)
        comparison.leader_loss += log_loss(leader_probability, outcome)
        if comparison.is_won:
            self.leader = challenger
            self.comparisons = {}

    def forget(self, challenger: ModelName) -> None:
        """A challenger that begins anew."""
        self.comparisons.pop(challenger, None)


def log_loss(probability: float, outcome: bool) -> float:
    """In nats; ``probability`` exclusive of 0 and 1."""
    return -math.log(probability if outcome else 1.0 - probability)
