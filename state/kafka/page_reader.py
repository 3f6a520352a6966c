"""Pieces of a Kafka topic, read by offset, for those who look rather than follow.

In: a partition and offsets. Out: its messages between them, from either end a page at a time.
Refused: everything while Kafka is away (``KafkaUnavailable``).

Nothing is committed and no group is joined: a look leaves no trace at the brokers.
"""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from state.kafka.connection import KafkaConnection, Options, kind_of

PATIENCE_S: Final = 5.0
"""So long nothing may come."""

MESSAGES_A_PAGE: Final = 500
_WAIT_S: Final = 0.1
_DEFAULTS: Final[Options] = {"fetch.wait.max.ms": 50, "queued.min.messages": MESSAGES_A_PAGE}
_OWN: Final[Options] = {
    "group.id": "zhiyin-look",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "earliest",
}


class TopicMessage(NamedTuple):
    """One message. ``written_ms``: its own timestamp, epoch ms."""

    partition: int
    offset: int
    written_ms: int
    value: bytes


class PartitionEnds(NamedTuple):
    """A partition's first offset that is kept, and the one that comes next."""

    first: int
    beyond: int


class KafkaPages:
    """One topic. ``operation``: what its errors say was tried."""

    def __init__(self, connection: KafkaConnection, topic: str, operation: str) -> None:
        self._connection = connection
        self._topic = topic
        self._operation = operation
        self._consumer = connection.consumer(_DEFAULTS, _OWN)

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()

    def ends(self) -> dict[int, PartitionEnds]:
        """The ends of every partition now; empty: there is no such topic. Raises KafkaUnavailable."""
        with self._connection.answering(self._operation):
            # All topics: a client that asks for one by its name may have the broker make it.
            topics = self._consumer.list_topics(timeout=PATIENCE_S).topics
            partitions = topics[self._topic].partitions if self._topic in topics else ()
            return {partition: self._ends(partition) for partition in sorted(partitions)}

    def forwards(self, partition: int, ends: PartitionEnds) -> Iterator[list[TopicMessage]]:
        """The messages between two ends, a page at a time, each from its first. Raises KafkaUnavailable."""
        for first in range(ends.first, ends.beyond, MESSAGES_A_PAGE):
            yield self.page(partition, first, min(first + MESSAGES_A_PAGE, ends.beyond))

    def backwards(self, partition: int, ends: PartitionEnds) -> Iterator[list[TopicMessage]]:
        """The messages between two ends, the last page first, each from its last. Raises KafkaUnavailable."""
        for beyond in range(ends.beyond, ends.first, -MESSAGES_A_PAGE):
            yield self.page(partition, max(beyond - MESSAGES_A_PAGE, ends.first), beyond)[::-1]

    def page(self, partition: int, first: int, beyond: int) -> list[TopicMessage]:
        """The messages from offset ``first`` on and before ``beyond``, which is not beyond the partition's end.

        Raises KafkaUnavailable.
        """
        messages: list[TopicMessage] = []
        with self._connection.answering(self._operation):
            self._consumer.assign([TopicPartition(self._topic, partition, first)])
            give_up_s = time.monotonic() + PATIENCE_S
            while time.monotonic() < give_up_s:
                for message in self._consumer.consume(beyond - first, _WAIT_S):
                    offset, is_end = _offset_of(message)
                    if message.partition() != partition or offset is None:
                        continue
                    if offset < beyond and not is_end:
                        messages.append(TopicMessage(partition, offset, message.timestamp()[1], message.value() or b""))
                    if offset >= beyond - 1 or is_end:
                        return messages
                    give_up_s = time.monotonic() + PATIENCE_S
            raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT, f"nothing within {PATIENCE_S:g} s"))

    def _ends(self, partition: int) -> PartitionEnds:
        """The ends of one partition; a leader that has only just been chosen is asked again."""
        topic_partition = TopicPartition(self._topic, partition)
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return PartitionEnds(
                    *self._consumer.get_watermark_offsets(topic_partition, timeout=PATIENCE_S, cached=False)
                )
            except KafkaException as error:
                if kind_of(error.args[0]) != "leaderless" or time.monotonic() > give_up_s:
                    raise
                time.sleep(_WAIT_S)


def _offset_of(message: Message) -> tuple[int | None, bool]:
    """The offset of a message, or of its partition's end, and whether it is that. Raises KafkaException."""
    error = message.error()
    if error is not None and error.name() != "_PARTITION_EOF":
        raise KafkaException(error)
    return message.offset(), error is not None
