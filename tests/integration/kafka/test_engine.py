"""The live engine tells on Kafka topics, each thing once, whatever is killed."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from state.bus.protocol import partition_of
from state.kafka.topic_admin import TopicMismatch
from tests.integration.engine.engine_process import PARTITIONS, EngineProcess, facts_among, until
from tests.integration.engine.engine_set import EngineSet
from tests.integration.engine.quick_events import KINDS, QUICK, event, now_ms, oracles_facts, some_events
from tests.integration.kafka.topic_house import TopicHouse
from tests.kafka.broker import KafkaBroker
from tests.parts.pace import slowness_since
from tests.streams import wire

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@pytest.fixture
def engine(redis_url: str, topics: TopicHouse, tmp_path: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(redis_url, QUICK, tmp_path, **topics.settings)
    yield process
    process.kill()


def test_facts_and_hints_come_as_cloud_events_and_desks_have_the_hint(
    engine: EngineProcess, topics: TopicHouse, client: redis.Redis
) -> None:
    engine.start()
    until(topics.ready, "the topics")
    at_ms = now_ms()
    topics.post([event("anna", "Transaction Step Viewed", "face_check", at_ms)], wire)
    until(lambda: client.exists("zy:hint:anna") == 1, "a hint for anna")
    topics.post([event("anna", "Transaction Step Viewed", "confirm", now_ms())], wire)
    until(lambda: len(topics.messages(topics.hints)) == 2, "the hint and its end on the topic")
    until(lambda: len(topics.messages(topics.facts)) == 4, "four facts on the topic")
    assert client.exists("zy:facts", "zy:hint:anna") == 0
    facts = topics.documents(topics.facts)
    assert [fact["type"] for fact in facts] == [
        f"zhiyin.transaction.{kind}" for kind in ("started", "abandoned", "returned", "completed")
    ]
    created, retired = topics.documents(topics.hints)
    _check_hint(created, retired, f"anna-{at_ms}-0")
    for message in (*topics.messages(topics.facts), *topics.messages(topics.hints)):
        assert message.headers() == [("content-type", b"application/cloudevents+json")]
        assert (message.key(), message.partition()) == (b"anna", partition_of("anna", PARTITIONS))
    assert engine.stop() == 0


def _check_hint(created: dict[str, Any], retired: dict[str, Any], cause: str) -> None:
    hint_id = created["data"]["hint_id"]
    attributes = {
        "specversion": "1.0",
        "source": "/zhiyin/engine",
        "subject": "anna",
        "partitionkey": "anna",
        "datacontenttype": "application/json",
    }
    assert created.items() >= {**attributes, "id": f"{hint_id}:created", "type": "zhiyin.hint.created"}.items()
    assert created["causationid"] == cause
    assert created["correlationid"] == "t1"
    assert created["expirytime"] > created["time"]
    assert retired.items() >= {**attributes, "id": f"{hint_id}:retired", "type": "zhiyin.hint.retired"}.items()
    assert (retired["data"]["hint_id"], retired["data"]["cause"]) == (hint_id, "completed")


def test_dead_letters_are_on_their_topic(engine: EngineProcess, topics: TopicHouse) -> None:
    engine.start()
    until(topics.ready, "the topics")
    topics.post([{**event("bo", "Transaction Started", None, now_ms()), "journey": "mortgage"}], wire)
    until(lambda: len(topics.messages(topics.dead_letters)) == 1, "the dead letter")
    [message] = topics.messages(topics.dead_letters)
    assert message.headers() == [("content-type", b"application/json")]
    letter = orjson.loads(message.value() or b"")
    assert letter["failure"]["kind"] == "unknown_journey"
    listed = engine.command("dead-letters", "list")
    assert f"{message.partition()}:0" in listed
    assert "unknown_journey" in listed
    assert engine.command("dead-letters", "redrive", "--all", "--yes").startswith("redriven: 1 letter")
    until(lambda: len(topics.messages(topics.dead_letters)) == 2, "the letter's letter")
    assert engine.stop() == 0


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_any_moment_it_tells_the_oracles_facts_once_and_in_order(
    redis_url: str, topics: TopicHouse, tmp_path: Path, workers: int
) -> None:
    seeded = random.Random(workers)
    engine = EngineProcess(redis_url, QUICK, tmp_path, workers=workers, **topics.settings)
    engine.start()
    until(topics.ready, "the topics")
    sent: list[dict[str, Any]] = []
    for round_number in range(4):
        batch = some_events(seeded, round_number)
        sent += batch
        topics.post(batch, wire)
        time.sleep(seeded.uniform(0.3, 2.0))
        engine.kill()
        engine.start()
    _check_facts(topics, sent)
    assert engine.stop() == 0
    _check_facts(topics, sent)


@pytest.mark.slow
def test_two_processes_tell_what_one_does_over_a_kill_and_so_does_the_one_after_them(
    redis_url: str, topics: TopicHouse, tmp_path: Path
) -> None:
    seeded = random.Random(7)
    sent: list[dict[str, Any]] = []
    with EngineSet(redis_url, QUICK, tmp_path, 2, **topics.settings) as engines:
        engines.until_running()
        sent += _posted(topics, seeded, 0)
        time.sleep(1.0)
        engines.lost(0)
        engines.start()
        engines.until_running()
        sent += _posted(topics, seeded, 1)
        time.sleep(0.5)
        assert engines.stop() == [0, 0]
    sent += _posted(topics, seeded, 2)
    with EngineSet(redis_url, QUICK, tmp_path, 1, **topics.settings) as alone:
        _check_facts(topics, sent)
        assert alone.stop() == [0]


def _posted(topics: TopicHouse, seeded: random.Random, round_number: int) -> list[dict[str, Any]]:
    events = some_events(seeded, round_number)
    topics.post(events, wire)
    return events


@pytest.mark.slow
def test_a_broker_killed_while_it_tells_is_waited_for(
    engine: EngineProcess, topics: TopicHouse, kafka_broker: KafkaBroker
) -> None:
    seeded = random.Random(3)
    engine.start()
    until(topics.ready, "the topics")
    sent: list[dict[str, Any]] = []
    for round_number in range(2):
        batch = some_events(seeded, round_number)
        sent += batch
        topics.post(batch, wire)
        time.sleep(seeded.uniform(0.0, 0.3))
        kafka_broker.kill()
        time.sleep(2.5)
        kafka_broker.start()
    _check_facts(topics, sent)
    assert "trying on" in engine.log
    assert engine.stop() == 0


@pytest.mark.slow
def test_it_stops_in_order_while_the_broker_is_away(
    engine: EngineProcess, topics: TopicHouse, kafka_broker: KafkaBroker
) -> None:
    engine.start()
    until(topics.ready, "the topics")
    sent = [event(f"c{number}", "Transaction Step Viewed", "apply", now_ms()) for number in range(20)]
    topics.post(sent, wire)
    until(lambda: len(topics.messages(topics.facts)) == 20, "the first facts")
    kafka_broker.kill()
    time.sleep(1.5)
    began = time.monotonic()
    assert engine.stop() == 0
    assert time.monotonic() - began < 10 * slowness_since(began)
    kafka_broker.start()
    engine.start()
    _check_facts(topics, sent)


def test_a_topic_of_other_partitions_is_refused_in_words(
    engine: EngineProcess, topics: TopicHouse, kafka_broker: KafkaBroker
) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_broker.servers})
    admin.create_topics([NewTopic(topics.facts, 3, 1)])[topics.facts].result(120)
    engine.start()
    assert engine.wait() == 1
    assert str(TopicMismatch(topics.facts, 3, PARTITIONS, "kafka_facts_topic")) in engine.log
    assert "Traceback" not in engine.log


def _check_facts(topics: TopicHouse, sent: list[dict[str, Any]]) -> None:
    expected = oracles_facts(sent)
    until(lambda: facts_among(topics.documents(topics.facts), KINDS) == expected, "the oracle's facts")
    times: dict[str, list[str]] = {}
    for fact in topics.documents(topics.facts):
        times.setdefault(fact["data"]["customer_id"], []).append(fact["time"])
    assert all(each == sorted(each) for each in times.values())
