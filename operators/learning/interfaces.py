"""What others need of a journey's learning: to save it, to take it up, to watch it, to see its figures.

``operators/learning/learner.py`` does it; the model store, ``zhiyin evaluate`` and the metrics need no more than this.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol

import msgspec

from operators.learning.prequential_metrics import Prequential
from operators.tracking.features import PredictionQuestion, ScoredPrediction

MODEL_FORMAT: Final = "zhiyin-learning-2"
BreakOffQuestion = Literal["contact", "person", "reason"]
"""Asked at a break-off. ``contact``: the customer turns to a person; ``person``: one is of use; ``reason``: an agent
confirms it."""


class Quality(msgspec.Struct, frozen=True):
    """How good the predictions of one model on one question have been, each scored before its label was learnt.

    ``labels``: how many were scored. ``log_loss`` (nats), ``brier``, ``calibration_error`` (10 equal bins) and ``auc``
    are of the last few thousand, older ones counting less; ``base_log_loss``: of the base rate of step and checkpoint,
    or of the rule.
    """

    question: PredictionQuestion | BreakOffQuestion
    model: str
    leads: bool
    labels: int
    log_loss: float
    base_log_loss: float
    brier: float
    calibration_error: float
    auc: float


def quality_of(question: PredictionQuestion | BreakOffQuestion, model: str, figures: Prequential) -> Quality:
    """The quality of the published predictions, by ``model`` that leads now."""
    return Quality(
        question,
        model,
        leads=True,
        labels=figures.state.labels,
        log_loss=figures.log_loss,
        base_log_loss=figures.base_log_loss,
        brier=figures.brier,
        calibration_error=figures.calibration_error,
        auc=figures.auc,
    )


class LearningFigures(msgspec.Struct, frozen=True):
    """What a journey's learning has done so far.

    ``learnt``, ``sampled_out``, ``dropped``: labels that were learnt, left out by sampling, and predictions dropped
    for want of room; ``pending``: predictions whose outcome is not known yet; ``drifts``: by what drifted.
    ``first_ms``, ``last_ms``: event time of the first and last label (None: none yet); ``drifting``: an error has
    drifted within the last day.
    """

    journey: str
    quality: tuple[Quality, ...]
    learnt: int
    sampled_out: int
    dropped: int
    pending: int
    drifts: dict[str, int]
    first_ms: int | None
    last_ms: int | None
    drifting: bool = False


class Learning(Protocol):
    """One journey's learning, as far as others need it."""

    def figures(self) -> LearningFigures:
        """Where it stands."""

    def saved(self) -> bytes:
        """The models, the calibration and their figures, in the format ``MODEL_FORMAT``; not what is pending."""

    def take_up(self, saved: bytes) -> None:
        """Goes on from what ``saved`` gave, in place of what has been learnt so far. Raises StateUnreadable."""


WatchScored = Callable[[str, Sequence[ScoredPrediction]], None]
"""Shown a journey's predictions as their outcomes come, list by list, in order of arrival."""


class LearningKeeper(Protocol):
    """Who keeps what is learnt. It must be quick, for the dataflow waits."""

    def begin(self, journey: str, learning: Learning, *, resumed: bool) -> None:
        """Before a journey's first batch. ``resumed``: its learning comes from the engine's snapshot."""

    def __call__(self, journey: str, learning: Learning) -> None:
        """After each batch."""
