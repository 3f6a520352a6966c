"""What the bus really held, in the order of arrival.

In: a bus. Out: what lay in it, each partition in order. This, and not what the sender meant to send, is what
the oracle is asked about: a request that died half way may or may not have reached the bus.
"""

import re
import threading
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, Final, NamedTuple, Protocol, Self

import orjson
from confluent_kafka import Consumer, Message, TopicPartition

from state.kafka.bus_reader import TIME_HEADER
from state.redis import keys
from tests.parts.redis_server import RedisServer

LOOK_MS: Final = 50
_LINE_END: Final = b"\r\n"
_ENTRY_ID: Final = re.compile(rb"\d+-\d+")


class Seen(NamedTuple):
    """One entry of the bus. ``at_ms``: when it happened; ``arrived_ms``: when it came."""

    customer: str
    at_ms: int
    arrived_ms: int
    raw: bytes

    @property
    def event(self) -> dict[str, Any]:
        """As the oracle reads it."""
        sent = orjson.loads(self.raw)
        return {
            "customer": self.customer,
            "id": sent["messageId"],
            "name": sent["event"],
            "at_ms": self.at_ms,
            **{name: sent["properties"].get(name) for name in ("journey", "transaction_id", "step")},
        }


class Tap(Protocol):
    """Reads along inside its ``with``."""

    @property
    def seen(self) -> Sequence[Seen]:
        """Everything so far; one customer's in order."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class RedisTap:
    """The streams of the bus, out of the file to which Redis appends all it does before it answers.

    Reading along would miss entries on a busy machine: the engine lets them go soon after it has read them.
    """

    def __init__(self, server: RedisServer, partitions: int) -> None:
        self._server = server
        self._streams = frozenset(keys.BUS.of(partition).encode() for partition in range(partitions))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    @property
    def seen(self) -> Sequence[Seen]:
        """Everything so far; one customer's in order."""
        commands = commands_in(self._server.appended())
        return [_added(each) for each in commands if each[0].upper() == b"XADD" and each[1] in self._streams]


def commands_in(appended: bytes) -> Iterator[list[bytes]]:
    """The commands of an append-only file (RESP arrays of bulk strings); one that is not whole ends it."""
    file = BytesIO(appended)
    while (head := file.readline()).startswith(b"*") and head.endswith(b"\n"):
        words = [_word(file) for _ in range(int(head[1:]))]
        if None in words:
            return
        yield [word for word in words if word is not None]


def _word(file: BytesIO) -> bytes | None:
    head = file.readline()
    if not (head.startswith(b"$") and head.endswith(b"\n")):
        return None
    size = int(head[1:])
    word = file.read(size + len(_LINE_END))
    return word[:size] if len(word) == size + len(_LINE_END) else None


def _added(command: Sequence[bytes]) -> Seen:
    """An XADD as Redis writes it down: key, perhaps how long the stream may be, the id, then fields and values."""
    place = next(index for index, word in enumerate(command[2:], 2) if _ENTRY_ID.fullmatch(word))
    fields = dict(zip(command[place + 1 :: 2], command[place + 2 :: 2], strict=True))
    arrived_ms = int(command[place].partition(b"-")[0])
    return Seen(fields[b"k"].decode(), int(fields[b"t"]), arrived_ms, fields[b"e"])


class KafkaTap:
    """The topic of the bus, which forgets nothing."""

    def __init__(self, servers: str, topic: str, partitions: int) -> None:
        self.seen: list[Seen] = []
        self._servers = servers
        self._places = [TopicPartition(topic, partition, 0) for partition in range(partitions)]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tap")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        consumer = Consumer({"bootstrap.servers": self._servers, "group.id": "tap", "log_level": 0})
        consumer.assign(self._places)
        while not self._stopping.is_set():
            self.seen += [_seen(each) for each in consumer.consume(1_000, LOOK_MS / 1000) if each.error() is None]
        consumer.close()


def _seen(message: Message) -> Seen:
    headers: Any = dict(message.headers() or ())
    _, arrived_ms = message.timestamp()
    return Seen((message.key() or b"").decode(), int(headers[TIME_HEADER]), arrived_ms, message.value() or b"")
