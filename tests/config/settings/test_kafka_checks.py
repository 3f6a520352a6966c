"""The settings of Kafka: what goes together, and which of librdkafka's options are ours to set."""

import msgspec
import pytest

from config import Settings
from config.settings.kafka_checks import OWN_OPTIONS, kafka_differences


def differences(**settings: object) -> list[str]:
    return [
        f"{name}: {found} | {expected}"
        for name, found, expected in kafka_differences(msgspec.structs.replace(GOOD, **settings))
    ]


GOOD = Settings(
    bus="kafka",
    kafka_servers=("kafka-1:9092", "10.0.0.1:9093", "[::1]:9092"),
    kafka_options=("security.protocol=SASL_SSL", "sasl.password=a b,c=d", "client.rack="),
)


def test_what_goes_together_is_left_alone() -> None:
    assert differences() == []
    assert list(kafka_differences(Settings())) == []


def test_kafka_needs_servers() -> None:
    assert differences(kafka_servers=()) == ["kafka_servers: none, with bus kafka | at least one host:port"]


@pytest.mark.parametrize("server", ["", "kafka", ":9092", "http://kafka:9092", "kafka:port", "a b:1"])
def test_a_server_is_a_host_and_a_port(server: str) -> None:
    assert differences(kafka_servers=("a:1", server)) == [f"kafka_servers: {server!r} | host:port"]


@pytest.mark.parametrize("topic", ["", ".", "..", "a/b", "知音"])
def test_a_topic_has_a_name_that_kafka_takes(topic: str) -> None:
    assert differences(kafka_topic=topic) == [f"kafka_topic: {topic!r} | letters, digits, dots, dashes and underscores"]


def test_topics_differ() -> None:
    assert differences(kafka_hints_topic="zhiyin.facts") == [
        "kafka_hints_topic: zhiyin.facts, which is kafka_facts_topic already | a topic of its own"
    ]


@pytest.mark.parametrize(
    "option", ["", "hunter2", "=hunter2", "A=hunter2", "a= hunter2", "a=b\nhunter2", "a=hunter2\\"]
)
def test_an_option_is_a_name_and_a_value_and_never_repeated(option: str) -> None:
    assert differences(kafka_options=("a=b", option)) == [
        "kafka_options: something else as option 2 | name=value, on one line, not ending with a backslash"
    ]


@pytest.mark.parametrize("option", sorted(OWN_OPTIONS))
def test_options_on_which_promises_rest_are_ours(option: str) -> None:
    assert differences(kafka_options=(f"{option}=1",)) == [
        f"kafka_options: {option} | an option that Zhiyin does not set itself"
    ]
