"""What stands on a partition of a Kafka topic: the ids of its documents, from an offset to its end.

In: a topic, a partition, where to begin. Out: the ids as digests of 16 bytes, and the offset that comes next.
Refused: everything while Kafka is away (``KafkaUnavailable``); asked again it reads on from where it was.

Only the newest ``MOST_FOUND`` ids are kept, some 100 bytes each. What is there without an ``id`` is passed over.
"""

import logging
from typing import Final, NoReturn

import msgspec
from confluent_kafka import KafkaError, Message, TopicPartition

from operators.records.facts import stable_id
from state.kafka.connection import ANSWER_TIMEOUT_S, KafkaConnection, Options

LOG: Final = logging.getLogger("zhiyin.kafka")
MOST_FOUND: Final = 2_000_000
MESSAGES_A_LOOK: Final = 1_000
_OWN: Final[Options] = {
    "group.id": "zhiyin-read-back",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
    "fetch.wait.max.ms": 50,
}
SILENCE: Final = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001 - how the library names its own codes


class _Identified(msgspec.Struct):
    id: str


_DECODER: Final = msgspec.json.Decoder(_Identified)


def digest_of(document_id: str) -> bytes:
    """16 bytes that stand for an id."""
    return bytes.fromhex(stable_id(document_id))


class ReadBack:
    """One reading of one partition, up to its end, or before ``beyond``.

    ``found``: digests, oldest first, each with an offset at or before its document.
    """

    def __init__(
        self, connection: KafkaConnection, topic: str, partition: int, first: int, beyond: int | None = None
    ) -> None:
        self.found: dict[bytes, int] = {}
        self.end = first
        self._connection = connection
        self._topic_partition = TopicPartition(topic, partition, first)
        self._operation = f"reading back {topic}, partition {partition}"
        self._consumer = connection.consumer({}, _OWN)
        self._wanted_beyond = beyond
        self._beyond: int | None = None
        self._left_out = 0

    def run(self) -> "ReadBack":
        """Reads to the end as of the first call, and lets go. Raises KafkaUnavailable: call it again."""
        if self._beyond is None:
            self._beyond = self._begin()
        while self.end < self._beyond:
            self._look(self._beyond)
        # Unassigned and dropped, not closed: there is no group to leave, and closing waits for brokers.
        self._consumer.unassign()
        if self._left_out:
            LOG.warning(
                "%s: found %d documents more than the newest %d, which are all that is remembered; "
                "if those are told again, they stand there twice",
                *(self._operation, self._left_out, MOST_FOUND),
            )
        return self

    def _begin(self) -> int:
        """Where the partition ends; reading begins at the first offset wanted that is still there."""
        with self._connection.answering(self._operation):
            first, beyond = self._consumer.get_watermark_offsets(
                self._topic_partition, timeout=ANSWER_TIMEOUT_S, cached=False
            )
        if self.end > beyond:
            LOG.warning(
                "%s: found its end at offset %d, expected %d or more: the topic was made anew, or has lost its last "
                "documents; reading all of it",
                *(self._operation, beyond, self.end),
            )
            self.end = first
        self.end = self._topic_partition.offset = max(self.end, first)
        if self.end < beyond:
            self._consumer.assign([self._topic_partition])
        return beyond if self._wanted_beyond is None else min(beyond, self._wanted_beyond)

    def _look(self, beyond: int) -> None:
        messages = self._consumer.consume(min(MESSAGES_A_LOOK, beyond - self.end), ANSWER_TIMEOUT_S)
        if not messages:
            self._refuse(SILENCE)
        looked_from = self.end
        for message in messages:
            self._take(message, looked_from)

    def _take(self, message: Message, looked_from: int) -> None:
        error, offset = message.error(), message.offset()
        if error is not None and error.name() != "_PARTITION_EOF":
            self._refuse(error)
        elif offset is not None and error is not None:
            self.end = max(self.end, offset)
        elif offset is not None:
            self.end = offset + 1
            self._remember(message.value() or b"", looked_from)

    def _remember(self, document: bytes, looked_from: int) -> None:
        try:
            digest = digest_of(_DECODER.decode(document).id)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return
        self.found.setdefault(digest, looked_from)
        if len(self.found) > MOST_FOUND:
            del self.found[next(iter(self.found))]
            self._left_out += 1

    def _refuse(self, error: KafkaError) -> NoReturn:
        outage = self._connection.outage(self._operation, error)
        raise outage or self._connection.unavailable(self._operation, "busy", error.str())
