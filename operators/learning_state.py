"""What a journey's learning remembers, as msgpack: what has been learnt (a head), and what waits (a row an attempt).

In: the learning's own records. Out: small arrays, and the records back. Refused: nothing here (the reader of the
bytes says when they are not of our format).
"""

from typing import Protocol

import msgspec

from operators.ladder import LadderState
from operators.models import ModelName, features_of
from operators.prequential import PrequentialState
from operators.scorer import Prediction, ScorerState
from operators.situations import Known


class LearningState(msgspec.Struct, array_like=True, gc=False):
    """What has been learnt: this is also what the model store keeps."""

    format: str
    scorer: ScorerState
    ladder: LadderState
    away_figures: PrequentialState
    dropped: int
    first_ms: int | None
    last_ms: int | None


class LearningHead(msgspec.Struct, array_like=True, gc=False):
    """What a snapshot holds beside the rows."""

    state: LearningState
    now_ms: int
    drift_until_ms: int


class PredictionRow(msgspec.Struct, array_like=True, gc=False):
    """One prediction, stored."""

    known: Known
    at_ms: int
    score: float
    base_rate: float
    leader: ModelName
    number: int


class WaitingRow(msgspec.Struct, array_like=True, gc=False):
    """One attempt whose outcome is not known yet, stored."""

    due_ms: int | None
    kind: str | None
    told: bool
    predictions: list[PredictionRow]
    aways: list[tuple[Known, int, float]]


class WaitingRecord(Protocol):
    """What is stored and restored."""

    due_ms: int | None
    kind: str | None
    told: bool
    predictions: list[Prediction]
    aways: list[tuple[Known, int, float]]


def row_of(waiting: WaitingRecord) -> WaitingRow:
    """For the journal."""
    predictions = [
        PredictionRow(each.features.known, each.at_ms, each.score, each.base_rate, each.leader, each.number)
        for each in waiting.predictions
    ]
    return WaitingRow(waiting.due_ms, waiting.kind, waiting.told, predictions, waiting.aways)


def waiting_of(row: WaitingRow, waiting: WaitingRecord) -> None:
    """Fills ``waiting`` from the journal."""
    waiting.due_ms, waiting.kind, waiting.told = row.due_ms, row.kind, row.told
    waiting.aways = list(row.aways)
    waiting.predictions = [
        Prediction(features_of(each.known), each.at_ms, each.score, each.base_rate, each.leader, each.number)
        for each in row.predictions
    ]
