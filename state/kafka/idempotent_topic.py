"""Documents told on a Kafka topic, each once, whatever dies in between.

In: documents with their ids and keys, in order, for one partition; and after a restart the ``place`` that the last
snapshot kept. Out: messages on the partition, in that order; ``settle`` returns when the brokers have them all.
Refused: everything while Kafka is away (``KafkaUnavailable``); each call may then be made again. Nothing is given up.

What a process that died had told stands on the topic beyond its last place. So a new one first reads on from there,
and passes over what it finds, once, when it is told again. The same is done when a delivery fails: what is there
already is not sent again, the rest is, in order. What somebody else wrote in between is seen by the offsets of our own.
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
MOST_IN_A_PLACE: Final = 1_000
REMEMBERED_S: Final = 86_400.0
"""What was found and not told again within a day of running will not be."""

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
    """How far a partition is told. ``next``: the offset to read back from; ``found``: ids from before it, awaited."""

    format: str
    next: int
    found: tuple[bytes, ...] = ()


_PLACE: Final = SnapshotCodec(TopicPosition, FORMAT)


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
        place = TopicPosition(FORMAT, 0) if kept is None else _PLACE.decode(kept)
        self._next = place.next
        self._found = dict.fromkeys(place.found, _BEFORE)
        self._found_at_s = time.monotonic()
        self._reading: ReadBack | None = self._read_back()
        self._told: set[bytes] = set()
        self._told_before: set[bytes] = set()
        self._waiting: deque[TopicDocument] = deque()
        self._under_way: dict[int, TopicDocument] = {}
        self._sent = 0
        self._life = self._producer.life
        self._failure: KafkaError | None = None
        # Brokers take any first number of a new producer: until its first document is there, no other is sent.
        self._proven = False
        self._others: list[tuple[int, int]] = []
        self._sure = True

    @property
    def awaited(self) -> int:
        """How many documents are there already and have not been told again yet."""
        return len(self._found)

    def recover(self) -> None:
        """Reads what is there already. Raises KafkaUnavailable."""
        if self._reading is not None:
            reading = self._reading.run()
            self._next = reading.end
            self._take_over(reading.found)
            self._reading = None

    def enqueue(self, documents: Iterable[TopicDocument]) -> None:
        """These are to be told, in this order, but for those that are there already. Only remembers them."""
        for document in documents:
            digest = digest_of(document.id)
            if self._found.pop(digest, None) is None and not self._is_told(digest):
                self._waiting.append(document)
            self._told.add(digest)

    def send(self) -> None:
        """Hands over what is to be told; it may still be under way. Raises KafkaUnavailable."""
        self._mend()
        while self._waiting and self._failure is None:
            if self._under_way and not self._proven:
                self._hear_reports()
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
        """Returns when everything is told. Raises KafkaUnavailable."""
        for _ in range(_TRIES):
            self.send()
            self._hear_reports()
            if self._failure is None:
                return self._look_at_others()
        raise self._outage(self._failure)

    def position(self) -> bytes:
        """How far all is told, after ``flush``; for ``kept`` after a restart."""
        if time.monotonic() - self._found_at_s > REMEMBERED_S:
            self._found.clear()
        self._told_before, self._told = self._told, set()
        if len(self._found) <= MOST_IN_A_PLACE:
            return msgspec.msgpack.encode(TopicPosition(FORMAT, self._next, tuple(self._found)))
        oldest = list(islice(self._found.items(), MOST_IN_A_PLACE + 1))
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
            on_delivery=partial(self._reported, self._sent),
            headers=self._headers,
        )
        self._under_way[self._sent] = self._waiting.popleft()
        self._sent += 1

    def _hear_reports(self) -> None:
        """Until every document has its report, or one is bad. Raises KafkaUnavailable."""
        give_up_s = time.monotonic() + ANSWER_TIMEOUT_S
        while self._under_way and self._failure is None:
            if self._producer.poll_reports(SERVE_S):
                give_up_s = time.monotonic() + ANSWER_TIMEOUT_S
            elif time.monotonic() > give_up_s:
                raise self._outage(SILENCE)

    def _reported(self, number: int, error: KafkaError | None, message: Message) -> None:
        """The delivery report of one document."""
        if error is not None:
            self._failure = self._failure or error
            return
        self._under_way.pop(number, None)
        self._proven = True
        offset = message.offset()
        if offset is None or offset < 0:
            # It was there already when librdkafka sent it again; where, nobody says.
            self._sure = False
            return
        if self._sure and offset > self._next:
            self._others.append((self._next, offset))
        self._next, self._sure = offset + 1, True

    def _mend(self) -> None:
        """After a failure: what did get through is found by reading back, the rest waits once more."""
        self.recover()
        if self._failure is None and self._life == self._producer.life:
            return
        if self._life == self._producer.life:
            self._producer.renew(one_by_one=self._failure is not None and self._failure.name() == _TOO_LARGE)
        reading = self._read_back().run()
        lost = [*self._under_way.values(), *self._waiting]
        self._waiting = deque(document for document in lost if reading.found.pop(digest_of(document.id), None) is None)
        self._under_way.clear()
        self._next, self._sure = reading.end, True
        self._take_over(reading.found)
        self._failure, self._life, self._proven = None, self._producer.life, False

    def _take_over(self, found: dict[bytes, int]) -> None:
        """Ids that stand there and that we have not told since we began."""
        for digest, offset in found.items():
            if not self._is_told(digest):
                self._found.setdefault(digest, offset)

    def _is_told(self, digest: bytes) -> bool:
        """Since the place before the last: what happened twice at one instant has one id."""
        return digest in self._told or digest in self._told_before

    def _look_at_others(self) -> None:
        """Reads what somebody else wrote between our own documents: perhaps the last words of one that died."""
        while self._others:
            first, beyond = self._others[-1]
            reading = ReadBack(self._connection, self.topic, self.number, first, beyond).run()
            self._others.pop()
            LOG.warning(
                "%s, partition %d: found %d documents of somebody else at offsets %d to %d; "
                "if another engine runs with these settings, stop one of them",
                *(self._operation, self.number, len(reading.found), first, beyond - 1),
            )
            self._take_over(reading.found)

    def _outage(self, error: KafkaError | None) -> KafkaUnavailable:
        error = error or SILENCE
        if error.name() == _TOO_LARGE:
            largest = max((len(each.value) for each in (*self._under_way.values(), *self._waiting)), default=0)
            reason = f"{error.str()}, {largest} bytes"
            advice = f"raise max.message.bytes of topic {self.topic}"
            return KafkaUnavailable(self._operation, self._connection.address, "refusing", reason, advice)
        known = self._connection.outage(self._operation, error)
        return known or self._connection.unavailable(self._operation, "busy", error.str())
