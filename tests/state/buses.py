"""One bus, on Redis or on Kafka, behind the same names, for the contract suite."""

import asyncio
import time
from collections.abc import Callable, Sequence

from state.bus.protocol import BusEntry, BusLook, BusReader, BusWriter, OutgoingEvent, partition_of
from state.bus.redis import RedisBusReader, RedisBusWriter
from state.kafka.bus_offsets import BusOffsets, wall_clock_ms
from state.kafka.bus_reader import KafkaBusReader
from state.kafka.bus_writer import KafkaBusWriter
from state.kafka.connection import KafkaConnection
from state.kafka.topic_admin import KafkaTopics, WantedTopic
from state.redis.connections import Client, connect, connect_async
from tests.parts.processes import PATIENCE_S

PARTITIONS = 4
LIMIT = 200
GROUP = "zhiyin-tests"


def events(count: int, customer_id: str = "anna", first: int = 0) -> list[OutgoingEvent]:
    """``raw 0``, ``raw 1`` ... of one customer."""
    return [OutgoingEvent(customer_id, 1_000 + n, b"raw %d" % n) for n in range(first, first + count)]


def raws(entries: Sequence[BusEntry]) -> list[bytes]:
    """What the entries carry."""
    return [entry.raw for entry in entries]


class BusHouse:
    """A bus of ``PARTITIONS`` partitions that takes ``LIMIT`` events; ``lost`` counts what was deleted unread."""

    writer: BusWriter

    def __init__(self) -> None:
        self.lost = 0
        self._readers: list[BusReader] = []

    async def open(self) -> None:
        """Before the first append."""

    def reader(self, customer_id: str = "anna") -> BusReader:
        """The reader of a customer's partition."""
        return self.partition_reader(partition_of(customer_id, PARTITIONS))

    def partition_reader(self, partition: int) -> BusReader:
        """The reader of a partition; closed with the house."""
        self._readers.append(self._reader(partition))
        return self._readers[-1]

    async def close(self) -> None:
        """Close everything."""
        for reader in self._readers:
            reader.close()

    def _reader(self, partition: int) -> BusReader:
        raise NotImplementedError


class RedisBusHouse(BusHouse):
    """On Redis streams."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._client = connect_async(url)
        self.writer = RedisBusWriter(self._client, PARTITIONS, LIMIT)

    def _reader(self, partition: int) -> BusReader:
        client: Client = connect(self._url)
        return RedisBusReader(client, partition)

    async def close(self) -> None:
        await super().close()
        await self._client.aclose()


class KafkaBusHouse(BusHouse):
    """On a Kafka topic. ``options``: more of librdkafka's, for readers and writer."""

    def __init__(self, servers: str, topic: str, options: Sequence[str] = (), limit: int = LIMIT) -> None:
        super().__init__()
        self.topic = topic
        self.connection = KafkaConnection(servers.split(","), options)
        self.topics = KafkaTopics(KafkaConnection(servers.split(",")), [WantedTopic(topic, PARTITIONS, 1)])
        self.ends = BusOffsets(self.connection, topic, GROUP, 0.02, wall_clock_ms)
        self.kafka_writer = KafkaBusWriter(self.connection, self.topics, topic, PARTITIONS, limit)
        self.writer = self.kafka_writer

    async def open(self) -> None:
        await self.kafka_writer.open()

    def _reader(self, partition: int) -> BusReader:
        return KafkaBusReader(self.connection, self.ends, self.topic, partition, GROUP, self._lose)

    def _lose(self, count: int) -> None:
        self.lost += count

    async def close(self) -> None:
        await super().close()
        await self.kafka_writer.close()


async def read_to_end(reader: BusReader, after: str | None = None, count: int = 1_000) -> tuple[list[BusEntry], int]:
    """Everything after a position, as looks bring it, to the first end that is known, and that end."""
    return await read_past(reader, after, 0, count)


async def read_past(
    reader: BusReader, after: str | None, past_ms: int, count: int = 1_000
) -> tuple[list[BusEntry], int]:
    """Everything after a position, to an end as of later than ``past_ms``, and that end."""
    found: list[BusEntry] = []

    def ended(look: BusLook) -> bool:
        found.extend(look.entries)
        return (look.end_ms or 0) > past_ms

    look = await looked(reader, lambda: found[-1].position if found else after, ended, count)
    assert look.end_ms is not None
    return found, look.end_ms


async def looked(
    reader: BusReader, after: Callable[[], str | None], enough: Callable[[BusLook], bool], count: int = 1_000
) -> BusLook:
    """The first look that is enough."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        look = reader.read(after(), count)
        if enough(look):
            return look
        await asyncio.sleep(0.01)
    raise AssertionError(f"no such look in {PATIENCE_S:.0f} s")
