"""How good predictions are, measured by their outcomes as they come: log loss, Brier, calibration and AUC.

In: probabilities with outcomes, one after the other. Out: figures in which older outcomes count less.
Refused: nothing.

Scores fall into ``BINS`` equal bins; when ``WINDOW`` outcomes have come, everything counted is halved. AUC is that of
the binned scores (ties count a half), which with 200 bins differs from the exact one by less than 0.001.
Dawid, "Present position and potential developments: the prequential approach", 1984.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

BINS: Final = 200
CALIBRATION_BINS: Final = 10
WINDOW: Final = 8_192
_BINS_A_CALIBRATION_BIN: Final = BINS // CALIBRATION_BINS


class PrequentialState(msgspec.Struct, array_like=True, gc=False):
    """What is counted: sums of losses and, by bin of the score, of the score, of outcomes and of those of yes."""

    labels: int = 0
    until_halved: int = WINDOW
    log_loss: float = 0.0
    base_log_loss: float = 0.0
    brier: float = 0.0
    scores: list[float] = msgspec.field(default_factory=lambda: [0.0] * CALIBRATION_BINS)
    no: list[float] = msgspec.field(default_factory=lambda: [0.0] * BINS)
    yes: list[float] = msgspec.field(default_factory=lambda: [0.0] * BINS)


class Prequential:
    """The figures of one model on one question."""

    def __init__(self, state: PrequentialState | None = None) -> None:
        self.state = state or PrequentialState()

    def score(self, probability: float, base_rate: float, outcome: bool) -> None:
        """One prediction with its outcome, and what the base rate had predicted. Probabilities exclusive of 0 and 1."""
        state = self.state
        state.labels += 1
        state.until_halved -= 1
        index = int(probability * BINS)
        state.scores[index // _BINS_A_CALIBRATION_BIN] += probability
        if outcome:
            state.yes[index] += 1.0
            state.log_loss -= math.log(probability)
            state.base_log_loss -= math.log(base_rate)
            state.brier += (1.0 - probability) ** 2
        else:
            state.no[index] += 1.0
            state.log_loss -= math.log(1.0 - probability)
            state.base_log_loss -= math.log(1.0 - base_rate)
            state.brier += probability * probability
        if state.until_halved == 0:
            self._halve()

    def _halve(self) -> None:
        state = self.state
        state.until_halved = WINDOW
        state.log_loss, state.base_log_loss, state.brier = state.log_loss / 2, state.base_log_loss / 2, state.brier / 2
        for values in (state.scores, state.no, state.yes):
            values[:] = [value / 2 for value in values]

    @property
    def weight(self) -> float:
        """How many outcomes the figures rest on, older ones counting less."""
        return sum(self.state.no) + sum(self.state.yes)

    @property
    def log_loss(self) -> float:
        """Mean log loss, in nats; 0 before any outcome."""
        return self.state.log_loss / (self.weight or 1.0)

    @property
    def base_log_loss(self) -> float:
        """The same of the base rate."""
        return self.state.base_log_loss / (self.weight or 1.0)

    @property
    def brier(self) -> float:
        """Mean squared error."""
        return self.state.brier / (self.weight or 1.0)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance of score and share of yes over ten equal bins, by their weight."""
        weight = self.weight or 1.0
        yes, no = _tenths(self.state.yes), _tenths(self.state.no)
        return sum(abs(score - count) for score, count, _ in zip(self.state.scores, yes, no, strict=True)) / weight

    @property
    def auc(self) -> float:
        """P(a yes has a higher score than a no), ties a half; a half where there is none of one kind."""
        below = ranked = 0.0
        for no, yes in zip(self.state.no, self.state.yes, strict=True):
            ranked += yes * (below + no / 2)
            below += no
        pairs = below * sum(self.state.yes)
        return ranked / pairs if pairs else 0.5


def _tenths(values: Sequence[float]) -> list[float]:
    size = _BINS_A_CALIBRATION_BIN
    return [sum(values[first : first + size]) for first in range(0, BINS, size)]
