"""Live events from the bus on Redis Streams: one part a partition, resumed where its snapshot stands.

In: ``state.bus`` readers. Out: polls of raw events with customer, corrected time and arrival;
when a partition has been read to its end, the clock ticks. A Redis that goes away is waited for.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.delivery import Poll
from state.bus import BEGINNING, BusEntry, RedisBusReader
from state.connections import StoreUnavailable
from state.patience import patiently

LOG: Final = logging.getLogger("zhiyin.engine")
Result = TypeVar("Result")
_SAFE_SNAPSHOTS: Final = 2
"""A snapshot is surely on disk when the one after next is taken: an epoch closes before the next one is read."""


_QUIET_TIMES: Final = 5
"""A partition where nothing comes is looked at less and less often, down to a fifth."""


class Pace(NamedTuple):
    """At most ``poll_events`` a look; looks ``poll_interval`` apart when all is read; ticks every ``tick_ms``."""

    poll_events: int
    poll_interval: timedelta
    tick_ms: int


class RedisSource(FixedPartitionedSource[Poll, str]):
    """The partitions of the bus. ``reader(partition)`` opens one; ``stopping()`` ends the stream."""

    def __init__(
        self,
        reader: Callable[[int], RedisBusReader],
        partitions: int,
        stopping: Callable[[], bool],
        lag: Callable[[int, float], None],
        *,
        poll_events: int,
        poll_interval_ms: int,
        tick_ms: int,
    ) -> None:
        self._reader = reader
        self._partitions = partitions
        self._stopping = stopping
        self._lag = lag
        self._pace = Pace(poll_events, timedelta(milliseconds=poll_interval_ms), tick_ms)

    def list_parts(self) -> list[str]:
        """Partition numbers, as Bytewax wants them: words."""
        return [str(partition) for partition in range(self._partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: str | None) -> "RedisPart":
        """One partition from its snapshot on."""
        partition = int(for_part)
        return RedisPart(
            self._reader(partition),
            Poll([], partition=partition, partitions=self._partitions),
            resume_state or BEGINNING,
            self._stopping,
            lambda lag_s: self._lag(partition, lag_s),
            self._pace,
        )


class RedisPart(StatefulSourcePartition[Poll, str]):
    """One partition: reads on from its last entry id, and lets the bus forget what is safe."""

    def __init__(
        self,
        reader: RedisBusReader,
        empty: Poll,
        last_id: str,
        stopping: Callable[[], bool],
        lag: Callable[[float], None],
        pace: Pace,
    ) -> None:
        self._reader = reader
        self._empty = empty
        self._last_id = last_id
        self._stopping = stopping
        self._lag = lag
        self._pace = pace
        self._ticked_ms = 0
        self._pause = pace.poll_interval
        self._awake: datetime | None = None
        self._snapshots: deque[str] = deque([last_id], maxlen=_SAFE_SNAPSHOTS + 1)

    def next_batch(self) -> Iterable[Poll]:
        """What has come since, and a tick when that was all."""
        if self._stopping():
            raise StopIteration
        now_ms = time.time_ns() // 1_000_000
        entries = self._read()
        read_to_end = len(entries) < self._pace.poll_events
        self._pause = (
            min(self._pause * 2, self._pace.poll_interval * _QUIET_TIMES) if not entries else self._pace.poll_interval
        )
        self._awake = datetime.now(UTC) + self._pause if read_to_end else None
        arrived_ms = [int(entry.entry_id.partition("-")[0]) for entry in entries]
        if entries:
            self._last_id = entries[-1].entry_id
        self._lag(0.0 if read_to_end else max(0.0, (now_ms - arrived_ms[-1]) / 1000))
        ticks = read_to_end and now_ms - self._ticked_ms >= self._pace.tick_ms
        if not (entries or ticks):
            return ()
        if ticks:
            self._ticked_ms = now_ms
        poll = Poll(
            [entry.raw for entry in entries],
            [entry.customer_id for entry in entries],
            [entry.time_ms for entry in entries],
            arrived_ms,
            now_ms if ticks else None,
            self._empty.partition,
            self._empty.partitions,
        )
        return (poll,)

    def _read(self) -> list[BusEntry]:
        try:
            return self._patiently(lambda: self._reader.read(self._last_id, self._pace.poll_events))
        except StoreUnavailable:
            raise StopIteration from None

    def _patiently(self, operation: Callable[[], Result]) -> Result:
        """Raises StoreUnavailable only when stopping."""
        return patiently(operation, self._stopping, time.sleep, LOG)

    def next_awake(self) -> datetime | None:
        """At once while there is more; else after the poll interval."""
        return self._awake

    def snapshot(self) -> str:
        """The last entry read; what the one before the last snapshot held is now safe to forget."""
        if self._last_id != self._snapshots[-1] or self._snapshots[0] != self._last_id:
            self._snapshots.append(self._last_id)
            safe = self._snapshots[0]
            if len(self._snapshots) > _SAFE_SNAPSHOTS and safe != BEGINNING:
                self._let_go(safe)
        return self._last_id

    def _let_go(self, entry_id: str) -> None:
        with suppress(StoreUnavailable):
            self._reader.taken(entry_id)
