"""Documents published on a Kafka topic, each once, whatever dies in between.

In: documents with their ids and keys, in order, for one partition; and after a restart the ``position`` that the
last snapshot kept. Out: messages on the partition, in that order; ``flush`` returns when the brokers have them all.
Refused: everything while Kafka is away (``KafkaUnavailable``); each call may then be made again. Nothing is given up.

What a process that died had published stands on the topic beyond its last position. So a new one first reads on from
there, and passes over what it finds, once, when it is published again. The same is done when a delivery fails: what is
there already is not sent again, the rest is, in order. What somebody else wrote in between is seen by the offsets of
our own.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message

from operators.support.snapshot_codec import SnapshotCodec
from state.kafka.connection import ANSWER_TIMEOUT_S, KafkaUnavailable
from state.kafka.producers import SERVE_S, TopicProducers
from state.kafka.tail_scan import SILENCE, ReadBack, digest_of

LOG: Final = logging.getLogger("zhiyin.kafka")
FORMAT: Final = "zhiyin-place-on-topic-1"
MOST_IN_A_POSITION: Final = 1_000
REMEMBERED_S: Final = 86_400.0
"""What was found and not published again within a day of running will not be."""

_BEFORE: Final = -1
"""Instead of an offset: before where reading back began."""

_TRIES: Final = 2
"""A producer that broke is replaced at once; what fails then again must wait."""

_TOO_LARGE: Final = "MSG_SIZE_TOO_LARGE"


class TopicDocument(NamedTuple):
    """One message. ``value``: a JSON object whose ``id`` is ``id``; ``key``: the customer."""

    id: str
    key: str
    value: bytes


class TopicPosition(msgspec.Struct, array_like=True):
    """How far a partition is published. ``next``: where to read back from; ``found``: ids from before it, awaited."""

    format: str
    next: int
    found: tuple[bytes, ...] = ()


_POSITION: Final = SnapshotCodec(TopicPosition, FORMAT)


class IdempotentPartition:
    """Partition ``number`` of a ``topic``; all calls from one thread. ``kept``: the last ``position``, or None."""

    def __init__(
        self, producers: TopicProducers, topic: str, number: int, content_type: str, kept: bytes | None
    ) -> None:
        self._connection = producers.connection
        self._producer = producers.mine()
        self.topic = topic
        self.number = number
        self._headers: list[tuple[str, str | bytes | None]] = [("content-type", content_type.encode())]
        self._operation = f"telling on {topic}"
        position = TopicPosition(FORMAT, 0) if kept is None else _POSITION.decode(kept)
        self._next = position.next
        self._awaited = dict.fromkeys(position.found, _BEFORE)
        self._awaited_since_s = time.monotonic()
        self._reading: ReadBack | None = self._read_back()
        self._published: set[bytes] = set()
        self._published_before: set[bytes] = set()
        self._waiting: deque[TopicDocument] = deque()
        self._in_flight: dict[int, TopicDocument] = {}
        self._sent = 0
        self._life = self._producer.life
        self._failure: KafkaError | None = None
        # Brokers take any first number of a new producer: until its first document is there, no other is sent.
        self._is_proven = False
        self._foreign_ranges: list[tuple[int, int]] = []
        self._is_offset_known = True

    @property
    def awaited(self) -> int:
        """How many documents are there already and have not been published again yet."""
        return len(self._awaited)

    def recover(self) -> None:
        """Reads what is there already. Raises KafkaUnavailable."""
        if self._reading is not None:
            reading = self._reading.run()
            self._next = reading.end
            self._take_over(reading.found)
            self._reading = None

    def enqueue(self, documents: Iterable[TopicDocument]) -> None:
        """These are to be published, in this order, but for those that are there already. Only remembers them."""
        for document in documents:
            digest = digest_of(document.id)
            if self._awaited.pop(digest, None) is None and not self._is_published(digest):
                self._waiting.append(document)
            self._published.add(digest)

    def send(self) -> None:
        """Hands over what is to be published; it may still be in flight. Raises KafkaUnavailable."""
        self._mend()
        while self._waiting and self._failure is None:
            if self._in_flight and not self._is_proven:
                self._await_reports()
                continue
            try:
                self._hand_over(self._waiting[0])
            except BufferError:
                if not self._producer.poll_reports(ANSWER_TIMEOUT_S):
                    raise self._outage(SILENCE) from None
            except KafkaException as error:
                self._failure = error.args[0]
        self._producer.poll_reports(0)

    def flush(self) -> None:
        """Returns when everything is published. Raises KafkaUnavailable."""
        for _ in range(_TRIES):
            self.send()
            self._await_reports()
            if self._failure is None:
                return self._read_foreign()
        raise self._outage(self._failure)

    def position(self) -> bytes:
        """How far all is published, after ``flush``; for ``kept`` after a restart."""
        if time.monotonic() - self._awaited_since_s > REMEMBERED_S:
            self._awaited.clear()
        self._published_before, self._published = self._published, set()
        if len(self._awaited) <= MOST_IN_A_POSITION:
            return msgspec.msgpack.encode(TopicPosition(FORMAT, self._next, tuple(self._awaited)))
        oldest = list(islice(self._awaited.items(), MOST_IN_A_POSITION + 1))
        before = tuple(digest for digest, offset in oldest if offset == _BEFORE)
        return msgspec.msgpack.encode(TopicPosition(FORMAT, oldest[len(before)][1], before))

    def _read_back(self) -> ReadBack:
        return ReadBack(self._connection, self.topic, self.number, self._next)

    def _hand_over(self, document: TopicDocument) -> None:
        self._producer.producer.produce(
            self.topic,
            document.value,
            document.key.encode(),
            self.number,
            on_delivery=partial(self._on_delivery, self._sent),
            headers=self._headers,
        )
        self._in_flight[self._sent] = self._waiting.popleft()
        self._sent += 1

    def _await_reports(self) -> None:
        """Until every document has its report, or one is bad. Raises KafkaUnavailable."""
        give_up_s = time.monotonic() + ANSWER_TIMEOUT_S
        while self._in_flight and self._failure is None:
            if self._producer.poll_reports(SERVE_S):
                give_up_s = time.monotonic() + ANSWER_TIMEOUT_S
            elif time.monotonic() > give_up_s:
                raise self._outage(SILENCE)

    def _on_delivery(self, number: int, error: KafkaError | None, message: Message) -> None:
        """The delivery report of one document."""
        if error is not None:
            self._failure = self._failure or error
            return
        self._in_flight.pop(number, None)
        self._is_proven = True
        offset = message.offset()
        if offset is None or offset < 0:
            # It was there already when librdkafka sent it again; where, nobody says.
            self._is_offset_known = False
            return
        if self._is_offset_known and offset > self._next:
            self._foreign_ranges.append((self._next, offset))
        self._next, self._is_offset_known = offset + 1, True

    def _mend(self) -> None:
        """After a failure: what did get through is found by reading back, the rest waits once more."""
        self.recover()
        if self._failure is None and self._life == self._producer.life:
            return
        if self._life == self._producer.life:
            self._producer.renew(one_by_one=self._failure is not None and self._failure.name() == _TOO_LARGE)
        reading = self._read_back().run()
        unsent = [*self._in_flight.values(), *self._waiting]
        self._waiting = deque(
            document for document in unsent if reading.found.pop(digest_of(document.id), None) is None
        )
        self._in_flight.clear()
        self._next, self._is_offset_known = reading.end, True
        self._take_over(reading.found)
        self._failure, self._life, self._is_proven = None, self._producer.life, False

    def _take_over(self, offsets: dict[bytes, int]) -> None:
        """Ids that stand there and that we have not published since we began."""
        for digest, offset in offsets.items():
            if not self._is_published(digest):
                self._awaited.setdefault(digest, offset)

    def _is_published(self, digest: bytes) -> bool:
        """Since the position before the last: what happened twice at one instant has one id."""
        return digest in self._published or digest in self._published_before

    def _read_foreign(self) -> None:
        """Reads what somebody else wrote between our own documents: perhaps the last documents of one that died."""
        while self._foreign_ranges:
            first, beyond = self._foreign_ranges[-1]
            reading = ReadBack(self._connection, self.topic, self.number, first, beyond).run()
            self._foreign_ranges.pop()
            LOG.warning(
                "%s, partition %d: found %d documents of somebody else at offsets %d to %d; "
                "if another engine runs with these settings, stop one of them",
                *(self._operation, self.number, len(reading.found), first, beyond - 1),
            )
            self._take_over(reading.found)

    def _outage(self, error: KafkaError | None) -> KafkaUnavailable:
        error = error or SILENCE
        if error.name() == _TOO_LARGE:
            largest = max((len(document.value) for document in (*self._in_flight.values(), *self._waiting)), default=0)
            reason = f"{error.str()}, {largest} bytes"
            advice = f"raise max.message.bytes of topic {self.topic}"
            return KafkaUnavailable(self._operation, self._connection.address, "refusing", reason, advice)
        outage = self._connection.outage(self._operation, error)
        return outage or self._connection.unavailable(self._operation, "busy", error.str())
