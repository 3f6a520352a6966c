"""Live events from the bus on Redis Streams: one part a partition, resumed where its snapshot stands.

In: ``state.bus`` readers. Out: polls of raw events with customer, corrected time and arrival;
when a partition has been read to its end, the clock ticks. A Redis that goes away is waited for.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.delivery import Poll
from state.bus import RedisBusReader
from state.patience import patiently

FROM_THE_START = "0-0"
_SAFE_SNAPSHOTS = 2
"""A snapshot is surely on disk when the one after next is taken: an epoch closes before the next one is read."""


class RedisSource(FixedPartitionedSource[Poll, str]):
    """The partitions of the bus. ``reader(partition)`` opens one; ``stopping()`` ends the stream."""

    def __init__(
        self,
        reader: Callable[[int], RedisBusReader],
        partitions: int,
        stopping: Callable[[], bool],
        *,
        poll_events: int,
        poll_interval_ms: int,
        tick_ms: int,
    ) -> None:
        self._reader = reader
        self._partitions = partitions
        self._stopping = stopping
        self._poll_events = poll_events
        self._poll_interval = timedelta(milliseconds=poll_interval_ms)
        self._tick_ms = tick_ms

    def list_parts(self) -> list[str]:
        """Partition numbers, as Bytewax wants them: words."""
        return [str(partition) for partition in range(self._partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: str | None) -> "RedisPart":  # noqa: ARG002
        """One partition from its snapshot on."""
        partition = int(for_part)
        return RedisPart(
            self._reader(partition),
            Poll([], partition=partition, partitions=self._partitions),
            resume_state or FROM_THE_START,
            self._stopping,
            self._poll_events,
            self._poll_interval,
            self._tick_ms,
        )


class RedisPart(StatefulSourcePartition[Poll, str]):
    """One partition: reads on from its last entry id, and lets the bus forget what is safe."""

    def __init__(
        self,
        reader: RedisBusReader,
        empty: Poll,
        last_id: str,
        stopping: Callable[[], bool],
        poll_events: int,
        poll_interval: timedelta,
        tick_ms: int,
    ) -> None:
        self._reader = reader
        self._empty = empty
        self._last_id = last_id
        self._stopping = stopping
        self._poll_events = poll_events
        self._poll_interval = poll_interval
        self._tick_ms = tick_ms
        self._ticked_ms = 0
        self._awake: datetime | None = None
        self._snapshots: deque[str] = deque([last_id], maxlen=_SAFE_SNAPSHOTS + 1)

    def next_batch(self) -> Iterable[Poll]:
        """What has come since, and a tick when that was all."""
        if self._stopping():
            raise StopIteration
        now_ms = time.time_ns() // 1_000_000
        entries = patiently(lambda: self._reader.read(self._last_id, self._poll_events), self._stopping) or []
        read_to_end = len(entries) < self._poll_events
        self._awake = datetime.now(UTC) + self._poll_interval if read_to_end else None
        if entries:
            self._last_id = entries[-1].entry_id
        ticks = read_to_end and now_ms - self._ticked_ms >= self._tick_ms
        if ticks:
            self._ticked_ms = now_ms
        elif not entries:
            return ()
        return (
            Poll(
                [entry.raw for entry in entries],
                [entry.customer_id for entry in entries],
                [entry.time_ms for entry in entries],
                [entry.arrived_ms for entry in entries],
                now_ms if ticks else None,
                self._empty.partition,
                self._empty.partitions,
            ),
        )

    def next_awake(self) -> datetime | None:
        """At once while there is more; else after the poll interval."""
        return self._awake

    def snapshot(self) -> str:
        """The last entry read; what the one before the last snapshot held is now safe to forget."""
        if self._last_id != self._snapshots[-1] or self._snapshots[0] != self._last_id:
            self._snapshots.append(self._last_id)
            safe = self._snapshots[0]
            if len(self._snapshots) > _SAFE_SNAPSHOTS and safe != FROM_THE_START:
                patiently(lambda: self._reader.taken(safe), self._stopping)
        return self._last_id
