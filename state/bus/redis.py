"""The bus on Redis Streams: one stream a partition.

In and out as in ``state.bus.protocol``: a position is an entry id, whose part before the ``-`` is the time of arrival.
Refused: events for which a partition has no room (``BusFull``: none of the call is taken), and everything
while Redis is away (``BusUnavailable``). Nothing is let go before the engine confirms that it holds it (``taken``).
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from state.bus.protocol import BusEntry, BusFill, BusFull, BusLook, BusUnavailable, OutgoingEvent, partition_of
from state.redis import keys
from state.redis.connections import AsyncClient, Client, answering
from state.redis.scripts import APPEND, TAKEN, Call, run, run_async

BEGINNING: Final = "0-0"


def wall_clock_ms() -> int:
    """Now, in epoch ms."""
    return time.time_ns() // 1_000_000


class RedisBusWriter:
    """The gateway's end: all or nothing."""

    def __init__(self, client: AsyncClient, partitions: int, max_events: int) -> None:
        self._client = client
        self._partitions = partitions
        self._max_events = max_events

    async def append(self, events: Sequence[OutgoingEvent]) -> None:
        """Add all of ``events``, or none; each customer's in the order given. Raises BusFull, BusUnavailable."""
        if not events:
            return
        shares: dict[int, list[OutgoingEvent]] = {}
        for event in events:
            shares.setdefault(partition_of(event.customer_id, self._partitions), []).append(event)
        with answering("adding to the bus", self._client, BusUnavailable):
            full, length = await run_async(self._client, self._append_call(shares))
        if full:
            partition, share = list(shares.items())[full - 1]
            raise BusFull(partition, length, len(share), self._max_events)

    async def fill(self) -> BusFill:
        """How full each partition is now. Raises BusUnavailable."""
        with answering("measuring the bus", self._client, BusUnavailable):
            async with self._client.pipeline(transaction=False) as pipeline:
                for partition in range(self._partitions):
                    pipeline.xlen(keys.BUS.of(partition))
                return BusFill(tuple(await pipeline.execute()), self._max_events)

    def _append_call(self, shares: dict[int, list[OutgoingEvent]]) -> Call:
        arguments: list[str | bytes | int] = [self._max_events, *map(len, shares.values())]
        for share in shares.values():
            for event in share:
                arguments += (event.customer_id, event.time_ms, event.raw)
        return Call(APPEND, tuple(keys.BUS.of(partition) for partition in shares), tuple(arguments))


class RedisBusReader:
    """The engine's end of one partition. Raises BusUnavailable."""

    def __init__(self, client: Client, partition: int, clock_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._client = client
        self._clock_ms = clock_ms
        self._key = keys.BUS.of(partition)
        self._taken_key = keys.BUS_TAKEN.of(partition)
        self._name = f"bus partition {partition}"
        self._untaken: deque[tuple[str, int]] = deque()

    def read(self, after: str | None, count: int) -> BusLook:
        """At most ``count`` entries after the entry id ``after`` (None for all), at once."""
        read_at_ms = self._clock_ms()
        with answering(f"reading {self._name}", self._client, BusUnavailable):
            rows: Any = self._client.xrange(self._key, f"({after or BEGINNING}", "+", count)
        entries = [_entry(entry_id.decode(), fields) for entry_id, fields in rows]
        if entries:
            self._untaken.append((entries[-1].position, len(entries)))
        if len(entries) < count:
            return BusLook(entries, read_at_ms, 0)
        return BusLook(entries, None, max(0, self.length() - sum(size for _, size in self._untaken)))

    def taken(self, position: str) -> None:
        """The engine holds everything up to and with ``position`` safely: remember it and let that go.

        A position before the one remembered changes nothing.
        """
        milliseconds, _, sequence = position.partition("-")
        call = Call(TAKEN, (self._key, self._taken_key), (milliseconds, sequence))
        with answering(f"marking {self._name} as taken", self._client, BusUnavailable):
            run(self._client, (call,))
        while self._untaken and _order(self._untaken[0][0]) <= _order(position):
            self._untaken.popleft()

    def taken_up_to(self) -> str:
        """The entry id up to which the engine confirmed that it holds the partition; ``BEGINNING``: it never did."""
        with answering(f"reading how far {self._name} is taken", self._client, BusUnavailable):
            entry_id: Any = self._client.get(self._taken_key)
        return BEGINNING if entry_id is None else str(entry_id, "ascii")

    def last(self) -> str | None:
        """The entry id of the last entry; None: there is none."""
        with answering(f"reading {self._name}", self._client, BusUnavailable):
            rows: Any = self._client.xrevrange(self._key, count=1)
        return rows[0][0].decode() if rows else None

    def length(self) -> int:
        """How many entries the partition holds: waiting, or read and not taken yet."""
        with answering(f"measuring {self._name}", self._client, BusUnavailable):
            return self._client.xlen(self._key)

    def close(self) -> None:
        """Close the client."""
        self._client.close()


def _entry(entry_id: str, fields: dict[bytes, bytes]) -> BusEntry:
    """An entry of the bus; what somebody else put there comes out too, for the engine to refuse."""
    time_text = fields.get(b"t", b"")
    arrived_ms = int(entry_id.partition("-")[0])
    return BusEntry(
        position=entry_id,
        customer_id=fields.get(b"k", b"").decode("utf-8", "replace"),
        time_ms=int(time_text) if time_text.isdigit() else arrived_ms,
        arrived_ms=arrived_ms,
        raw=fields.get(b"e", b""),
    )


def is_before(entry_id: str, other: str) -> bool:
    """Whether one entry comes before another."""
    return _order(entry_id) < _order(other)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
