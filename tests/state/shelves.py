"""Dead letters on a shelf, in memory or in Redis, behind the same names, for the contract suite."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from operators.records.dead_letters import DeadLetter, NotALetter, ReturningEvent, dead_letter_document, read_letter
from operators.records.events import Rejection
from state.bus.protocol import partition_of
from state.bus.redis import RedisBusWriter
from state.dead_letters.kafka import KafkaDeadLetterStore
from state.dead_letters.redis import RedisDeadLetterStore, RedisRedriver
from state.dead_letters.redrive import BusRedriver
from state.dead_letters.redrive_log import RedriveLog
from state.dead_letters.store import DeadLetterStore, ListedLetter, Redriver, TimeSpan
from state.kafka.connection import KafkaConnection
from state.kafka.page_reader import KafkaPages
from state.redis import keys
from state.redis.connections import connect, connect_async
from tests.state.houses import NOON_MS
from tests.state.stream_doubles import MemoryDeadLetterStore

PARTITIONS = 2
LIMIT = 20


def letter(number: int = 0, customer: str = "anna", kind: str = "unknown_step") -> DeadLetter:
    """One that differs from those of other numbers."""
    refusal = Rejection(kind, "$.properties.step", "'idd'", "one of apply, confirm")
    return DeadLetter(b'{"number":%d}' % number, (refusal,), NOON_MS + number, customer, NOON_MS - number)


def document(of: DeadLetter) -> bytes:
    """As it is written."""
    return msgspec.json.encode(dead_letter_document(of, "1"))


class Shelves:
    """A shelf, and the way back to the bus."""

    shelf: DeadLetterStore
    redriver: Redriver

    def put(self, *documents: bytes) -> list[str]:
        """Letters on the shelf, each written in a millisecond of its own; their ids."""
        raise NotImplementedError

    def drop(self, letter_id: str) -> None:
        """Loses the oldest letters up to and with this one."""
        raise NotImplementedError

    def bus(self) -> list[ReturningEvent]:
        """What stands on the bus, by partition."""
        raise NotImplementedError

    async def close(self) -> None:
        """Let go of what is held."""

    def all(self, *, newest_first: bool = False) -> list[ListedLetter]:
        """Every letter."""
        return list(self.shelf.letters(TimeSpan(), newest_first=newest_first))

    async def redrive(self, letters: Sequence[ListedLetter], now_ms: int = NOON_MS) -> int:
        """Events back to the bus."""
        return await self.redriver.redrive(letters, now_ms)


class MemoryShelves(Shelves):
    """The twin."""

    def __init__(self) -> None:
        self.shelf = self.redriver = self._memory = MemoryDeadLetterStore()
        self._ids: list[str] = []

    def put(self, *documents: bytes) -> list[str]:
        ids = [self._memory.put(each, time.time_ns() // 1_000_000 + number) for number, each in enumerate(documents)]
        self._ids += ids
        return ids

    def drop(self, letter_id: str) -> None:
        while self._ids and letter_id in self._ids:
            self._memory.drop(self._ids.pop(0))

    def bus(self) -> list[ReturningEvent]:
        return sorted(self._memory.bus, key=lambda event: partition_of(event.customer_id, PARTITIONS))


class RedisShelves(Shelves):
    """The stream, redriven in one script."""

    def __init__(self, url: str) -> None:
        self.client = connect(url)
        self.shelf = RedisDeadLetterStore(self.client)
        self.redriver = RedisRedriver(self.client, PARTITIONS, LIMIT)
        for partition in range(PARTITIONS):
            self._make_empty(keys.BUS.of(partition))

    def put(self, *documents: bytes) -> list[str]:
        return [self._put(each) for each in documents]

    def drop(self, letter_id: str) -> None:
        milliseconds, _, sequence = letter_id.partition("-")
        self.client.xtrim(keys.DEAD_LETTERS.of(), minid=f"{milliseconds}-{int(sequence) + 1}", approximate=False)

    def bus(self) -> list[ReturningEvent]:
        entries: list[Any] = []
        for number in range(PARTITIONS):
            found: Any = self.client.xrange(keys.BUS.of(number))
            entries += found
        return [ReturningEvent(fields[b"k"].decode(), int(fields[b"t"]), fields[b"e"]) for _, fields in entries]

    async def close(self) -> None:
        self.client.close()

    def _put(self, each: bytes) -> str:
        entry_id: Any = self.client.xadd(keys.DEAD_LETTERS.of(), {"e": each})
        time.sleep(0.002)
        return str(entry_id.decode())

    def _make_empty(self, stream: str) -> None:
        self.client.xadd(stream, {"k": "", "t": "0", "e": b""})
        self.client.xtrim(stream, maxlen=0, approximate=False)


class ByBusShelves(RedisShelves):
    """The stream, redriven in two steps, as to a bus that is elsewhere."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._async_client = connect_async(url)
        writer = RedisBusWriter(self._async_client, PARTITIONS, LIMIT)
        self.redriver = BusRedriver(writer, RedriveLog(self.client))

    async def close(self) -> None:
        await super().close()
        await self._async_client.aclose()


class KafkaShelves(ByBusShelves):
    """A topic of four partitions, by customer; marks and bus in Redis."""

    def __init__(self, url: str, servers: str, topic: str) -> None:
        super().__init__(url)
        self._options = {"bootstrap.servers": servers}
        self._topic = topic
        self.pages = KafkaPages(KafkaConnection([servers]), topic, "reading dead letters")
        self.shelf = KafkaDeadLetterStore(self.pages, RedriveLog(self.client))
        self._producer = Producer({**self._options, "log_level": 0})

    def put(self, *documents: bytes) -> list[str]:
        ids: dict[int, str] = {}
        now_ms = time.time_ns() // 1_000_000
        for number, each in enumerate(documents):
            self._producer.produce(
                self._topic,
                each,
                partition=partition_of(_customer_of(each), 4),
                timestamp=now_ms + number,
                on_delivery=partial(self._delivered, ids, number),
            )
        assert self._producer.flush(20) == 0
        time.sleep(len(documents) / 1000)
        return [ids[number] for number in range(len(documents))]

    def drop(self, letter_id: str) -> None:
        partition, _, offset = letter_id.partition(":")
        upto = TopicPartition(self._topic, int(partition), int(offset) + 1)
        client = AdminClient({**self._options, "log_level": 0})
        client.delete_records([upto])[upto].result(120)

    @property
    def is_mock(self) -> bool:
        """Whether librdkafka's mock serves it."""
        return str(self._producer.list_topics(timeout=120).cluster_id).startswith("mockCluster")

    async def close(self) -> None:
        self.pages.close()
        await super().close()

    @staticmethod
    def _delivered(ids: dict[int, str], number: int, error: KafkaError | None, message: Message) -> None:
        assert error is None
        ids[number] = f"{message.partition()}:{message.offset()}"


def _customer_of(written: bytes) -> str:
    try:
        return read_letter(written).payload.customer_id or ""
    except NotALetter:
        return ""
