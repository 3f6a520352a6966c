"""Live events from the bus, whichever it is: one part a partition, resumed where its snapshot stands.

In: ``state.bus.protocol`` readers. Out: polls of raw events with customer, corrected time and arrival. The clock ticks
with an instant at which the partition is known to have held no more; while nobody knows, it stands still.
A bus that goes away is waited for; once it is back, the clock stands still for as long again, so that senders can
bring what they kept: nobody was silent because he could not be heard.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.steps.messages import Poll
from state.bus.protocol import BusLook, BusReader
from state.redis.connections import StoreUnavailable
from state.redis.retry import retry_while_unavailable

LOG: Final = logging.getLogger("zhiyin.engine")
Result = TypeVar("Result")
_SAFE_SNAPSHOTS: Final = 2
"""A snapshot is surely on disk when the one after next is taken: an epoch closes before the next one is read."""

_QUIET_TIMES: Final = 5
"""A partition where nothing comes is looked at less and less often, down to a fifth."""

_LIVELY_MS: Final = 250
"""So long after the last entry it is looked at as often as ever: events come in bursts, and the next is not far."""

_FRESH_MS: Final = 1_000
"""An end that was seen this short a time ago, and two ticks, counts as 'all is read'."""

_OUTAGE_MS: Final = 1_000
"""A partition of which nothing was known for so long was away, or we were."""

_LONGEST_STILL_MS: Final = 30_000

_BACKLOG_S: Final = 10.0
"""A partition further behind than this has more than the burst of a moment."""


class PollPace(NamedTuple):
    """At most ``poll_events`` a look; looks ``poll_interval`` apart when nothing waits; ticks every ``tick_ms``."""

    poll_events: int
    poll_interval: timedelta
    tick_ms: int


class Lag(NamedTuple):
    """How far a partition is behind. ``events``: that wait, None while nobody knows."""

    seconds: float
    events: int | None


class Backlog:
    """How far the partitions that are read here are behind, as last looked at."""

    def __init__(self) -> None:
        self._behind_s: dict[int, float] = {}

    def note(self, partition: int, lag: Lag) -> None:
        """A look at a partition."""
        self._behind_s[partition] = lag.seconds

    def is_long(self) -> bool:
        """Whether any of them is far behind."""
        return any(behind_s > _BACKLOG_S for behind_s in self._behind_s.values())


class BusSource(FixedPartitionedSource[Poll, str]):
    """The partitions of the bus. ``reader(partition)`` opens one; ``is_stopping()`` ends the stream."""

    def __init__(
        self,
        reader: Callable[[int], BusReader],
        partitions: int,
        is_stopping: Callable[[], bool],
        lag: Callable[[int, Lag], None],
        *,
        poll_events: int,
        poll_interval_ms: int,
        tick_ms: int,
    ) -> None:
        self._reader = reader
        self._partitions = partitions
        self._is_stopping = is_stopping
        self._lag = lag
        self._pace = PollPace(poll_events, timedelta(milliseconds=poll_interval_ms), tick_ms)

    def list_parts(self) -> list[str]:
        """Partition numbers, as Bytewax wants them: text."""
        return [str(partition) for partition in range(self._partitions)]

    def build_part(self, step_id: str, for_part: str, resume_state: str | None) -> "BusPart":
        """One partition from its snapshot on."""
        partition = int(for_part)
        return BusPart(
            self._reader(partition),
            Poll([], partition=partition, partitions=self._partitions),
            resume_state or "",
            self._is_stopping,
            lambda lag: self._lag(partition, lag),
            self._pace,
        )


class BusPart(StatefulSourcePartition[Poll, str]):
    """One partition: reads on from its last position ("": from the first), and lets the bus forget what is safe."""

    def __init__(
        self,
        reader: BusReader,
        empty: Poll,
        position: str,
        is_stopping: Callable[[], bool],
        lag: Callable[[Lag], None],
        pace: PollPace,
    ) -> None:
        self._reader = reader
        self._empty = empty
        self._position = position
        self._is_stopping = is_stopping
        self._lag = lag
        self._pace = pace
        self._began_ms = _now_ms()
        self._known_ms = 0
        self._ticked_ms = 0
        self._last_known_ms = 0
        self._still_until_ms = 0
        self._pause = pace.poll_interval
        self._lively_until_ms = 0
        self._awake: datetime | None = None
        self._snapshots: deque[str] = deque([position], maxlen=_SAFE_SNAPSHOTS + 1)

    def next_batch(self) -> Iterable[Poll]:
        """What has come since, and a tick when that was known to be all."""
        if self._is_stopping():
            raise StopIteration
        look = self._look()
        if look.entries:
            self._position = look.entries[-1].position
        self._rest(look)
        self._stand_still(look)
        self._lag(self._behind(look))
        tick_ms = self._tick(look.end_ms)
        if not look.entries and tick_ms is None:
            return ()
        poll = Poll(
            [entry.raw for entry in look.entries],
            [entry.customer_id for entry in look.entries],
            [entry.time_ms for entry in look.entries],
            [entry.arrived_ms for entry in look.entries],
            tick_ms,
            self._empty.partition,
            self._empty.partitions,
        )
        return (poll,)

    def next_awake(self) -> datetime | None:
        """At once while there is more; else after the poll interval."""
        return self._awake

    def snapshot(self) -> str:
        """The position read to; what the snapshot before the last held is now safe to forget."""
        if self._position != self._snapshots[-1] or self._snapshots[0] != self._position:
            self._snapshots.append(self._position)
            safe = self._snapshots[0]
            if len(self._snapshots) > _SAFE_SNAPSHOTS and safe:
                self._let_go(safe)
        return self._position

    def close(self) -> None:
        """Lets go of the reader."""
        self._reader.close()

    def _look(self) -> BusLook:
        after, count = self._position or None, self._pace.poll_events
        try:
            return retry_while_unavailable(lambda: self._reader.read(after, count), self._is_stopping, time.sleep, LOG)
        except StoreUnavailable:
            raise StopIteration from None

    def _rest(self, look: BusLook) -> None:
        """When to look again: at once while entries come and there may be more, else later and later."""
        pace = self._pace
        if look.entries:
            self._pause, self._lively_until_ms = pace.poll_interval, _now_ms() + _LIVELY_MS
        elif _now_ms() >= self._lively_until_ms:
            self._pause = min(self._pause * 2, pace.poll_interval * _QUIET_TIMES)
        more = look.entries and look.end_ms is None
        self._awake = None if more else datetime.now(UTC) + self._pause

    def _behind(self, look: BusLook) -> Lag:
        """Behind since the newest instant known: an end, or the arrival of what was read last."""
        newest_ms = max(look.end_ms or 0, look.entries[-1].arrived_ms if look.entries else 0)
        self._known_ms = max(self._known_ms, newest_ms)
        now_ms = _now_ms()
        if look.end_ms is not None and now_ms - look.end_ms < _FRESH_MS + 2 * self._pace.tick_ms:
            return Lag(0.0, look.waiting)
        return Lag(max(0, now_ms - (self._known_ms or self._began_ms)) / 1000, look.waiting)

    def _stand_still(self, look: BusLook) -> None:
        """After an outage the clock waits for those who kept their events meanwhile."""
        known_ms = look.end_ms if look.end_ms is not None else _now_ms() if look.entries else self._last_known_ms
        away_ms = known_ms - (self._last_known_ms or known_ms)
        if away_ms > _OUTAGE_MS:
            self._still_until_ms = known_ms + min(away_ms, _LONGEST_STILL_MS)
        self._last_known_ms = max(self._last_known_ms, known_ms)

    def _tick(self, end_ms: int | None) -> int | None:
        """The instant to tick with, every so often."""
        if end_ms is None or end_ms < max(self._still_until_ms, self._ticked_ms + self._pace.tick_ms):
            return None
        self._ticked_ms = end_ms
        return end_ms

    def _let_go(self, position: str) -> None:
        with suppress(StoreUnavailable):
            self._reader.taken(position)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
