"""How good the predictions are, live, for Prometheus: a table of gauges, set from each journey's figures.

In: a registry; a journey's learning, after each batch. Out: one gauge a row of ``TABLE``, set every ``EVERY_S``
seconds, because figures cost more than a batch. They are gauges, counts too: they are part of the engine's state, so
they come back after a restart as they were.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry

from config.metric import Metric, gauge
from operators.learning.drift import WATCHED
from operators.learning.interfaces import Learning, LearningFigures, LearningKeeper

EVERY_S: Final = 5.0
_OF_A_MODEL: Final = ("journey", "question", "model")
_SCORED_FIRST: Final = "; each prediction was scored before its outcome was learnt, older ones count less"

LOG_LOSS: Final = Metric(
    "zhiyin_model_log_loss", "gauge", f"log loss of a model's predictions, in nats{_SCORED_FIRST}", _OF_A_MODEL
)
BASE_LOG_LOSS: Final = Metric(
    "zhiyin_model_base_log_loss",
    "gauge",
    "the same of the base rate of step and checkpoint: what a model must beat to be worth anything",
    _OF_A_MODEL,
)
BRIER: Final = Metric("zhiyin_model_brier", "gauge", "Brier score: mean squared error of the predictions", _OF_A_MODEL)
CALIBRATION: Final = Metric(
    "zhiyin_model_calibration_error_ratio",
    "gauge",
    "by how much what is said differs from what happens, mean over ten bins",
    _OF_A_MODEL,
)
AUC: Final = Metric(
    "zhiyin_model_auc_ratio",
    "gauge",
    "the chance that an attempt that turns out yes had a higher score than one that does not",
    _OF_A_MODEL,
)
SCORED: Final = Metric("zhiyin_model_scored_predictions", "gauge", "predictions scored so far", _OF_A_MODEL)
LEADS: Final = Metric(
    "zhiyin_model_leads", "gauge", "1: this model's score is what is told; 0: it only runs along", _OF_A_MODEL
)
LABELS: Final = Metric(
    "zhiyin_learning_labels",
    "gauge",
    "outcomes so far, by what became of them (learnt, sampled_out: left out by design, and more while the engine is "
    "behind, dropped: too many predictions waited)",
    ("journey", "outcome"),
)
PENDING: Final = Metric(
    "zhiyin_learning_pending_predictions", "gauge", "predictions whose outcome is not known yet", ("journey",)
)
DRIFTS: Final = Metric(
    "zhiyin_learning_drifts",
    "gauge",
    "drifts noticed so far, by what drifted (the error, or a feature)",
    ("journey", "of"),
)
DRIFTING: Final = Metric(
    "zhiyin_learning_drifting", "gauge", "1: the error of a journey's scores has drifted within a day", ("journey",)
)
TABLE: Final = (LOG_LOSS, BASE_LOG_LOSS, BRIER, CALIBRATION, AUC, SCORED, LEADS, LABELS, PENDING, DRIFTS, DRIFTING)


class LearningMetrics:
    """Receives each journey's learning; ``monotonic``: seconds."""

    def __init__(self, registry: CollectorRegistry, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._gauges = {metric: gauge(metric, registry) for metric in TABLE}
        self._monotonic = monotonic
        self._due: dict[str, float] = {}
        self._leaders: dict[tuple[str, str], str] = {}

    def expect(self, journeys: Iterable[str]) -> None:
        """Nothing has drifted before anything is learnt: what is watched for is there from the start."""
        for journey in journeys:
            self._gauges[DRIFTING].labels(journey).set(0)
            for of in WATCHED:
                self._gauges[DRIFTS].labels(journey, of).set(0)

    def begin(self, journey: str, learning: Learning, *, resumed: bool) -> None:
        """Before a journey's first batch."""
        self._show(learning.figures())

    def __call__(self, journey: str, learning: Learning) -> None:
        """After a batch: shows the figures when it is time."""
        now_s = self._monotonic()
        if now_s >= self._due.get(journey, 0.0):
            self._due[journey] = now_s + EVERY_S
            self._show(learning.figures())

    def _show(self, figures: LearningFigures) -> None:
        journey = figures.journey
        for quality in figures.quality:
            leader = self._leaders.get((journey, quality.question), quality.model)
            if quality.leads and leader != quality.model:
                self._gauges[LEADS].labels(journey, quality.question, leader).set(0)
            if quality.leads:
                self._leaders[journey, quality.question] = quality.model
            measures = (quality.log_loss, quality.base_log_loss, quality.brier, quality.calibration_error, quality.auc)
            for metric, value in zip(TABLE, (*measures, quality.labels, quality.leads), strict=False):
                self._gauges[metric].labels(journey, quality.question, quality.model).set(value)
        outcomes = {"learnt": figures.learnt, "sampled_out": figures.sampled_out, "dropped": figures.dropped}
        for outcome, count in outcomes.items():
            self._gauges[LABELS].labels(journey, outcome).set(count)
        self._gauges[PENDING].labels(journey).set(figures.pending)
        self._gauges[DRIFTING].labels(journey).set(figures.drifting)
        for of, count in figures.drifts.items():
            self._gauges[DRIFTS].labels(journey, of).set(count)


class LearningKeepers:
    """Several that keep what is learnt, as one."""

    def __init__(self, keepers: Sequence[LearningKeeper]) -> None:
        self._keepers = tuple(keepers)

    def begin(self, journey: str, learning: Learning, *, resumed: bool) -> None:
        """Before a journey's first batch, in their order."""
        for keeper in self._keepers:
            keeper.begin(journey, learning, resumed=resumed)

    def __call__(self, journey: str, learning: Learning) -> None:
        """After each batch."""
        for keeper in self._keepers:
            keeper(journey, learning)
