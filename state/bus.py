"""The bus on Redis Streams: events in from the gateway, out to the engine, one stream a partition of customers.

In: raw event bytes with their customer and corrected time. Out: the same bytes, in order of arrival, under
entry ids whose part before the ``-`` is the time of arrival (epoch ms).
Refused: events for which a partition has no room (``BusFull``: none of the call is taken), and everything
while Redis is away (``BusUnavailable``). Nothing is let go before the engine says it holds it (``taken``).
"""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec

from state import keys
from state.connections import AsyncClient, Client, StoreUnavailable, answering
from state.scripts import APPEND, TAKEN, Call, run, run_async

BEGINNING = "0-0"


class OutgoingEvent(msgspec.Struct, frozen=True):
    """One event for the bus. ``time_ms``: corrected time, epoch ms; ``raw``: the bytes as they came."""

    customer_id: str
    time_ms: int
    raw: bytes


class BusEntry(msgspec.Struct, gc=False):
    """One event from the bus."""

    entry_id: str
    customer_id: str
    time_ms: int
    raw: bytes


class BusFill(msgspec.Struct, frozen=True):
    """How full the bus is: entries in each partition, and how many one may hold."""

    lengths: tuple[int, ...]
    limit: int

    @property
    def share(self) -> float:
        """The fullest partition's share of its limit, 0 to 1."""
        return max(self.lengths, default=0) / self.limit


class BusUnavailable(StoreUnavailable):
    """The bus can't be reached or can't take anything now; fields as in ``StoreUnavailable``."""


class BusFull(Exception):
    """A partition has no room for what was to be added; nothing of the call was taken.

    ``length``: entries it holds; ``adding``: how many were to come; ``limit``: how many it may hold.
    """

    def __init__(self, partition: int, length: int, adding: int, limit: int) -> None:
        self.partition = partition
        self.length = length
        self.adding = adding
        self.limit = limit
        super().__init__(
            f"bus partition {partition}: holds {length} events of at most {limit}, no room for {adding} more; "
            "send again later; if it stays so, see that the engine runs and keeps up, or raise bus_max_events"
        )


def partition_of(customer_id: str, partitions: int) -> int:
    """The partition of a customer, 0 to ``partitions`` - 1: CRC-32 of the id in UTF-8."""
    return crc32(customer_id.encode()) % partitions


class RedisBusWriter:
    """The gateway's end of the bus."""

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

    def __init__(self, client: Client, partition: int) -> None:
        self._client = client
        self._key = keys.BUS.of(partition)
        self._taken_key = keys.BUS_TAKEN.of(partition)
        self._name = f"bus partition {partition}"

    def read(self, after: str, count: int) -> list[BusEntry]:
        """At most ``count`` entries after the entry id ``after`` (``BEGINNING`` for all), at once."""
        with answering(f"reading {self._name}", self._client, BusUnavailable):
            found: Any = self._client.xrange(self._key, f"({after}", "+", count)
        return [_entry(entry_id.decode(), fields) for entry_id, fields in found]

    def taken(self, entry_id: str) -> None:
        """The engine holds everything up to and with ``entry_id`` safely: remember it and let that go.

        An id before the one remembered changes nothing.
        """
        milliseconds, _, sequence = entry_id.partition("-")
        call = Call(TAKEN, (self._key, self._taken_key), (milliseconds, sequence))
        with answering(f"marking {self._name} as taken", self._client, BusUnavailable):
            run(self._client, (call,))

    def taken_up_to(self) -> str:
        """The entry id up to which the engine said it holds the partition; ``BEGINNING``: it never did."""
        with answering(f"reading how far {self._name} is taken", self._client, BusUnavailable):
            found: Any = self._client.get(self._taken_key)
        return BEGINNING if found is None else str(found, "ascii")

    def length(self) -> int:
        """How many entries wait in the partition, not taken yet."""
        with answering(f"measuring {self._name}", self._client, BusUnavailable):
            return self._client.xlen(self._key)


def _entry(entry_id: str, fields: dict[bytes, bytes]) -> BusEntry:
    """An entry of the bus; what somebody else put there comes out too, for the engine to refuse."""
    time_text = fields.get(b"t", b"")
    return BusEntry(
        entry_id=entry_id,
        customer_id=fields.get(b"k", b"").decode("utf-8", "replace"),
        time_ms=int(time_text) if time_text.isdigit() else int(entry_id.partition("-")[0]),
        raw=fields.get(b"e", b""),
    )
