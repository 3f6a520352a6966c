"""Documents on a topic, each once and in order: over kills, restarts, refusals, and somebody else in between."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from operators.support.snapshot_codec import StateUnreadable
from state.kafka import idempotent_topic, tail_scan
from state.kafka.connection import KafkaConnection, KafkaUnavailable
from state.kafka.idempotent_topic import FORMAT, MOST_IN_A_POSITION, IdempotentPartition, TopicDocument, TopicPosition
from state.kafka.producers import TopicProducers
from state.kafka.tail_scan import ReadBack, digest_of
from tests.kafka.broker import KafkaBroker
from tests.kafka.servers import NewTopicNamed
from tests.parts.pace import slowness_since

pytestmark = pytest.mark.timeout(120)
PARTITION = 1
Opened = Callable[..., IdempotentPartition]


@pytest.fixture
def topic(new_topic: NewTopicNamed) -> str:
    return new_topic(name="facts")


@pytest.fixture
def opened(kafka_servers: str, topic: str) -> Opened:
    """Opens the partition as a new process would, from the place given."""

    def open_patiently(kept: bytes | None = None) -> IdempotentPartition:
        told = opened_on(kafka_servers, topic, kept)
        insist(told.recover)
        return told

    return open_patiently


def opened_on(
    servers: str, topic: str, kept: bytes | None = None, options: tuple[str, ...] = ()
) -> IdempotentPartition:
    producers = TopicProducers(KafkaConnection([servers], options))
    return IdempotentPartition(producers, topic, PARTITION, "application/json", kept)


def documents(*numbers: int, size: int = 0) -> list[TopicDocument]:
    return [
        TopicDocument(f"id-{number}", f"c{number % 3}", msgspec.json.encode({"id": f"id-{number}", "x": "x" * size}))
        for number in numbers
    ]


def tell(told: IdempotentPartition, *numbers: int) -> bytes:
    told.enqueue(documents(*numbers))
    told.flush()
    return told.position()


def messages_on(servers: str, topic: str, partition: int = PARTITION) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "auto.offset.reset": "earliest"})
    place = TopicPartition(topic, partition, 0)
    _, beyond = consumer.get_watermark_offsets(place, timeout=120)
    consumer.assign([place])
    found: list[Any] = []
    while len(found) < beyond:
        found += consumer.consume(beyond - len(found), 1.0)
    consumer.close()
    return found


def ids_on(servers: str, topic: str) -> list[str]:
    return [msgspec.json.decode(message.value())["id"] for message in messages_on(servers, topic)]


def ids(*numbers: int) -> list[str]:
    return [f"id-{number}" for number in numbers]


def test_a_message_has_the_key_the_header_and_the_document(opened: Opened, kafka_servers: str, topic: str) -> None:
    tell(opened(), 4)
    [message] = messages_on(kafka_servers, topic)
    assert (message.key(), message.headers()) == (b"c1", [("content-type", b"application/json")])
    assert message.value() == b'{"id":"id-4","x":""}'
    assert messages_on(kafka_servers, topic, 0) == []


def test_what_was_told_after_the_last_place_is_not_told_again(opened: Opened, kafka_servers: str, topic: str) -> None:
    first = opened()
    kept = tell(first, 1, 2)
    tell(first, 3, 4)
    second = opened(kept)
    assert second.awaited == 2
    tell(second, 3, 4, 5)
    assert ids_on(kafka_servers, topic) == ids(1, 2, 3, 4, 5)


def test_what_is_not_told_again_yet_is_still_known_after_the_next_kill(
    opened: Opened, kafka_servers: str, topic: str
) -> None:
    first = opened()
    kept = tell(first, 1)
    tell(first, 2, 3, 4)
    second = opened(kept)
    kept = tell(second, 2)
    assert msgspec.msgpack.decode(kept, type=TopicPosition).found == (digest_of("id-3"), digest_of("id-4"))
    third = opened(kept)
    assert third.awaited == 2
    kept = tell(third, 3, 5)
    tell(opened(kept), 4, 6)
    assert ids_on(kafka_servers, topic) == ids(1, 2, 3, 4, 5, 6)


def test_without_a_place_the_whole_partition_is_read(opened: Opened, kafka_servers: str, topic: str) -> None:
    tell(opened(), *range(50))
    second = opened()
    assert second.awaited == 50
    tell(second, *range(60))
    assert ids_on(kafka_servers, topic) == ids(*range(60))


def test_many_that_are_awaited_are_kept_by_where_they_stand(
    opened: Opened, kafka_servers: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_scan, "MESSAGES_A_LOOK", 100)
    many = 2 * MOST_IN_A_POSITION
    first = opened()
    kept = tell(first, 0)
    tell(first, 1, 2)
    second = opened(kept)
    kept = tell(second)
    tell(second, *range(3, many))
    third = opened(kept)
    kept = tell(third, *range(3, 250))
    place = msgspec.msgpack.decode(kept, type=TopicPosition)
    assert place.found == (digest_of("id-1"), digest_of("id-2"))
    assert 3 < place.next <= 250
    fourth = opened(kept)
    tell(fourth, 1, 2, *range(250, many + 1))
    assert ids_on(kafka_servers, topic) == ids(*range(many + 1))


def test_the_same_twice_in_one_go_is_told_once(opened: Opened, kafka_servers: str, topic: str) -> None:
    tell(opened(), 1, 1, 2)
    second = opened()
    tell(second, 1, 1, 2, 2, 3)
    assert ids_on(kafka_servers, topic) == ids(1, 2, 3)


def test_what_others_wrote_is_passed_over(opened: Opened, kafka_servers: str, topic: str) -> None:
    write(kafka_servers, topic, b"", b"\xff", b"[1]", b'{"id":7}', b'{"id":"id-7"}')
    told = opened()
    assert told.awaited == 1
    tell(told, 7, 8)
    assert messages_on(kafka_servers, topic)[-1].value() == documents(8)[0].value
    assert len(messages_on(kafka_servers, topic)) == 6


def test_somebody_else_in_between_is_said_and_read(
    opened: Opened, kafka_servers: str, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = opened()
    tell(told, 1)
    write(kafka_servers, topic, *(each.value for each in documents(2, 3)))
    with caplog.at_level(logging.WARNING):
        tell(told, 4)
    [message] = caplog.messages
    assert message == (
        f"telling on {topic}, partition 1: found 2 documents of somebody else at offsets 1 to 2; "
        "if another engine runs with these settings, stop one of them"
    )
    tell(told, 2, 3, 5)
    assert ids_on(kafka_servers, topic) == ids(1, 2, 3, 4, 5)


def write(servers: str, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": servers})
    for value in values:
        producer.produce(topic, value, partition=PARTITION)
    assert producer.flush(20) == 0


def test_only_the_newest_are_remembered_and_that_is_said(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tell(opened(), *range(10))
    monkeypatch.setattr(tail_scan, "MOST_FOUND", 4)
    with caplog.at_level(logging.WARNING):
        assert opened().awaited == 4
    assert caplog.messages[0].endswith(
        ": found 6 documents more than the newest 4, which are all that is remembered; "
        "if those are told again, they stand there twice"
    )


def test_what_is_not_told_again_within_a_day_is_forgotten(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tell(opened(), 1)
    tell(opened(kept), 2)
    told = opened(kept)
    assert len(msgspec.msgpack.decode(tell(told), type=TopicPosition).found) == 1
    monkeypatch.setattr(idempotent_topic, "REMEMBERED_S", 0.0)
    assert msgspec.msgpack.decode(tell(told), type=TopicPosition).found == ()


def test_more_than_the_producer_holds_goes_in_pieces(kafka_servers: str, topic: str) -> None:
    told = opened_on(kafka_servers, topic, options=("queue.buffering.max.messages=10",))
    told.enqueue(documents(*range(200)))
    settle(told)
    assert ids_on(kafka_servers, topic) == ids(*range(200))


@pytest.mark.slow
def test_what_the_producer_has_no_room_for_waits_here(kafka_broker: KafkaBroker, topic: str) -> None:
    told = opened_on(kafka_broker.servers, topic, options=("queue.buffering.max.messages=10",))
    insist(told.recover)
    told.enqueue(documents(0))
    settle(told)
    kafka_broker.kill()
    told.enqueue(documents(*range(1, 50)))
    with pytest.raises(KafkaUnavailable) as away:
        told.send()
    assert away.value.operation == f"telling on {topic}"
    kafka_broker.start()
    settle(told)
    assert ids_on(kafka_broker.servers, topic) == ids(*range(50))


def test_a_topic_made_anew_is_read_whole(opened: Opened, caplog: pytest.LogCaptureFixture, topic: str) -> None:
    tell(opened(), 1, 2)
    with caplog.at_level(logging.WARNING):
        assert opened(msgspec.msgpack.encode(TopicPosition(FORMAT, 17))).awaited == 2
    [message] = caplog.messages
    assert message == (
        f"reading back {topic}, partition 1: found its end at offset 2, expected 17 or more: "
        "the topic was made anew, or has lost its last documents; reading all of it"
    )


def test_a_place_of_another_format_is_refused(opened: Opened) -> None:
    with pytest.raises(StateUnreadable) as refused:
        opened(msgspec.msgpack.encode(TopicPosition("zhiyin-place-on-topic-0", 17)))
    assert (refused.value.found, refused.value.expected) == ("'zhiyin-place-on-topic-0'", FORMAT)


def test_what_was_deleted_meanwhile_is_not_waited_for(opened: Opened, kafka_broker: KafkaBroker, topic: str) -> None:
    kept = tell(opened(), 1)
    tell(opened(), 2, 3)
    upto = TopicPartition(topic, PARTITION, 2)
    admin = AdminClient({"bootstrap.servers": kafka_broker.servers})
    admin.delete_records([upto])[upto].result(120)
    assert opened(kept).awaited == 1


@pytest.mark.slow
def test_a_broker_that_is_away_is_said_in_time_and_everything_comes_when_it_is_back(
    opened: Opened, kafka_broker: KafkaBroker, topic: str
) -> None:
    told = opened()
    tell(told, 1)
    kafka_broker.kill()
    told.enqueue(documents(2, 3))
    began = time.monotonic()
    with pytest.raises(KafkaUnavailable):
        told.flush()
    with pytest.raises(KafkaUnavailable) as away:
        told.flush()
    assert time.monotonic() - began < 10 * slowness_since(began)
    assert str(away.value).startswith(f"telling on {topic}: Kafka at {kafka_broker.servers} is ")
    with pytest.raises(KafkaUnavailable) as away:
        opened_on(kafka_broker.servers, topic).recover()
    assert away.value.operation == f"reading back {topic}, partition 1"
    kafka_broker.start()
    told.enqueue(documents(4))
    settle(told)
    assert ids_on(kafka_broker.servers, topic) == ids(1, 2, 3, 4)


def settle(told: IdempotentPartition) -> None:
    insist(told.flush)


def insist(operation: Callable[[], object]) -> None:
    """As the engine does: again and again while Kafka is away; a topic's leader may not know yet that it is one."""
    give_up = time.monotonic() + 300
    while True:
        try:
            operation()
        except KafkaUnavailable:
            assert time.monotonic() < give_up
        else:
            return


def test_a_broker_killed_in_the_middle_of_writing_has_each_once_and_in_order(
    opened: Opened, kafka_broker: KafkaBroker, topic: str
) -> None:
    told, seeded = opened(), random.Random(5)
    for start in range(0, 40_000, 4_000):
        told.enqueue(documents(*range(start, start + 4_000)))
        told.send()
        if start in {8_000, 20_000}:
            time.sleep(seeded.uniform(0, 0.05))
            kafka_broker.kill()
            kafka_broker.start()
    settle(told)
    assert ids_on(kafka_broker.servers, topic) == ids(*range(40_000))
    assert msgspec.msgpack.decode(told.position(), type=TopicPosition).next == 40_000


def test_a_batch_too_large_for_the_topic_goes_one_by_one(opened: Opened, kafka_broker: KafkaBroker, topic: str) -> None:
    alter(kafka_broker.servers, topic, "10000")
    told = opened()
    told.enqueue(documents(*range(40), size=1_000))
    settle(told)
    assert ids_on(kafka_broker.servers, topic) == ids(*range(40))


def test_a_document_too_large_for_the_topic_waits_until_it_may_come(
    opened: Opened, kafka_broker: KafkaBroker, topic: str
) -> None:
    alter(kafka_broker.servers, topic, "10000")
    told = opened()
    told.enqueue([*documents(1), *documents(2, size=20_000), *documents(3)])
    with pytest.raises(KafkaUnavailable):
        told.flush()
    with pytest.raises(KafkaUnavailable) as refused:
        told.flush()
    assert str(refused.value) == (
        f"telling on {topic}: Kafka at {kafka_broker.servers} is refusing "
        f"(Broker: Message size too large, 20020 bytes); raise max.message.bytes of topic {topic}"
    )
    alter(kafka_broker.servers, topic, "100000")
    settle(told)
    assert ids_on(kafka_broker.servers, topic) == ids(1, 2, 3)


def alter(servers: str, topic: str, largest_bytes: str) -> None:
    entry = ConfigEntry("max.message.bytes", largest_bytes, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": servers})
    admin.incremental_alter_configs([resource])[resource].result(120)
    time.sleep(0.5)


@pytest.fixture(params=range(4))
def seeded(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)


def test_whatever_dies_and_is_told_again_stands_there_once(
    seeded: random.Random, opened: Opened, kafka_servers: str, topic: str
) -> None:
    kept: bytes | None = None
    safe = 0
    for _ in range(12):
        told = opened(kept)
        count = safe
        for _ in range(seeded.randint(0, 4)):
            several = seeded.randint(0, 40)
            told.enqueue(documents(*range(count, count + several)))
            told.send()
            count += several
            if seeded.random() < 0.5:
                told.flush()
                place = told.position()
                if seeded.random() < 0.7:
                    kept, safe = place, count
        told.flush()
    tell(opened(kept), *range(safe, safe + 200))
    found = ids_on(kafka_servers, topic)
    assert sorted(found) == sorted(ids(*range(len(found))))
    assert found == ids(*range(len(found)))


def test_reading_back_says_what_it_found_and_where(kafka_servers: str, topic: str, opened: Opened) -> None:
    tell(opened(), 1, 2, 3)
    reading = ReadBack(KafkaConnection([kafka_servers]), topic, PARTITION, 1, 2).run()
    assert (list(reading.found), reading.end) == ([digest_of("id-2")], 2)
