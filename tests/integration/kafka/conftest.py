"""Topics on the real broker, and a mock of it that may be frozen and killed."""

from collections.abc import Iterator

import pytest

from state.kafka.connection import KafkaConnection
from tests.integration.kafka.topic_house import TopicHouse
from tests.kafka.broker import KafkaBroker
from tests.kafka.mock import MockKafka
from tests.kafka.servers import ANSWER_TIMEOUT_S

TOPIC = "events"


@pytest.fixture
def topics(kafka_broker: KafkaBroker) -> TopicHouse:
    """An engine's topics, named anew."""
    return TopicHouse(kafka_broker.servers)


@pytest.fixture
def mock() -> Iterator[MockKafka]:
    """A mock of this test's own, with the topic of events."""
    with MockKafka() as mock:
        KafkaConnection([mock.servers]).admin().list_topics(TOPIC, timeout=ANSWER_TIMEOUT_S)
        yield mock
