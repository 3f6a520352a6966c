"""Kafka for tests: the real broker where the machine can run one, else librdkafka's mock of one.

``kafka_servers``: the address of whichever serves, one for the whole run; topics stay, so each test takes new ones.
``new_topic``: makes such a topic. ``kafka_broker``: the real broker, that a test may ``stop()``, ``kill()`` and
``start()`` again; it runs again for the next test. ``ZHIYIN_TEST_KAFKA`` names a broker to use, or is ``mock``.
"""

import os
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from typing import Final

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.kafka.broker import KafkaBroker
from tests.kafka.jars import JarsNotFetched, broker_jars
from tests.parts.machine import KAFKA_MOCK, PARTS
from tests.parts.missing import fail_if_required, missing

NewTopicNamed = Callable[..., str]
SERVED_BY: Final = pytest.StashKey[str]()
"""Who served ``kafka_servers`` in this run, for the line at its end."""

WORKER_SERVED_BY: Final = "kafka_served_by"
"""The same, where a process of several says it to the one that prints."""

MOCK_PARTITIONS: Final = 4
ANSWER_TIMEOUT_S: Final = 120.0


class KafkaMock:
    """librdkafka's own cluster of one broker, in memory; it lives as long as this object.

    It makes a topic of four partitions when a client asks for it by name; it knows no other way to make one.
    """

    def __init__(self) -> None:
        self._holder = Producer({"test.mock.num.brokers": 1, "log_level": 0})
        [broker] = self._holder.list_topics(timeout=ANSWER_TIMEOUT_S).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"


@pytest.fixture(scope="session")
def shared_kafka_broker(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[KafkaBroker | str]:
    """The broker of this run, or why there is none."""
    reason = PARTS["kafka"]()
    if reason is not None:
        yield reason
        return
    try:
        jars = broker_jars()
    except JarsNotFetched as error:
        yield str(error)
        return
    with KafkaBroker(jars, tmp_path_factory.mktemp("kafka")) as broker:
        _served_by(pytestconfig, "an Apache Kafka broker of their own")
        yield broker


def _served_by(config: pytest.Config, who: str) -> None:
    config.stash[SERVED_BY] = who
    if hasattr(config, "workeroutput"):
        config.workeroutput[WORKER_SERVED_BY] = who


@pytest.fixture
def kafka_broker(shared_kafka_broker: KafkaBroker | str, pytestconfig: pytest.Config) -> Generator[KafkaBroker]:
    """The real broker, running; its topics are those of the whole run."""
    if isinstance(shared_kafka_broker, str):
        missing(pytestconfig, "kafka", shared_kafka_broker)
    yield shared_kafka_broker
    if not shared_kafka_broker.runs:
        shared_kafka_broker.stop()
        shared_kafka_broker.start()


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of Kafka for the whole run: ZHIYIN_TEST_KAFKA, else our own broker, else the mock."""
    given = os.environ.get("ZHIYIN_TEST_KAFKA", "")
    if given not in {"", KAFKA_MOCK}:
        _served_by(pytestconfig, "the broker that ZHIYIN_TEST_KAFKA names")
        yield given
        return
    broker: KafkaBroker | str = request.getfixturevalue("shared_kafka_broker")
    if isinstance(broker, KafkaBroker):
        yield broker.servers
        return
    fail_if_required(pytestconfig, "kafka", broker)
    mock = KafkaMock()
    _served_by(pytestconfig, f"librdkafka's mock cluster ({broker})")
    yield mock.servers


@pytest.fixture
def new_topic(kafka_servers: str, pytestconfig: pytest.Config) -> NewTopicNamed:
    """Make a topic nobody has used: ``new_topic(partitions=4, name="events")`` gives its whole name."""

    def make(partitions: int = MOCK_PARTITIONS, name: str = "events") -> str:
        topic = f"{name}-{secrets.token_hex(6)}"
        client = AdminClient({"bootstrap.servers": kafka_servers, "log_level": 0})
        if not _is_mock(client):
            client.create_topics([NewTopic(topic, partitions, 1)])[topic].result(ANSWER_TIMEOUT_S)
            _wait_for_leaders(client, topic, partitions)
        elif partitions != MOCK_PARTITIONS:
            missing(pytestconfig, "kafka", f"the mock's topics have {MOCK_PARTITIONS} partitions")
        else:
            client.list_topics(topic, timeout=ANSWER_TIMEOUT_S)
        return topic

    return make


def _is_mock(client: AdminClient) -> bool:
    return str(client.list_topics(timeout=ANSWER_TIMEOUT_S).cluster_id).startswith("mockCluster")


def _wait_for_leaders(client: AdminClient, topic: str, partitions: int) -> None:
    """Wait until the broker itself has heard from its controller of every partition of a new topic."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while time.monotonic() < deadline:
        found = client.list_topics(timeout=ANSWER_TIMEOUT_S).topics.get(topic)
        if found is not None and sum(each.leader >= 0 for each in found.partitions.values()) == partitions:
            return
        time.sleep(0.02)
    pytest.fail(f"{topic} has no leader for each of its {partitions} partitions after {ANSWER_TIMEOUT_S} s")
