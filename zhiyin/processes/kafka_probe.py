"""What the Kafka that was named says: is it there, and has it what is needed.

In: settings with ``bus: kafka``. Out: nothing, or what a doctor wants to know; nothing is made or changed.
Refused: one that does not answer now, and at the start topics of another size (``KafkaUnfit``, without options).
"""

from typing import Final

import msgspec

from config import ConfigurationError, Settings
from state.bus_factory import kafka_connection, kafka_topics
from state.kafka.connection import KafkaUnavailable, client_version
from state.kafka.topic_admin import KafkaTopics, TopicMismatch
from zhiyin.console.errors import KafkaUnfit

ANSWER_TIMEOUT_S: Final = 5.0
"""A first connection, with TLS and from afar, takes its time; who asks once waits for it."""


class KafkaReport(msgspec.Struct, frozen=True):
    """``topics``: the partitions of each that is needed, None when it is not there yet; ``client``: librdkafka's."""

    brokers: int
    topics: dict[str, int | None]
    client: str

    @property
    def missing(self) -> bool:
        """Whether a topic is to be made."""
        return None in self.topics.values()


def kafka_report(settings: Settings) -> KafkaReport:
    """What the Kafka of these settings has. Raises KafkaUnfit."""
    wanted = kafka_topics(settings)
    try:
        survey = KafkaTopics(kafka_connection(settings), wanted, ANSWER_TIMEOUT_S).survey()
    except (KafkaUnavailable, ConfigurationError) as error:
        raise KafkaUnfit(str(error)) from error
    topics = {topic.name: survey.topics.get(topic.name) for topic in wanted}
    return KafkaReport(survey.brokers, topics, client_version())


def require_kafka(settings: Settings) -> None:
    """Does nothing when the Kafka of these settings answers and its topics fit. Raises KafkaUnfit."""
    report = kafka_report(settings)
    for topic in kafka_topics(settings):
        partitions = report.topics[topic.name]
        if partitions is not None and partitions != topic.partitions:
            raise KafkaUnfit(str(TopicMismatch(topic.name, partitions, topic.partitions, topic.setting)))
