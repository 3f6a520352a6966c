"""The bus on a Kafka topic: the gateway's end.

In: events. Out: nothing, once the brokers that must have them do (``acks=all``, known from their delivery reports).
Refused: events for which there is no room before the broker (``BusFull``: none is kept), and everything while Kafka
is away (``KafkaUnavailable``), in a bounded time: some of the events may have been kept then. Sending them again
does no harm, the engine knows them by their ``messageId``.

Once an append has failed, the next ones are refused at once, until the topic has been seen to be well again.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from state.bus.protocol import BusFill, BusFull, OutgoingEvent, partition_of
from state.kafka.bus_reader import TIME_HEADER
from state.kafka.connection import ANSWER_TIMEOUT_S, KafkaConnection, KafkaUnavailable, Options
from state.kafka.topic_admin import KafkaTopics, TopicMismatch, TopicRefused

LOG: Final = logging.getLogger("zhiyin.kafka")
DELIVERY_TIMEOUT_MS: Final = 4_000
"""Within this a broker has an event, or the append has failed."""

_APPEND_TIMEOUT_S: Final = DELIVERY_TIMEOUT_MS / 1000 + ANSWER_TIMEOUT_S + 1.0
_LOOK_EVERY_S: Final = 0.5
_SERVE_S: Final = 0.05
_OPERATION: Final = "adding to the bus"
BusTrouble = KafkaUnavailable | TopicMismatch | TopicRefused


class KafkaBusWriter:
    """The gateway's end: ``open`` it, ``append``, ``close`` it. A thread of its own receives the delivery reports."""

    def __init__(
        self, connection: KafkaConnection, topics: KafkaTopics, topic: str, partitions: int, max_events: int
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._topic = topic
        self._partitions = partitions
        self._max_events = max_events
        self._producer = self._new_producer()
        self._trouble: BusTrouble | None = connection.unavailable(_OPERATION, "gone", "not reached yet")
        self._is_logged = False
        self._looked = threading.Event()
        self._is_broken = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="kafka-writer", daemon=True)

    async def open(self) -> None:
        """Begin; returns when Kafka has answered, or has not within two seconds or so: both are well."""
        self._thread.start()
        await asyncio.to_thread(self._looked.wait, 2 * ANSWER_TIMEOUT_S)

    async def append(self, events: Sequence[OutgoingEvent]) -> None:
        """Keep ``events``, each customer's in the order given. Raises BusFull (none was kept), KafkaUnavailable."""
        if not events:
            return
        self._check(len(events))
        pending = _Append(len(events), asyncio.get_running_loop())
        self._produce(events, pending)
        try:
            async with asyncio.timeout(_APPEND_TIMEOUT_S):
                error = await pending.kept
        except TimeoutError:
            raise self._failed(self._connection.unavailable(_OPERATION, "slow", "no delivery report")) from None
        if error is not None:
            self._refuse(error)

    async def fill(self) -> BusFill:
        """How many events are not with the broker yet."""
        return BusFill((len(self._producer),), self._max_events)

    async def ping(self) -> None:
        """Nothing, when events can be kept. Raises KafkaUnavailable, TopicMismatch, TopicRefused."""
        if self._trouble is None:
            await asyncio.to_thread(self._topics.ensure)
        else:
            raise self._trouble

    async def close(self) -> None:
        """Stop; what no report has come for is given up after a second."""
        self._closing.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _check(self, adding: int) -> None:
        trouble = self._trouble
        if isinstance(trouble, KafkaUnavailable):
            raise self._connection.unavailable(_OPERATION, trouble.kind, trouble.reason) from trouble
        if trouble is not None:
            raise self._connection.unavailable(_OPERATION, "incomplete", str(trouble)) from trouble
        waiting = len(self._producer)
        if waiting + adding > self._max_events:
            raise BusFull(None, waiting, adding, self._max_events)

    def _produce(self, events: Sequence[OutgoingEvent], pending: "_Append") -> None:
        produce, on_delivery = self._producer.produce, pending.on_delivery
        for count, event in enumerate(events):
            partition = partition_of(event.customer_id, self._partitions)
            headers: list[tuple[str, str | bytes | None]] = [(TIME_HEADER, b"%d" % event.time_ms)]
            try:
                produce(self._topic, event.raw, event.customer_id.encode(), partition, on_delivery, headers=headers)
            except (BufferError, KafkaException) as error:
                pending.cut(len(events) - count, error)
                return

    def _refuse(self, error: Exception) -> NoReturn:
        """Not all was kept: say why; an outage is remembered."""
        if isinstance(error, BufferError):
            raise self._connection.unavailable(_OPERATION, "busy", "no room before it") from error
        cause: KafkaError = error.args[0]
        if cause.fatal():
            self._is_broken = True
        outage = self._connection.outage(_OPERATION, cause)
        if outage is None:
            raise error
        raise self._failed(outage) from error

    def _failed(self, outage: KafkaUnavailable) -> KafkaUnavailable:
        self._log_trouble(outage)
        self._trouble = outage
        return outage

    def _serve(self) -> None:
        """The thread: receives delivery reports; while there is trouble looks whether it is over."""
        look_at_s = 0.0
        while not self._closing.is_set():
            try:
                self._producer.poll(_SERVE_S)
            except KafkaException:  # a fatal one: the producer has ended
                self._is_broken = True
            if self._is_broken:
                self._renew()
            if self._trouble is not None and time.monotonic() >= look_at_s:
                self._look()
                look_at_s = time.monotonic() + _LOOK_EVERY_S
        self._producer.flush(1.0)

    def _look(self) -> None:
        try:
            self._topics.ensure()
        except (KafkaUnavailable, TopicMismatch, TopicRefused) as error:
            self._trouble = error
            self._log_trouble(error)
        else:
            self._trouble = None
            if self._is_logged:
                LOG.info("Kafka takes events again")
            self._is_logged = False
        self._looked.set()

    def _log_trouble(self, trouble: BusTrouble) -> None:
        """Once, until it is over."""
        if not self._is_logged:
            LOG.warning("%s; trying on", trouble)
            self._is_logged = True

    def _renew(self) -> None:
        """A producer that met a fatal error takes nothing more: another one in its place."""
        LOG.warning("%s: the producer met a fatal error; taking another", _OPERATION)
        self._is_broken = False
        broken, self._producer = self._producer, self._new_producer()
        broken.purge()
        broken.flush(1.0)

    def _new_producer(self) -> Producer:
        defaults: Options = {"linger.ms": 1}
        own: Options = {
            "enable.idempotence": True,
            "acks": "all",
            "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
            "queue.buffering.max.messages": self._max_events,
        }
        return self._connection.producer(defaults, own)


class _Append:
    """The delivery reports of one append. ``kept``: None once all are good, else the first failure."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.kept: asyncio.Future[Exception | None] = loop.create_future()
        self._loop = loop
        self._left = count
        self._error: Exception | None = None
        self._lock = threading.Lock()

    def on_delivery(self, error: KafkaError | None, _: Message) -> None:
        """One report; from the writer's thread."""
        self.cut(1, None if error is None else KafkaException(error))

    def cut(self, count: int, error: Exception | None) -> None:
        """``count`` events less to wait for."""
        with self._lock:
            self._error = self._error or error
            self._left -= count
            done = self._left == 0
        if done:
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self.kept.done():
            self.kept.set_result(self._error)
