"""The saving of models, for Prometheus: when it last worked, how often it did not."""

from typing import Final

from prometheus_client import CollectorRegistry

from config.metric import Metric, counter, gauge

SAVED: Final = Metric(
    "zhiyin_models_saved_timestamp_seconds", "gauge", "when a journey's models were last saved", ("journey",)
)
FAILURES: Final = Metric(
    "zhiyin_models_save_failures_total", "counter", "times a journey's models could not be saved", ("journey",)
)
TABLE: Final = (SAVED, FAILURES)


class ModelMetrics:
    """Receives each saving."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._saved = gauge(SAVED, registry)
        self._failures = counter(FAILURES, registry)

    def saved(self, journey: str, at_ms: int) -> None:
        """It worked, at ``at_ms`` of the clock."""
        self._failures.labels(journey)
        self._saved.labels(journey).set(at_ms / 1_000)

    def failed(self, journey: str) -> None:
        """It did not."""
        self._failures.labels(journey).inc()
