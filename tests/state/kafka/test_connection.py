"""Options go to librdkafka as they are; what it does not take is said without their values."""

import logging

import pytest
from confluent_kafka import KafkaError, KafkaException

from config import ConfigurationError, Settings
from state.bus.redis import RedisBusReader, RedisBusWriter
from state.bus_factory import engine_bus, gateway_bus, kafka_connection
from state.kafka.bus_reader import KafkaBusReader
from state.kafka.bus_writer import KafkaBusWriter
from state.kafka.connection import KafkaConnection, client_version
from state.redis.connections import connect_async
from tests.parts.redis_server import free_port

SASL = ("security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=me", "sasl.password=hunter=2,x")


def told_of(*options: str) -> str:
    connection = KafkaConnection(["a:1"], options)
    told = set()
    for make in (
        connection.admin,
        lambda: connection.producer({}, {}),
        lambda: connection.consumer({}, {"group.id": "g"}),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        [problem] = caught.value.problems
        assert str(problem).startswith("settings: ZHIYIN_KAFKA_OPTIONS: found ")
        assert str(problem).endswith(", expected options and values that librdkafka takes")
        told.add(str(problem))
    return " ".join(told)


def test_options_reach_librdkafka() -> None:
    connection = KafkaConnection(["a:1", "b:2"], SASL)
    assert connection.address == "a:1,b:2"
    for client in (connection.producer({}, {}), connection.admin(), connection.consumer({}, {"group.id": "g"})):
        assert client is not None


def test_options_it_does_not_know_or_take() -> None:
    assert 'No such configuration property: "no.such.option"' in told_of("no.such.option=1")
    assert "hunter" not in told_of("security.protocol=hunter2")
    assert "hunter" not in told_of("ssl.ca.location=/hunter2/ca.pem", "security.protocol=SSL")


def test_options_are_never_shown() -> None:
    assert "hunter" not in repr(vars(KafkaConnection(["a:1"]))) + repr(KafkaConnection(["a:1"], SASL))


def test_an_option_of_ours_is_kept_and_a_default_may_be_changed() -> None:
    connection = KafkaConnection(["a:1"], ["linger.ms=7", "client.id=mine"])
    # librdkafka refuses this pair: it has the option's 7 ms in the place of the default, and our own timeout.
    with pytest.raises(ConfigurationError, match=r"linger\.ms"):
        connection.producer({"linger.ms": 1}, {"delivery.timeout.ms": 5})


def test_what_librdkafka_writes_is_logged_as_debug(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "zhiyin.kafka"):
        admin = KafkaConnection([f"127.0.0.1:{free_port()}"]).admin()
        with pytest.raises(KafkaException):
            admin.list_topics(timeout=0.5)
        admin.poll(0)
    assert "Connection refused" in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.DEBUG}


def test_an_error_that_no_waiting_cures_passes_as_it_is() -> None:
    connection = KafkaConnection(["a:1"])
    error = KafkaException(KafkaError(KafkaError.POLICY_VIOLATION))
    with pytest.raises(KafkaException) as caught, connection.answering("asking"):
        raise error
    assert caught.value is error
    assert connection.outage("asking", KafkaError(KafkaError.POLICY_VIOLATION)) is None


async def test_the_bus_is_chosen_by_the_settings() -> None:
    redis = Settings(redis_url="redis://127.0.0.1:1/0")
    kafka = Settings(bus="kafka", kafka_servers=("127.0.0.1:1", "127.0.0.1:2"))
    client = connect_async(redis.redis_url or "")
    assert isinstance(gateway_bus(redis, client), RedisBusWriter)
    assert isinstance(gateway_bus(kafka, client), KafkaBusWriter)
    await client.aclose()
    assert kafka_connection(kafka).address == "127.0.0.1:1,127.0.0.1:2"
    assert isinstance(engine_bus(redis, lambda *_: None).reader(0), RedisBusReader)
    reader = engine_bus(kafka, lambda *_: None).reader(0)
    assert isinstance(reader, KafkaBusReader)
    reader.close()


def test_the_client_says_its_version() -> None:
    assert client_version().startswith("librdkafka 2.")
