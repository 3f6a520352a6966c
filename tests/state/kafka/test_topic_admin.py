"""The topics that are needed are made, are as they should be, or are refused in words."""

import secrets
from contextlib import suppress

import pytest

from config import Settings
from state.bus_factory import events_topic, kafka_topics
from state.kafka.connection import KafkaConnection, KafkaUnavailable
from state.kafka.topic_admin import KafkaTopics, Survey, TopicMismatch, TopicRefused, WantedTopic
from tests.kafka.broker import KafkaBroker
from tests.kafka.servers import NewTopicNamed
from tests.parts.processes import until
from tests.parts.redis_server import free_port


def fresh(name: str = "made") -> str:
    return f"{name}-{secrets.token_hex(6)}"


def topics(servers: str, *wanted: WantedTopic) -> KafkaTopics:
    return KafkaTopics(KafkaConnection([servers]), wanted)


@pytest.mark.requires("kafka")
def test_what_is_missing_is_made_and_what_is_there_is_left(kafka_broker: KafkaBroker) -> None:
    first, second = WantedTopic(fresh(), 3, 1), WantedTopic(fresh(), 5, 1)
    assert ensured(topics(kafka_broker.servers, first)) == {first.name: 3}
    both = topics(kafka_broker.servers, first, second)
    assert both.survey() == Survey(1, {first.name: 3})
    for _ in range(2):
        assert ensured(both) == {first.name: 3, second.name: 5}
    assert both.survey() == Survey(1, {first.name: 3, second.name: 5})


@pytest.mark.requires("kafka")
def test_several_that_make_the_same_topic_at_once_are_all_well(kafka_broker: KafkaBroker) -> None:
    wanted = WantedTopic(fresh(), 4, 1)
    several = [topics(kafka_broker.servers, wanted) for _ in range(3)]
    for each in several:
        assert each.survey().topics == {}
    assert [ensured(each) for each in several] == [{wanted.name: 4}] * 3


def ensured(each: KafkaTopics) -> dict[str, int]:
    """As the engine does it: a broker that has not yet heard of a new topic is asked again."""
    found: list[dict[str, int]] = []

    def asked() -> bool:
        with suppress(KafkaUnavailable):
            found.append(each.ensure())
        return found != []

    until(asked)
    return found[0]


@pytest.mark.requires("kafka")
def test_a_topic_that_cannot_be_made(kafka_broker: KafkaBroker) -> None:
    with pytest.raises(TopicRefused) as caught:
        topics(kafka_broker.servers, WantedTopic("no such: name", 4, 1)).ensure()
    assert str(caught.value).startswith("Kafka topic no such: name: found it missing and not to be made (")
    assert "Topic name is invalid" in caught.value.reason
    assert str(caught.value).endswith(
        ", expected it there; make it yourself, with bus_partitions partitions, or see the broker's log"
    )


@pytest.mark.requires("kafka")
def test_copies_for_which_there_are_too_few_brokers_are_waited_for(kafka_broker: KafkaBroker) -> None:
    wanted = WantedTopic(fresh(), 4, 3)
    with pytest.raises(KafkaUnavailable) as caught:
        topics(kafka_broker.servers, wanted).ensure()
    assert caught.value.kind == "short_of_brokers"
    told = str(caught.value)
    assert told.startswith(f"making topic {wanted.name}: Kafka at {kafka_broker.servers} is short of brokers (")
    assert "replication factor of 3" in told
    assert told.endswith("start the other brokers, or set kafka_replication to what there is")


def test_a_topic_of_another_size(kafka_servers: str, new_topic: NewTopicNamed) -> None:
    name = new_topic(4)
    with pytest.raises(TopicMismatch) as caught:
        topics(kafka_servers, WantedTopic(name, 8, 1, setting="kafka_facts_topic")).ensure()
    assert str(caught.value) == (
        f"Kafka topic {name}: found 4 partitions, expected 8; set bus_partitions to 4 (and move the engine's snapshots "
        "away), or name another topic with kafka_facts_topic"
    )
    assert topics(kafka_servers, WantedTopic(name, 8, 1, exact=False)).ensure() == {name: 4}


def test_kafka_away() -> None:
    port = free_port()
    asked = topics(f"127.0.0.1:{port}", WantedTopic("any", 4, 1))
    for ask in (asked.ensure, asked.survey):
        with pytest.raises(KafkaUnavailable) as caught:
            ask()
        assert str(caught.value).startswith(f"asking for topics: Kafka at 127.0.0.1:{port} is ")


def test_the_topics_of_the_settings() -> None:
    settings = Settings(bus_partitions=8, kafka_replication=3, kafka_topic="all.events")
    wanted = kafka_topics(settings)
    assert wanted[0] == events_topic(settings) == WantedTopic("all.events", 8, 3)
    assert [(each.name, each.partitions, each.replication, each.setting) for each in wanted[1:]] == [
        ("zhiyin.facts", 8, 3, "kafka_facts_topic"),
        ("zhiyin.hints", 8, 3, "kafka_hints_topic"),
        ("zhiyin.dead-letters", 8, 3, "kafka_dead_letters_topic"),
    ]
