"""What the bus really held, in the order of arrival: read beside the engine while a run goes on.

In: a bus. Out: what lay in it, each partition in order. This, and not what the sender meant to send, is what
the oracle is asked about: a request that died half way may or may not have reached the bus.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol, Self

import orjson
import redis
from confluent_kafka import Consumer, Message, TopicPartition

from state import keys
from state.kafka_bus import TIME_HEADER

LOOK_MS: Final = 50


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
    """The streams of the bus. The engine lets entries go half a second after it has read them: this is quicker."""

    def __init__(self, url: str, partitions: int) -> None:
        self.seen: list[Seen] = []
        self._client = redis.Redis.from_url(url, socket_timeout=2.0)
        self._after: dict[Any, Any] = {keys.BUS.of(partition): "0-0" for partition in range(partitions)}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tap")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(redis.RedisError, OSError):
                self._look()
                continue
            time.sleep(0.02)

    def _look(self) -> None:
        found: Any = self._client.xread(dict(self._after), count=1_000, block=LOOK_MS)
        for key, entries in found or []:
            for entry_id, fields in entries:
                arrived_ms = int(entry_id.partition(b"-")[0])
                self.seen.append(Seen(fields[b"k"].decode(), int(fields[b"t"]), arrived_ms, fields[b"e"]))
            self._after[key.decode()] = entries[-1][0]


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
