"""What ``zhiyin erase`` says when it is not agreed to, or nobody does its work; Kafka's part with a real broker."""

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from config import load_settings
from state.bus.protocol import partition_of
from state.bus.redis import RedisBusReader
from state.bus_factory import kafka_connection, kafka_topics
from state.kafka.connection import KafkaUnavailable
from state.kafka.erasure import KafkaErasure
from state.kafka.topic_admin import KafkaTopics
from state.redis.connections import connect
from tests.kafka.broker import KafkaBroker
from tests.parts.processes import until
from zhiyin.admin.erase import Deadline, files_with, tombstone
from zhiyin.cli.main import main


@pytest.fixture
def no_engine(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("ZHIYIN_STATE_DIR", str(tmp_path))
    return redis_url


def test_without_a_yes_nothing_is_done(no_engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", "anna"]) == 1
    assert "erase: found nobody to ask, expected y; nothing was done" in capsys.readouterr().err
    with connect(no_engine) as client:
        assert client.dbsize() == 0


def test_without_an_engine_it_says_so_and_the_word_waits(no_engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", "anna", "--yes", "--wait", "0.1"]) == 1
    told = capsys.readouterr().err
    assert "erase: the engine has not taken the word within 0.1 s, expected it to; see that the engine runs" in told
    with connect(no_engine) as client:
        [entry] = RedisBusReader(client, partition_of("anna", 4)).read(None, 10).entries
    assert b'"event":"Customer Erased"' in entry.raw


def test_files_that_hold_a_customer_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"..anna..")
    (tmp_path / "two").write_bytes(b"bert")
    assert files_with(tmp_path, b"anna") == [tmp_path / "a" / "one"]


def test_a_tombstone_is_an_event_of_the_customer() -> None:
    word = tombstone("客户", 1_777_896_000_000)
    assert word.customer_id == "客户"
    assert '"userId":"客户"'.encode() in word.raw


def leads(kafka: KafkaErasure, topic: str, partitions: int) -> bool:
    """Whether the broker knows by now that it leads the first partitions of a new topic."""
    try:
        return all(kafka.end(topic, partition) >= 0 for partition in range(partitions))
    except KafkaUnavailable:
        return False


def test_kafka_says_how_far_the_engine_is_how_long_it_keeps_and_can_be_cut(kafka_broker: KafkaBroker) -> None:
    names = {"ZHIYIN_KAFKA_TOPIC": "erase.events", "ZHIYIN_KAFKA_FACTS_TOPIC": "erase.facts"}
    settings = load_settings({"ZHIYIN_BUS": "kafka", "ZHIYIN_KAFKA_SERVERS": kafka_broker.servers, **names})
    connection = kafka_connection(settings)
    KafkaTopics(connection, kafka_topics(settings)[:2]).ensure()
    kafka = KafkaErasure(connection)
    producer = connection.producer({}, {})
    for number in range(5):
        producer.produce("erase.events", f"canary-{number}".encode(), partition=1)
    assert producer.flush(120) == 0
    until(lambda: leads(kafka, "erase.events", 2))
    assert (kafka.end("erase.events", 1), kafka.end("erase.events", 0)) == (5, 0)
    Deadline(300).until("the group's coordinator is ready", lambda: kafka.taken("erase.events", 1, "nobody") == 0)
    assert kafka.kept_for_ms(["erase.events"]) == {"erase.events": -1}
    assert kafka.cut({("erase.events", 1): 5, ("erase.facts", 1): 0}) >= 1
    reader = connection.consumer({}, {"group.id": "canary", "auto.offset.reset": "earliest"})
    reader.assign([TopicPartition("erase.events", 1, 0)])
    assert reader.get_watermark_offsets(TopicPartition("erase.events", 1), 120) == (5, 5)
    assert reader.poll(1.0) is None
    reader.close()
