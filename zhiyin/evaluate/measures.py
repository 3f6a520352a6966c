"""How good probabilities were, from scores and outcomes.

In: two arrays of the same length: scores from 0 to 1, outcomes (True: it happened). Out: figures. Refused: nothing;
where there is nothing to measure (no rows, or only one outcome) a figure is None.

``log_loss`` is in nats; the step alone, always 0.5, would be 0.693. ``brier`` is the mean squared error (G. W. Brier,
"Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950)). ``auc`` is the chance
that a random yes has a higher score than a random no, ties counting half (Mann and Whitney 1947). ``calibration_error``
is the expected calibration error over ten equal bins: the gaps between the mean score and the share of yes, weighted by
the bins' rows (M. P. Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015).
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

ScoreArray = NDArray[np.float64]
OutcomeArray = NDArray[np.bool_]

BINS: Final = 10
_LEAST: Final = 1e-6
"""Scores nearer to 0 or 1 than this count as so near: one mistaken certainty must not decide a mean."""


class ReliabilityBin(msgspec.Struct, frozen=True):
    """Scores from ``low`` to ``high``: how many, their mean, and the share that turned out yes."""

    low: float
    high: float
    rows: int
    mean_score: float
    share_yes: float


class Measures(msgspec.Struct, frozen=True):
    """The figures of one model on ``rows`` predictions."""

    rows: int
    share_yes: float
    auc: float | None
    log_loss: float
    brier: float
    calibration_error: float


def measures(scores: ScoreArray, outcomes: OutcomeArray) -> Measures | None:
    """All figures; None without a row."""
    if not len(scores):
        return None
    return Measures(
        rows=len(scores),
        share_yes=float(outcomes.mean()),
        auc=auc(scores, outcomes),
        log_loss=log_loss(scores, outcomes),
        brier=float(np.square(scores - outcomes).mean()),
        calibration_error=calibration_error(scores, outcomes),
    )


def auc(scores: ScoreArray, outcomes: OutcomeArray) -> float | None:
    """Area under the ROC curve; None when all outcomes are the same."""
    yes = int(outcomes.sum())
    no = len(outcomes) - yes
    if not yes or not no:
        return None
    _, index, count = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    return float((mean_rank[index][outcomes].sum() - yes * (yes + 1) / 2) / (yes * no))


def log_loss(scores: ScoreArray, outcomes: OutcomeArray) -> float:
    """Mean of -log of the probability of the outcome."""
    probability = np.clip(np.where(outcomes, scores, 1 - scores), _LEAST, 1 - _LEAST)
    return float(-np.log(probability).mean())


def calibration_error(scores: ScoreArray, outcomes: OutcomeArray) -> float:
    """Expected calibration error over ten equal bins."""
    bins = reliability(scores, outcomes)
    return sum(interval.rows * abs(interval.mean_score - interval.share_yes) for interval in bins) / len(scores)


def reliability(scores: ScoreArray, outcomes: OutcomeArray) -> list[ReliabilityBin]:
    """What was said against what happened, bin by bin; empty bins are left out."""
    indices = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    bins = []
    for index in np.unique(indices):
        inside = indices == index
        bins.append(
            ReliabilityBin(
                low=float(index / BINS),
                high=float((index + 1) / BINS),
                rows=int(inside.sum()),
                mean_score=float(scores[inside].mean()),
                share_yes=float(outcomes[inside].mean()),
            )
        )
    return bins
