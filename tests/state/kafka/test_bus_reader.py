"""What is of Kafka alone: foreign messages, deleted ones, marks of transactions, the lag that other tools see."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition, consistent
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st

from state.bus.protocol import BusEntry, partition_of
from tests.kafka.broker import KafkaBroker
from tests.kafka.servers import NewTopicNamed
from tests.state.buses import GROUP, PARTITIONS, KafkaBusHouse, events, looked, raws, read_past, read_to_end

EVENT_MS = 1_767_225_600_000
EVENT = b'{"type":"track","event":"X","userId":"anna","timestamp":"2026-01-01T00:00:00.000Z"}'
WAIT_S = 120.0


@pytest.fixture
async def house(kafka_servers: str, new_topic: NewTopicNamed) -> AsyncIterator[KafkaBusHouse]:
    made = KafkaBusHouse(kafka_servers, new_topic(PARTITIONS))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def real_house(kafka_broker: KafkaBroker, new_topic: NewTopicNamed) -> AsyncIterator[KafkaBusHouse]:
    made = KafkaBusHouse(kafka_broker.servers, new_topic(PARTITIONS))
    await made.open()
    yield made
    await made.close()


def put(house: KafkaBusHouse, message: dict[str, Any]) -> None:
    """A message as somebody else may put it there."""
    producer = Producer({"bootstrap.servers": house.connection.address, "log_level": 0})
    producer.produce(house.topic, partition=0, **message)
    assert producer.flush(WAIT_S) == 0


def offsets_deleted(house: KafkaBusHouse, partition: int, before: int) -> None:
    """As retention does it."""
    admin = AdminClient({"bootstrap.servers": house.connection.address, "log_level": 0})
    for done in admin.delete_records([TopicPartition(house.topic, partition, before)]).values():
        done.result(WAIT_S)


@given(st.text(), st.integers(1, 256))
def test_partitions_are_those_of_librdkafkas_consistent_partitioner(customer_id: str, partitions: int) -> None:
    if customer_id:
        assert partition_of(customer_id, partitions) == consistent(customer_id.encode(), partitions)


@pytest.mark.parametrize(
    ("message", "customer_id", "time_ms"),
    [
        ({"value": EVENT}, "anna", EVENT_MS),
        ({"value": EVENT, "key": b"bo"}, "bo", EVENT_MS),
        ({"value": EVENT, "key": b"bo", "headers": {"t": "77"}}, "bo", 77),
        ({"value": EVENT, "headers": {"t": "77"}}, "anna", EVENT_MS),
        ({"value": EVENT, "key": b"bo", "headers": {"t": "soon"}}, "bo", EVENT_MS),
        ({"value": EVENT, "key": b"\xff"}, "\ufffd", EVENT_MS),
        ({"value": b"{", "timestamp": 1_700_000_000_000}, "", 1_700_000_000_000),
        ({"value": b'{"userId":"anna"}', "timestamp": 1_700_000_000_000}, "anna", 1_700_000_000_000),
        ({"value": None, "key": b"bo", "timestamp": 1_700_000_000_000}, "bo", 1_700_000_000_000),
        ({"value": None, "timestamp": 1_700_000_000_000}, "", 1_700_000_000_000),
    ],
)
async def test_messages_of_others_come_out_too(
    house: KafkaBusHouse, message: dict[str, Any], customer_id: str, time_ms: int
) -> None:
    put(house, message)
    before_ms = int(time.time() * 1000)
    look = await looked(house.partition_reader(0), lambda: None, lambda look: bool(look.entries))
    [entry] = look.entries
    expected = BusEntry("0", customer_id, time_ms, entry.arrived_ms, message["value"] or b"")
    assert entry == expected
    assert abs(entry.arrived_ms - before_ms) < 10_000, "a time that others set is not that of the arrival"


async def test_other_tools_see_how_far_the_engine_is(house: KafkaBusHouse) -> None:
    await house.writer.append(events(5))
    reader = house.reader()
    found, _ = await read_to_end(reader)
    while len(found) < 5:
        found += (await read_past(reader, found[-1].position if found else None, 0))[0]
    reader.taken(found[2].position)
    tool = Consumer({"bootstrap.servers": house.connection.address, "group.id": GROUP, "log_level": 0})
    partition = TopicPartition(house.topic, partition_of("anna", PARTITIONS))
    end = time.monotonic() + WAIT_S
    while (offset := tool.committed([partition], timeout=WAIT_S)[0].offset) != 3:
        assert time.monotonic() < end, f"offset {offset}"
        await asyncio.sleep(0.02)
    rest, _ = await read_past(house.reader(), found[0].position, 0)
    assert raws(rest)[:1] == [b"raw 1"], "what the group has is not where an engine goes on"


@pytest.mark.requires("kafka")
async def test_what_was_deleted_unread_is_said_and_counted_and_the_rest_is_read(
    real_house: KafkaBusHouse, caplog: pytest.LogCaptureFixture
) -> None:
    await real_house.writer.append(events(10))
    partition = partition_of("anna", PARTITIONS)
    first, _ = await read_past(real_house.reader(), None, 0, count=2)
    offsets_deleted(real_house, partition, 7)
    with caplog.at_level(logging.ERROR, "zhiyin.kafka"):
        look = await looked(real_house.reader(), lambda: first[1].position, lambda look: bool(look.entries))
    assert raws(look.entries)[:1] == [b"raw 7"]
    assert real_house.lost == 5
    [said] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == (
        f"bus partition {partition}: found the first event of topic {real_house.topic} at offset 7, expected 2: "
        "5 events were deleted before they were read; going on from there; "
        "let the topic keep its events longer (retention.ms)"
    )


@pytest.mark.requires("kafka")
async def test_an_empty_partition_that_was_not_always_so_is_read_to_its_end(real_house: KafkaBusHouse) -> None:
    await real_house.writer.append(events(3))
    offsets_deleted(real_house, partition_of("anna", PARTITIONS), 3)
    found, _ = await read_to_end(real_house.reader())
    assert found == []


async def test_a_topic_that_ends_before_the_position_is_read_from_its_first_event(
    house: KafkaBusHouse, caplog: pytest.LogCaptureFixture
) -> None:
    await house.writer.append(events(3))
    partition = partition_of("anna", PARTITIONS)
    with caplog.at_level(logging.ERROR, "zhiyin.kafka"):
        look = await looked(house.reader(), lambda: "99", lambda look: bool(look.entries))
    assert raws(look.entries)[:1] == [b"raw 0"]
    assert house.lost == 0
    [said] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == (
        f"bus partition {partition}: found the end of topic {house.topic} at offset 3, expected 100 or more: "
        "the topic was made anew, or has lost its last events; reading it from its first event"
    )


@pytest.mark.requires("kafka")
async def test_marks_of_transactions_and_what_was_taken_back_do_not_hide_the_end(real_house: KafkaBusHouse) -> None:
    producer = Producer(
        {"bootstrap.servers": real_house.connection.address, "transactional.id": real_house.topic, "log_level": 0}
    )
    producer.init_transactions(WAIT_S)
    for value, keep in ((b"kept", True), (b"taken back", False)):
        producer.begin_transaction()
        producer.produce(real_house.topic, value, b"anna", 0)
        if keep:
            producer.commit_transaction(WAIT_S)
        else:
            producer.abort_transaction(WAIT_S)
    began_ms = int(time.time() * 1000)
    found, _ = await read_past(real_house.partition_reader(0), None, began_ms)
    assert raws(found) == [b"kept"]
