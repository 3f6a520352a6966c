"""Predictions as they were made, in columns: one table for each journey and question.

In: scored predictions, in the order in which their outcomes came. Out: arrays, row by row in that order. Refused:
nothing. A prediction was made before its outcome was learnt, and before any later one was; so the columns ``score`` and
``baseline`` are prequential (P. Dawid, "Present position and potential developments: some personal views. Statistical
theory: the prequential approach", Journal of the Royal Statistical Society A 147 (1984)).
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import Final, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.records.catalogue import SignalKind
from operators.tracking.features import CheckpointFeatures, ScoredPrediction
from zhiyin.evaluate.measures import OutcomeArray, ScoreArray

LAST_STEPS: Final = 4
"""The features hold the time spent at so many steps, the last ones."""

SIGNAL_KINDS: Final[tuple[str, ...]] = get_args(SignalKind)
FEATURES: Final = (
    *("step", "age", "steps_before"),
    *(f"dwell_{back}_back" for back in range(1, LAST_STEPS + 1)),
    *SIGNAL_KINDS,
)
CATEGORIES: Final = (FEATURES.index("step"),)
_NONE: Final = -1


class Table(msgspec.Struct, frozen=True):
    """Columns of equal length. ``features``: a row of ``FEATURES`` each, as whole numbers."""

    at_ms: NDArray[np.int64]
    settled_ms: NDArray[np.int64]
    checkpoint_ms: NDArray[np.int64]
    score: ScoreArray
    baseline: ScoreArray
    outcome: OutcomeArray
    features: NDArray[np.int64]


class Predictions:
    """The predictions on one question about one journey's attempts."""

    def __init__(self) -> None:
        self._times = array("q")
        self._scores = array("d")
        self._outcomes = bytearray()
        self._features = array("q")
        self._steps: dict[str | None, int] = {}

    def __len__(self) -> int:
        return len(self._outcomes)

    def add(self, scored: Iterable[ScoredPrediction]) -> None:
        """More of them."""
        for prediction in scored:
            self._times.extend((prediction.at_ms, prediction.settled_ms, prediction.features.idle_ms))
            self._scores.extend((prediction.score, prediction.baseline))
            self._outcomes.append(prediction.outcome)
            self._features.extend(self._row(prediction.features))

    def table(self) -> Table:
        """All of them so far."""
        times = np.array(self._times, dtype=np.int64).reshape(-1, 3)
        scores = np.array(self._scores, dtype=np.float64).reshape(-1, 2)
        return Table(
            at_ms=times[:, 0],
            settled_ms=times[:, 1],
            checkpoint_ms=times[:, 2],
            score=scores[:, 0],
            baseline=scores[:, 1],
            outcome=np.frombuffer(bytes(self._outcomes), dtype=np.bool_),
            features=np.array(self._features, dtype=np.int64).reshape(-1, len(FEATURES)),
        )

    def _row(self, features: CheckpointFeatures) -> Sequence[int]:
        step = self._steps.setdefault(features.step, len(self._steps))
        last = [*reversed(features.trail[-LAST_STEPS:])]
        dwells = [*last, *[_NONE] * (LAST_STEPS - len(last))]
        counts = {sign[:-1]: int(sign[-1]) for sign in features.struggle}
        signals = [counts.get(kind, 0) for kind in SIGNAL_KINDS]
        before = len(features.trail)
        return [step, features.age, before, *dwells, *signals]
