"""Looking at the shards while they run: their counts, how many attempts are open, how far behind they are."""

import time
from collections.abc import Callable
from typing import Final

from flows.metrics.engine import EngineMetrics
from operators.tracking.attempt import TrackerCounts
from operators.tracking.tracker import ShardTracker

_OUTCOMES: Final = ("duplicates", "late", "disordered", "ignored")


class ShardWatch:
    """Receives each shard after each batch; read by Prometheus when it scrapes."""

    def __init__(self, metrics: EngineMetrics, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._shards: dict[int, ShardTracker] = {}
        self._now_ms = now_ms
        self._events = metrics.events
        metrics.open_attempts.set_function(self._open_attempts)
        metrics.watermark_lag.set_function(self._lag_s)

    def __call__(self, shard: ShardTracker) -> None:
        """Counts what the shard has read since the last time."""
        self._shards[id(shard)] = shard
        counts, shard.counts = shard.counts, TrackerCounts()
        if counts.events:
            self._events.labels("taken").inc(counts.events - counts.duplicates - counts.ignored)
            for outcome in _OUTCOMES:
                self._events.labels(outcome.removesuffix("s")).inc(getattr(counts, outcome))

    def _open_attempts(self) -> float:
        return float(sum(shard.open_attempts for shard in list(self._shards.values())))

    def _lag_s(self) -> float:
        busy = [shard.watermark_ms for shard in list(self._shards.values()) if shard.open_attempts]
        return max(0.0, (self._now_ms() - min(busy)) / 1000) if busy else 0.0
