"""The bus: events in from the gateway, out to the engine, one stream a partition of customers.

In: raw event bytes with their customer and corrected time. Out: the same bytes, in order of arrival, each at
a position from which reading goes on. Here stands what every bus is to its two users, and its errors for 'not
now'; ``state.bus.redis`` and ``state.kafka.bus_reader`` are the two there are.
Refused: events for which there is no room (``BusFull``), and everything while the bus is away (``BusUnavailable``).
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from zlib import crc32

import msgspec

from state.redis.connections import StoreUnavailable


class OutgoingEvent(msgspec.Struct, frozen=True):
    """One event for the bus. ``time_ms``: corrected time, epoch ms; ``raw``: the bytes as they came."""

    customer_id: str
    time_ms: int
    raw: bytes


class BusEntry(msgspec.Struct, gc=False):
    """One event from the bus. ``position``: in its partition; ``arrived_ms``: when it came to the bus, epoch ms."""

    position: str
    customer_id: str
    time_ms: int
    arrived_ms: int
    raw: bytes


class BusLook(NamedTuple):
    """What one look at a partition brought.

    ``end_ms``: an instant (epoch ms) at which the partition held nothing beyond these entries; None: more waits, or
    nobody knows. ``waiting``: how many events wait beyond them, as far as known.
    """

    entries: list[BusEntry]
    end_ms: int | None
    waiting: int | None


class BusFill(msgspec.Struct, frozen=True):
    """How full the bus is: events that wait in each part of it, and how many one may hold."""

    lengths: tuple[int, ...]
    limit: int

    @property
    def share(self) -> float:
        """The fullest part's share of its limit, 0 to 1."""
        return max(self.lengths, default=0) / self.limit


class EventAppender(Protocol):
    """Takes events for the bus."""

    async def append(self, events: Sequence[OutgoingEvent]) -> None:
        """Keep ``events``, each customer's in the order given. Raises BusFull (none was kept), BusUnavailable."""


class BusWriter(EventAppender, Protocol):
    """The gateway's end."""

    async def fill(self) -> BusFill:
        """How full the bus is now. Raises BusUnavailable."""


class BusReader(Protocol):
    """The engine's end of one partition."""

    def read(self, after: str | None, count: int) -> BusLook:
        """At most ``count`` entries after the position ``after`` (None: from the first), at once.

        Raises BusUnavailable.
        """

    def taken(self, position: str) -> None:
        """Everything up to and with ``position`` is held safely elsewhere. Raises BusUnavailable."""

    def close(self) -> None:
        """Let go of the connection."""


class BusUnavailable(StoreUnavailable):
    """The bus can't be reached or can't take anything now; fields as in ``StoreUnavailable``."""


class BusFull(Exception):
    """There is no room for what was to be added; nothing of the call was kept.

    ``partition``: the one that is full, None when it is what waits for the broker; ``length``: events held;
    ``adding``: how many were to come; ``limit``: how many may be held.
    """

    def __init__(self, partition: int | None, length: int, adding: int, limit: int) -> None:
        self.partition = partition
        self.length = length
        self.adding = adding
        self.limit = limit
        location = "bus, not yet with the broker" if partition is None else f"bus partition {partition}"
        receiver = "broker" if partition is None else "engine"
        super().__init__(
            f"{location}: holds {length} events of at most {limit}, no room for {adding} more; "
            f"send again later; if it stays so, see that the {receiver} runs and keeps up, or raise bus_max_events"
        )


def partition_of(customer_id: str, partitions: int) -> int:
    """The partition of a customer, 0 to ``partitions`` - 1: CRC-32 of the id in UTF-8."""
    return crc32(customer_id.encode()) % partitions
