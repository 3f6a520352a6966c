"""What hints are worth, for Prometheus: a table of gauges, set from a journey's counts.

In: a registry; counts as they change. Out: one gauge a row of ``TABLE``. They are gauges although they only rise: they
are part of the engine's state, so they come back after a restart as they were.
"""

from typing import Final

from prometheus_client import CollectorRegistry

from config.metric import Metric, gauge
from operators.hints.uplift import UpliftCounts

ATTEMPTS: Final = Metric(
    "zhiyin_uplift_attempts",
    "gauge",
    "attempts that broke off and whose time to complete is over, by group (control: never hinted; offered: all others; "
    "hinted: those of the offered that got a hint)",
    ("journey", "group"),
)
COMPLETED: Final = Metric(
    "zhiyin_uplift_completed_attempts", "gauge", "of those, how many completed in time", ("journey", "group")
)
RATIO: Final = Metric(
    "zhiyin_uplift_ratio",
    "gauge",
    "share of the offered that completed, less that of the control group; not there while either group is empty",
    ("journey",),
)
LOW: Final = Metric("zhiyin_uplift_low_ratio", "gauge", "lower end of its 95 % interval", ("journey",))
HIGH: Final = Metric("zhiyin_uplift_high_ratio", "gauge", "upper end of its 95 % interval", ("journey",))
DETECTABLE: Final = Metric(
    "zhiyin_uplift_detectable_ratio",
    "gauge",
    "the uplift that groups of this size show four times in five",
    ("journey",),
)
DROPPED: Final = Metric(
    "zhiyin_uplift_dropped_attempts", "gauge", "attempts not counted because too many were waiting", ("journey",)
)

TABLE: Final = (ATTEMPTS, COMPLETED, RATIO, LOW, HIGH, DETECTABLE, DROPPED)


class UpliftMetrics:
    """Receives a journey's counts whenever they have changed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = gauge(ATTEMPTS, registry)
        self._completed = gauge(COMPLETED, registry)
        self._ratio = gauge(RATIO, registry)
        self._low = gauge(LOW, registry)
        self._high = gauge(HIGH, registry)
        self._detectable = gauge(DETECTABLE, registry)
        self._dropped = gauge(DROPPED, registry)

    def __call__(self, journey: str, counts: UpliftCounts) -> None:
        """Sets the journey's gauges."""
        self._group(journey, "control", counts.control, counts.control_completed)
        self._group(journey, "offered", counts.offered, counts.offered_completed)
        self._group(journey, "hinted", counts.hinted, counts.hinted_completed)
        self._dropped.labels(journey).set(counts.dropped)
        uplift, detectable = counts.uplift, counts.smallest_detectable
        if uplift is not None:
            self._ratio.labels(journey).set(uplift.share)
            self._low.labels(journey).set(uplift.interval.low)
            self._high.labels(journey).set(uplift.interval.high)
        if detectable is not None:
            self._detectable.labels(journey).set(detectable)

    def _group(self, journey: str, group: str, attempts: int, completed: int) -> None:
        self._attempts.labels(journey, group).set(attempts)
        self._completed.labels(journey, group).set(completed)
