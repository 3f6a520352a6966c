"""Counts what the push does, and what desks and bots report.

In: what the push tells its meter, reports on their way. Out: the gateway's metrics.
Refused: nothing; a report that is refused passes on as it is and is not counted.
"""

from collections.abc import Callable

from gateway.auth.tokens import Token
from gateway.push.meter import PushMeter
from gateway.runtime.metrics import GatewayMetrics
from gateway.services.hint_feedback import Feedback, Opinion
from state.bus.protocol import EventAppender
from state.hints.repository import HintRepository, StateChange


class PrometheusMeter(PushMeter):
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

    def withheld(self) -> None:
        """See PushMeter."""
        self._metrics.out_of_reach.labels("push").inc()

    def task_failed(self, task: str) -> None:
        """See PushMeter."""
        self._metrics.background_failed(task)


class CountedFeedback(Feedback):
    """Feedback whose reports are counted by state and by whether they changed anything."""

    def __init__(
        self, repository: HintRepository, bus: EventAppender, now_ms: Callable[[], int], metrics: GatewayMetrics
    ) -> None:
        super().__init__(repository, bus, now_ms)
        self._metrics = metrics

    async def report(self, hint_id: str, state: str, opinion: Opinion, by: Token) -> StateChange:
        """See Feedback."""
        change = await super().report(hint_id, state, opinion, by)
        self._metrics.feedback.labels(state, "yes" if change.changed else "no").inc()
        return change
