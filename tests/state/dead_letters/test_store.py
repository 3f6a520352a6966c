"""Dead letters are found again, redriven once, and marked: in memory, in Redis, in one step and in two."""

from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from operators.records.dead_letters import ReturningEvent
from state.bus.protocol import BusFull
from state.dead_letters.redis import LETTERS_A_LOOK, BusLayoutMismatch, RedisDeadLetterStore, RedisRedriver
from state.dead_letters.redrive_log import RedriveLog
from state.dead_letters.store import TimeSpan, listed_letter
from state.redis import keys
from state.redis.connections import StoreUnavailable, connect
from tests.parts.missing import missing
from tests.parts.redis_server import free_port
from tests.state.fixtures import EVERY_REDIS
from tests.state.houses import NOON_MS
from tests.state.shelves import (
    LIMIT,
    ByBusShelves,
    KafkaShelves,
    MemoryShelves,
    RedisShelves,
    Shelves,
    document,
    letter,
)

KAFKA = pytest.param("kafka", marks=[pytest.mark.requires("redis"), pytest.mark.timeout(180)])
REDIS_SHELVES: tuple[Callable[[str], RedisShelves], ...] = (RedisShelves, ByBusShelves)


@pytest.fixture(params=["memory", *EVERY_REDIS, KAFKA])
async def shelves(request: pytest.FixtureRequest) -> AsyncIterator[Shelves]:
    """An empty shelf."""
    made: Shelves
    if request.param == "memory":
        made = MemoryShelves()
    elif request.param == "kafka":
        made = kafka_shelves_of(request)
    else:
        made = RedisShelves(request.getfixturevalue(request.param))
    yield made
    await made.close()


@pytest.fixture(params=REDIS_SHELVES)
async def redis_shelves(request: pytest.FixtureRequest, any_redis_url: str) -> AsyncIterator[RedisShelves]:
    """An empty shelf in Redis."""
    made = request.param(any_redis_url)
    yield made
    await made.close()


def kafka_shelves_of(request: pytest.FixtureRequest) -> KafkaShelves:
    """A shelf on a topic of its own."""
    topic = request.getfixturevalue("new_topic")(name="dead-letters")
    return KafkaShelves(request.getfixturevalue("redis_url"), request.getfixturevalue("kafka_servers"), topic)


def test_an_empty_shelf(shelves: Shelves) -> None:
    assert shelves.all() == shelves.all(newest_first=True) == []
    assert shelves.shelf.letter("17-0") is None
    assert shelves.shelf.forget_gone() == 0


def test_letters_come_in_order_of_writing_from_either_end(shelves: Shelves) -> None:
    written = [letter(number) for number in range(2 * LETTERS_A_LOOK + 1 if isinstance(shelves, MemoryShelves) else 9)]
    ids = shelves.put(*map(document, written))
    found = shelves.all()
    assert [each.id for each in found] == ids
    assert [each.letter.raw for each in found if each.letter] == [each.raw for each in written]
    assert shelves.all(newest_first=True) == found[::-1]
    assert [each.redriven_ms for each in found] == [None] * len(ids)


def test_one_letter_is_found_by_its_id(shelves: Shelves) -> None:
    ids = shelves.put(document(letter(1)), document(letter(2)))
    found = shelves.shelf.letter(ids[1])
    assert found is not None
    assert (found.id, found.document) == (ids[1], document(letter(2)))
    for unknown in ("999999999999999-0", "nobody", "", "1:2", "-", "$"):
        assert shelves.shelf.letter(unknown) is None


def test_a_span_holds_its_beginning_and_not_its_end(shelves: Shelves) -> None:
    shelves.put(*(document(letter(number)) for number in range(4)))
    first, second, third, fourth = (each.written_ms for each in shelves.all())
    assert first < second < third < fourth

    def found(since_ms: int, until_ms: int, *, newest_first: bool = False) -> list[int]:
        return [
            each.written_ms for each in shelves.shelf.letters(TimeSpan(since_ms, until_ms), newest_first=newest_first)
        ]

    assert found(second, fourth) == [second, third]
    assert found(second, fourth, newest_first=True) == [third, second]
    assert found(0, second) == [first]
    assert found(fourth, fourth + 1) == [fourth]
    assert found(fourth + 1, fourth + 9) == found(0, first) == found(third, second) == []


def test_what_comes_meanwhile_is_not_among_them(shelves: Shelves) -> None:
    ids = shelves.put(document(letter(1)), document(letter(2)))
    reading = shelves.shelf.letters(TimeSpan())
    found = [next(reading).id]
    shelves.put(document(letter(3)))
    found += [each.id for each in reading]
    assert found == ids


async def test_events_go_back_as_they_came_and_once(shelves: Shelves) -> None:
    shelves.put(document(letter(1)), document(letter(2, "bo")), document(letter(3)))
    assert await shelves.redrive(shelves.all()[:2], NOON_MS) == 2
    assert [each.redriven_ms for each in shelves.all()] == [NOON_MS, NOON_MS, None]
    assert await shelves.redrive(shelves.all(), NOON_MS + 1) == 1
    assert await shelves.redrive(shelves.all(), NOON_MS + 2) == await shelves.redrive([], NOON_MS + 2) == 0
    assert [each.redriven_ms for each in shelves.all()] == [NOON_MS, NOON_MS, NOON_MS + 1]
    came = [
        ReturningEvent(each.customer_id or "", each.time_ms or 0, each.raw)
        for each in (letter(1), letter(2, "bo"), letter(3))
    ]
    assert sorted(shelves.bus(), key=lambda event: event.raw) == came
    assert [event.raw for event in shelves.bus() if event.customer_id == "anna"] == [came[0].raw, came[2].raw]


async def test_letters_read_before_another_redrove_them_do_not_go_again(shelves: Shelves) -> None:
    shelves.put(document(letter(1)))
    before = shelves.all()
    assert await shelves.redrive(before) == 1
    if not isinstance(shelves, MemoryShelves):
        assert before[0].redriven_ms is None
    assert await shelves.redrive(before) == 0
    assert len(shelves.bus()) == 1


async def test_a_letter_written_twice_goes_once(shelves: Shelves) -> None:
    shelves.put(document(letter(1)), document(letter(1)))
    assert await shelves.redrive(shelves.all()) == 1
    assert [each.redriven_ms for each in shelves.all()] == [NOON_MS, NOON_MS]


async def test_what_zhiyin_did_not_write_is_shown_and_stays(shelves: Shelves) -> None:
    shelves.put(b"", b'{"hello":1}', document(letter(1)))
    assert [each.letter is None for each in shelves.all()] == [True, True, False]
    assert shelves.all()[1].document == b'{"hello":1}'
    assert await shelves.redrive(shelves.all()) == 1


async def test_marks_last_as_long_as_their_letters(shelves: Shelves, pytestconfig: pytest.Config) -> None:
    if isinstance(shelves, KafkaShelves) and shelves.is_mock:
        missing(pytestconfig, "kafka", "the mock deletes nothing")
    ids = shelves.put(*(document(letter(number)) for number in range(4)))
    await shelves.redrive(shelves.all()[:3])
    assert shelves.shelf.forget_gone() == 0
    shelves.drop(ids[1])
    assert shelves.shelf.forget_gone() == 2
    assert [each.redriven_ms for each in shelves.all()] == [NOON_MS, None]
    shelves.drop(ids[3])
    assert shelves.shelf.forget_gone() == 1
    assert shelves.shelf.forget_gone() == 0


async def test_a_full_bus_takes_none_and_marks_none(redis_shelves: RedisShelves) -> None:
    redis_shelves.put(*(document(letter(number)) for number in range(LIMIT + 1)))
    letters = redis_shelves.all()
    assert await redis_shelves.redrive(letters[: LIMIT - 1]) == LIMIT - 1
    with pytest.raises(BusFull) as full:
        await redis_shelves.redrive(letters)
    assert (full.value.length, full.value.adding, full.value.limit) == (LIMIT - 1, 2, LIMIT)
    assert len(redis_shelves.bus()) == LIMIT - 1
    assert [each.redriven_ms for each in redis_shelves.all()][-2:] == [None, None]


def test_many_letters_are_read_a_page_at_a_time(redis_shelves: RedisShelves) -> None:
    with redis_shelves.client.pipeline() as pipeline:
        for number in range(2 * LETTERS_A_LOOK):
            pipeline.xadd(keys.DEAD_LETTERS.of(), {"e": document(letter(number))})
        ids = [entry_id.decode() for entry_id in pipeline.execute()]
    assert [each.id for each in redis_shelves.all()] == ids
    assert [each.id for each in redis_shelves.all(newest_first=True)] == ids[::-1]


async def test_marks_of_letters_kept_elsewhere_are_left_alone(redis_shelves: RedisShelves) -> None:
    redis_shelves.client.hset(keys.REDRIVEN.of(), "abc", f"{NOON_MS} 3:17")
    redis_shelves.put(document(letter(1)))
    await redis_shelves.redrive(redis_shelves.all())
    redis_shelves.drop(redis_shelves.all()[0].id)
    assert redis_shelves.shelf.forget_gone() == 1
    assert redis_shelves.client.hkeys(keys.REDRIVEN.of()) == [b"abc"]


async def test_a_bus_with_other_partitions_is_refused(any_redis_url: str) -> None:
    shelves = RedisShelves(any_redis_url)
    shelves.put(document(letter(1)))
    with pytest.raises(BusLayoutMismatch) as mismatch:
        await RedisRedriver(shelves.client, 1, LIMIT).redrive(shelves.all(), NOON_MS)
    assert str(mismatch.value) == (
        "bus_partitions 1: found a partition 1 in Redis, expected the number that engine and gateway have; "
        "run this with their settings (ZHIYIN_BUS_PARTITIONS or --settings)"
    )
    shelves.client.delete(*(keys.BUS.of(number) for number in range(2)))
    with pytest.raises(BusLayoutMismatch) as mismatch:
        await shelves.redrive(shelves.all())
    assert mismatch.value.found.endswith(" in Redis, where a letter came from")
    assert mismatch.value.found.startswith("no partition ")
    assert shelves.all()[0].redriven_ms is None
    await shelves.close()


async def test_a_letter_without_a_customer_goes_to_the_partition_of_nobody(shelves: Shelves) -> None:
    nobodys = msgspec.structs.replace(letter(1), customer_id=None, time_ms=None)
    shelves.put(document(nobodys))
    assert await shelves.redrive(shelves.all()) == 1
    assert shelves.bus() == [ReturningEvent("", NOON_MS + 1, nobodys.raw)]


async def test_while_redis_is_away_every_operation_says_what_it_was() -> None:
    with connect(f"redis://127.0.0.1:{free_port()}") as client:
        shelf, marks = RedisDeadLetterStore(client), RedriveLog(client)
        operations: dict[str, Callable[[], object]] = {
            "reading dead letters": lambda: list(shelf.letters(TimeSpan())),
            "reading which dead letters were redriven": lambda: marks.when(["a"]),
            "marking dead letters as redriven": lambda: marks.mark({"a": "1-0"}, NOON_MS),
            "forgetting redriven dead letters": lambda: marks.forget(lambda _: True),
        }
        for operation, asked in operations.items():
            with pytest.raises(StoreUnavailable) as away:
                asked()
            assert away.value.operation == operation
        letters = [listed_letter("1-0", NOON_MS, document(letter(1)))]
        with pytest.raises(StoreUnavailable, match=r"^looking at the bus: Redis at .* is gone"):
            await RedisRedriver(client, 2, LIMIT).redrive(letters, NOON_MS)
