"""What a journey's learning remembers, as msgpack: what has been learnt (a head), and what waits (a row an attempt).

In: the learning's own records. Out: small arrays, and the records back. Refused: nothing here (the reader of the
bytes says when they are not of our format).
"""

from typing import Protocol

import msgspec

from operators.learning.breakoff_outcomes import BreakoffOutcomesState
from operators.learning.checkpoint_policy import CheckpointPolicyState
from operators.learning.models import ModelName, features_of
from operators.learning.prequential_metrics import PrequentialState
from operators.learning.scorer import Prediction, Scorer, ScorerState, Silence
from operators.tracking.features import AttemptFeatures


class LearningState(msgspec.Struct, array_like=True, gc=False):
    """What has been learnt: this is also what the model store keeps."""

    format: str
    scorer: ScorerState
    checkpoint_policy: CheckpointPolicyState
    away_figures: PrequentialState
    dropped: int
    first_ms: int | None
    last_ms: int | None
    breakoff_outcomes: BreakoffOutcomesState = msgspec.field(default_factory=BreakoffOutcomesState)


class LearningHead(msgspec.Struct, array_like=True, gc=False):
    """What a snapshot holds beside the rows."""

    state: LearningState
    now_ms: int
    drift_until_ms: int


class PredictionRow(msgspec.Struct, array_like=True, gc=False):
    """One prediction, stored. ``checkpoint``: of its checkpoint."""

    known: AttemptFeatures
    checkpoint: int
    at_ms: int
    score: float
    base_rate: float
    leader: ModelName


class PendingAttemptRow(msgspec.Struct, array_like=True, gc=False):
    """One attempt whose outcome is not known yet, stored. ``known``, ``factor``: of the silence under way."""

    due_ms: int | None
    kind: str | None
    published: bool
    predictions: list[PredictionRow]
    past: list[tuple[str, int]]
    reached: int = 0
    known: AttemptFeatures | None = None
    factor: float = 1.0


class PendingAttemptRecord(Protocol):
    """What is stored and restored."""

    due_ms: int | None
    kind: str | None
    published: bool
    predictions: list[Prediction]
    past: list[tuple[str, int]]
    reached: int
    silence: Silence | None


def pending_attempt_row(attempt: PendingAttemptRecord) -> PendingAttemptRow:
    """For the journal."""
    predictions = [
        PredictionRow(
            prediction.features.known,
            prediction.checkpoint,
            prediction.at_ms,
            prediction.score,
            prediction.base_rate,
            prediction.leader,
        )
        for prediction in attempt.predictions
    ]
    silence = attempt.silence
    features, factor = (None, 1.0) if silence is None else (silence.known, silence.factor)
    state = attempt.due_ms, attempt.kind, attempt.published
    return PendingAttemptRow(*state, predictions, list(attempt.past), attempt.reached, features, factor)


def pending_attempt(row: PendingAttemptRow, attempt: PendingAttemptRecord, scorer: Scorer) -> None:
    """Fills ``attempt`` from the journal; predictions at checkpoints there are no more are left out."""
    attempt.due_ms, attempt.kind, attempt.published = row.due_ms, row.kind, row.published
    attempt.past, attempt.reached = list(row.past), row.reached
    for stored in row.predictions:
        counts = scorer.rates.of(stored.known.step or "")
        if stored.checkpoint < scorer.rates.checkpoint_count:
            values = features_of(stored.known), counts[stored.checkpoint], stored.checkpoint, stored.at_ms, stored.score
            attempt.predictions.append(Prediction(*values, stored.base_rate, stored.leader))
    if row.known is not None:
        attempt.silence = scorer.silence(row.known)
        attempt.silence.factor = row.factor
