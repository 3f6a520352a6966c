"""Counts what the push does.

In: what the push tells its meter. Out: the gateway's metrics. Refused: nothing.
"""

from collections.abc import Callable

from gateway.metrics import GatewayMetrics
from gateway.push_meter import PushMeter


class PushCounts(PushMeter):
    """The push's meter over the metrics of one gateway. ``clock_ms``: epoch ms."""

    def __init__(self, metrics: GatewayMetrics, clock_ms: Callable[[], int]) -> None:
        self._metrics = metrics
        self._clock_ms = clock_ms

    def opened(self, role: str) -> None:
        """See PushMeter."""
        self._metrics.desk_connections.labels(role).inc()

    def ended(self, role: str) -> None:
        """See PushMeter."""
        self._metrics.desk_connections.labels(role).dec()

    def sent(self, kind: str, event_ms: int | None) -> None:
        """See PushMeter."""
        self._metrics.desk_frames.labels(kind).inc()
        if event_ms is not None:
            self._metrics.fact_to_desk_seconds.observe(max(0, self._clock_ms() - event_ms) / 1000)

    def closed(self, code: int) -> None:
        """See PushMeter."""
        self._metrics.desk_closes.labels(str(code)).inc()

    def overflowed(self) -> None:
        """See PushMeter."""
        self._metrics.desk_queue_overflows.inc()
