"""What erasing a customer needs of Kafka: has the engine taken the request, how long do topics keep, and cutting them.

In: topics and partitions. Out: offsets, settings, how many partitions were cut. Refused: nothing; ``KafkaUnavailable``
while Kafka is away.

No single message can be taken out of a topic: its retention ends it, or all before an offset goes (``cut``).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import confluent_kafka.admin
from confluent_kafka import KafkaException, TopicPartition

from state.kafka.connection import KafkaConnection

_OPERATION: Final = "erasing a customer"
_ANSWER_S: Final = 15.0
"""An operator waits for it, once: a broker that has much to do gets the time."""
_admin: Final[Any] = confluent_kafka.admin  # it has more than its stubs export


class KafkaErasure:
    """Asks one Kafka."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._client: Any = connection.admin()

    def end(self, topic: str, partition: int) -> int:
        """The offset of the next message to come. Raises KafkaUnavailable."""
        topic_partition = TopicPartition(topic, partition)
        with self._connection.answering(_OPERATION):
            answers = self._client.list_offsets(
                {topic_partition: _admin.OffsetSpec.latest()}, request_timeout=_ANSWER_S
            )
            return int(next(iter(answers.values())).result().offset)

    def taken(self, topic: str, partition: int, group: str) -> int:
        """The offset up to which the engine confirmed that it holds the partition. Raises KafkaUnavailable."""
        consumer = self._connection.consumer({}, {"group.id": group})
        try:
            with self._connection.answering(_OPERATION):
                [committed] = consumer.committed([TopicPartition(topic, partition)], timeout=_ANSWER_S)
        finally:
            consumer.close()
        return max(0, int(committed.offset))

    def kept_for_ms(self, topics: Sequence[str]) -> dict[str, int]:
        """How long each topic keeps a message, in ms; -1: for ever. Raises KafkaUnavailable."""
        resources = [_admin.ConfigResource(_admin.ResourceType.TOPIC, topic) for topic in topics]
        with self._connection.answering(_OPERATION):
            answers: Mapping[Any, Any] = self._client.describe_configs(resources, request_timeout=_ANSWER_S)
            return {resource.name: int(answer.result()["retention.ms"].value) for resource, answer in answers.items()}

    def cut(self, offsets: Mapping[tuple[str, int], int]) -> int:
        """Deletes all before an offset of each topic and partition; how many were cut. Raises KafkaUnavailable."""
        wanted = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        cut = 0
        with self._connection.answering(_OPERATION):
            for answer in self._client.delete_records(wanted, request_timeout=_ANSWER_S).values():
                try:
                    answer.result()
                    cut += 1
                except KafkaException as error:
                    if error.args[0].name() != "OFFSET_OUT_OF_RANGE":
                        raise
        return cut
