"""What is found about predictions: figures by journey, question, checkpoint, model and span of time.

In: tables of predictions. Out: findings, and one sentence where something could not be compared. Refused: nothing.

Spans: ``all``; ``compared``: the rows the batch model could score, where it is here (else all but the first sixth), the
only span in which the three models stand side by side; ``last_third``: of these, those of the last third of the time;
``after_10000``: all but the first 10,000 outcomes.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec
import numpy as np

from operators.tracking.features import PredictionQuestion
from zhiyin.evaluate.batch_model import Rows, spans
from zhiyin.evaluate.measures import Measures, ReliabilityBin, ScoreArray, measures, reliability
from zhiyin.evaluate.predictions import Table

EvaluationSpan = Literal["all", "compared", "last_third", "after_10000"]
Model = Literal["learned", "step", "batch"]
MODELS: Final[tuple[Model, ...]] = ("learned", "step", "batch")
SETTLED_FIRST: Final = 10_000


class Finding(msgspec.Struct, frozen=True):
    """One model's figures. ``checkpoint_s`` None: all checkpoints together."""

    journey: str
    question: PredictionQuestion
    checkpoint_s: float | None
    span: EvaluationSpan
    model: Model
    measures: Measures


class Reliability(msgspec.Struct, frozen=True):
    """What the learned model said against what happened, bin by bin, over all checkpoints."""

    journey: str
    question: PredictionQuestion
    bins: list[ReliabilityBin]


class Compared(msgspec.Struct, frozen=True):
    """One table, and what the batch model says of its rows (None: it is not here)."""

    journey: str
    question: PredictionQuestion
    table: Table
    batch: ScoreArray | None


def findings(comparison: Compared) -> Iterator[Finding]:
    """All figures of one table."""
    table = comparison.table
    columns: dict[Model, ScoreArray | None] = {
        "learned": table.score,
        "step": table.baseline,
        "batch": comparison.batch,
    }
    checkpoints: list[int | None] = [None, *np.unique(table.checkpoint_ms).tolist()]
    for checkpoint_ms in checkpoints:
        at_checkpoint = (
            np.full(len(table.outcome), True) if checkpoint_ms is None else table.checkpoint_ms == checkpoint_ms
        )
        checkpoint_s = None if checkpoint_ms is None else checkpoint_ms / 1_000
        for span, inside in _spans(comparison).items():
            rows = at_checkpoint & inside
            for model in MODELS:
                scores = columns[model]
                if scores is None or not np.isfinite(scores[rows]).all():
                    continue
                figures = measures(scores[rows], table.outcome[rows])
                if figures is not None:
                    yield Finding(comparison.journey, comparison.question, checkpoint_s, span, model, figures)


def reliability_of(comparison: Compared) -> Reliability:
    """The learned model's reliability over everything."""
    return Reliability(
        comparison.journey, comparison.question, reliability(comparison.table.score, comparison.table.outcome)
    )


def _spans(comparison: Compared) -> dict[EvaluationSpan, Rows]:
    table = comparison.table
    rows = len(table.outcome)
    parts = spans(table)
    compared = np.full(rows, True) if comparison.batch is None else np.isfinite(comparison.batch)
    if parts:
        compared &= table.at_ms >= parts[0][0]
    begin_ms, end_ms = (int(np.min(table.at_ms)), int(np.max(table.at_ms))) if rows else (0, 0)
    return {
        "all": np.full(rows, True),
        "compared": compared,
        "last_third": compared & (3 * table.at_ms >= begin_ms + 2 * end_ms),
        "after_10000": np.arange(rows) >= SETTLED_FIRST,
    }
