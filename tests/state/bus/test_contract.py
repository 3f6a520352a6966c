"""What the engine and the gateway count on, through both buses: Redis streams and a Kafka topic."""

import time
from collections.abc import AsyncIterator

import pytest

from state.bus.protocol import BusFull, OutgoingEvent, partition_of
from tests.state.buses import (
    LIMIT,
    PARTITIONS,
    BusHouse,
    KafkaBusHouse,
    RedisBusHouse,
    events,
    looked,
    raws,
    read_past,
    read_to_end,
)


@pytest.fixture(params=["redis", "kafka"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[BusHouse]:
    """An empty bus."""
    made: BusHouse
    if request.param == "redis":
        made = RedisBusHouse(request.getfixturevalue("redis_url"))
    else:
        servers = request.getfixturevalue("kafka_servers")
        made = KafkaBusHouse(servers, request.getfixturevalue("new_topic")(PARTITIONS))
    await made.open()
    yield made
    await made.close()


async def test_bytes_come_out_as_they_went_in(house: BusHouse) -> None:
    sent = [b'{"a": 1}', b"\x00\xff\r\n", "知音".encode(), b""]
    before_ms = int(time.time() * 1000)
    await house.writer.append([OutgoingEvent("知音", 5 + n, raw) for n, raw in enumerate(sent)])
    found, _ = await read_to_end(house.reader("知音"))
    assert [(entry.customer_id, entry.time_ms, entry.raw) for entry in found] == [
        ("知音", 5 + n, raw) for n, raw in enumerate(sent)
    ]
    assert all(before_ms - 1_000 <= entry.arrived_ms <= before_ms + 10_000 for entry in found)


async def test_each_customers_events_keep_their_order(house: BusHouse) -> None:
    customers = [f"customer {n}" for n in range(12)]
    for first in range(0, 12, 3):
        await house.writer.append(
            [OutgoingEvent(customer, n, b"%d" % n) for n in range(first, first + 3) for customer in customers]
        )
    for partition in range(PARTITIONS):
        found, _ = await read_to_end(house.partition_reader(partition), count=7)
        mine = [customer for customer in customers if partition_of(customer, PARTITIONS) == partition]
        assert {entry.customer_id for entry in found} == set(mine)
        for customer in mine:
            assert [entry.time_ms for entry in found if entry.customer_id == customer] == list(range(12))


async def test_reading_goes_on_after_a_position(house: BusHouse) -> None:
    await house.writer.append(events(9))
    reader = house.reader()
    look = await looked(reader, lambda: None, lambda look: len(look.entries) == 4, count=4)
    assert (look.end_ms, raws(look.entries)) == (None, [b"raw %d" % n for n in range(4)])
    rest, _ = await read_to_end(reader, look.entries[-1].position)
    assert raws(rest) == [b"raw %d" % n for n in range(4, 9)]
    again, _ = await read_to_end(house.reader(), look.entries[1].position)
    assert raws(again) == [b"raw %d" % n for n in range(2, 9)]
    back, _ = await read_to_end(reader, look.entries[2].position)
    assert raws(back) == [b"raw %d" % n for n in range(3, 9)]
    last, _ = await read_to_end(reader, rest[-1].position)
    assert last == []


async def test_an_end_is_known_when_all_is_read_and_as_of_before_the_look(house: BusHouse) -> None:
    reader = house.reader()
    before_ms = int(time.time() * 1000)
    look = await looked(reader, lambda: None, lambda look: look.end_ms is not None)
    assert (look.entries, look.waiting) == ([], 0)
    assert before_ms - 1_000 <= (look.end_ms or 0) <= time.time() * 1000
    await house.writer.append(events(3))
    appended_ms = int(time.time() * 1000)
    found, end_ms = await read_to_end(reader)
    assert len(found) == 3 or end_ms <= appended_ms, "an end from after the append is beyond what was appended"
    position = found[-1].position if found else None
    later, later_ms = await read_past(reader, position, end_ms)
    assert (len(found) + len(later), later_ms > end_ms) == (3, True)


async def test_what_waits_is_counted(house: BusHouse) -> None:
    await house.writer.append(events(20))
    reader = house.reader()
    first = await looked(reader, lambda: None, lambda look: len(look.entries) == 5 and look.waiting is not None, 5)
    assert (first.end_ms, first.waiting) == (None, 15)
    second = reader.read(first.entries[-1].position, 5)
    assert (len(second.entries), second.waiting) == (5, 10)
    reader.taken(first.entries[-1].position)
    third = reader.read(second.entries[-1].position, 5)
    assert (len(third.entries), third.waiting) == (5, 5)


async def test_nothing_to_append_is_fine(house: BusHouse) -> None:
    await house.writer.append([])
    assert max((await house.writer.fill()).lengths) == 0


async def test_more_than_there_is_room_for_is_refused_whole(house: BusHouse) -> None:
    with pytest.raises(BusFull) as caught:
        await house.writer.append(events(LIMIT + 1))
    assert (caught.value.adding, caught.value.limit) == (LIMIT + 1, LIMIT)
    found, _ = await read_to_end(house.reader())
    assert found == []
    assert (await house.writer.fill()).limit == LIMIT


async def test_taking_changes_nothing_for_the_reader(house: BusHouse) -> None:
    await house.writer.append(events(4))
    reader = house.reader()
    found, _ = await read_to_end(reader)
    reader.taken(found[1].position)
    reader.taken(found[0].position)
    rest, _ = await read_to_end(reader, found[1].position)
    assert raws(rest) == [b"raw 2", b"raw 3"]
