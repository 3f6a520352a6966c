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
    """Who leads, and the duels of the others with it."""

    def __init__(self, leader: ModelName, duels: dict[ModelName, Comparison] | None = None) -> None:
        self.leader: ModelName = leader
        self.duels: dict[ModelName, Comparison] = duels or {}

    def compare(self, challenger: ModelName, probability: float, leader_probability: float, outcome: bool) -> None:
        """What a challenger and the leader predicted of an outcome; the lead may change hands."""
        duel = self.duels.setdefault(challenger, Comparison())
        if duel.labels >= WINDOW:
            duel.labels, duel.loss, duel.leader_loss = duel.labels / 2, duel.loss / 2, duel.leader_loss / 2
        duel.labels += 1.0
        duel.loss += log_loss(probability, outcome)
        duel.leader_loss += log_loss(leader_probability, outcome)
        if duel.is_won:
            self.leader = challenger
            self.duels = {}

    def forget(self, challenger: ModelName) -> None:
        """A challenger that begins anew."""
        self.duels.pop(challenger, None)


def log_loss(probability: float, outcome: bool) -> float:
    """In nats; ``probability`` exclusive of 0 and 1."""
    return -math.log(probability if outcome else 1.0 - probability)
