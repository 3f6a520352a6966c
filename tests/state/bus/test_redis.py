"""The bus on a real Redis: all or nothing, bounded, and nothing let go that was not taken."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state.bus.protocol import BusEntry, BusFill, BusFull, OutgoingEvent, partition_of
from state.bus.redis import BEGINNING, RedisBusReader, RedisBusWriter
from state.redis import keys
from state.redis.connections import AsyncClient, Client, connect, connect_async

PARTITIONS = 4
LIMIT = 20


@pytest.fixture
async def gateway(any_redis_url: str) -> AsyncIterator[AsyncClient]:
    client = connect_async(any_redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def engine(any_redis_url: str) -> Iterator[Client]:
    with connect(any_redis_url) as client:
        yield client


@pytest.fixture
def writer(gateway: AsyncClient) -> RedisBusWriter:
    return RedisBusWriter(gateway, PARTITIONS, LIMIT)


def events(count: int, customer_id: str = "anna", first: int = 0) -> list[OutgoingEvent]:
    return [OutgoingEvent(customer_id, 1_000 + n, b"raw %d" % n) for n in range(first, first + count)]


def reader_of(engine: Client, customer_id: str = "anna") -> RedisBusReader:
    return RedisBusReader(engine, partition_of(customer_id, PARTITIONS))


def test_partitions_are_crc32_of_the_customer() -> None:
    assert [partition_of(customer, 4) for customer in ("anna", "bert", "知音", "")] == [3, 2, 3, 0]
    assert Counter(partition_of(f"customer {n}", 4) for n in range(4_000)).total() == 4_000
    assert min(Counter(partition_of(f"customer {n}", 4) for n in range(4_000)).values()) > 900


async def test_bytes_come_out_as_they_went_in(writer: RedisBusWriter, engine: Client) -> None:
    raws = [b'{"a": 1}', b"\x00\xff\r\n", "知音".encode(), b""]
    before_ms = int(time.time() * 1000)
    await writer.append([OutgoingEvent("anna", 5 + n, raw) for n, raw in enumerate(raws)])
    entries = reader_of(engine).read(None, 10).entries
    assert [(entry.customer_id, entry.time_ms, entry.raw) for entry in entries] == [
        ("anna", 5 + n, raw) for n, raw in enumerate(raws)
    ]
    arrived_ms = [entry.arrived_ms for entry in entries]
    assert all(before_ms - 1_000 <= each <= before_ms + 10_000 for each in arrived_ms)


async def test_read_goes_on_after_the_last_id(writer: RedisBusWriter, engine: Client) -> None:
    reader = reader_of(engine)
    await writer.append(events(5))
    first = reader.read(None, 2).entries
    rest = reader.read(first[-1].position, 100).entries
    assert [entry.raw for entry in (*first, *rest)] == [b"raw %d" % n for n in range(5)]
    assert reader.read(rest[-1].position, 100).entries == []
    assert RedisBusReader(engine, 99).read(None, 1).entries == []


async def test_customers_go_to_their_partitions(writer: RedisBusWriter, engine: Client) -> None:
    customers = [f"customer {n}" for n in range(30)]
    await writer.append([OutgoingEvent(customer, 0, customer.encode()) for customer in customers])
    for partition in range(PARTITIONS):
        mine = [customer for customer in customers if partition_of(customer, PARTITIONS) == partition]
        assert [entry.customer_id for entry in RedisBusReader(engine, partition).read(None, 99).entries] == mine


async def test_nothing_to_append_is_fine(writer: RedisBusWriter) -> None:
    await writer.append([])
    assert await writer.fill() == BusFill((0, 0, 0, 0), LIMIT)


async def test_full_takes_nothing_and_says_so(writer: RedisBusWriter, engine: Client) -> None:
    await writer.append(events(LIMIT - 1))
    with pytest.raises(BusFull) as caught:
        await writer.append([*events(1, "bert"), *events(2)])
    error = caught.value
    assert (error.partition, error.length, error.adding, error.limit) == (3, LIMIT - 1, 2, LIMIT)
    assert str(error) == (
        "bus partition 3: holds 19 events of at most 20, no room for 2 more; "
        "send again later; if it stays so, see that the engine runs and keeps up, or raise bus_max_events"
    )
    assert reader_of(engine, "bert").length() == 0
    assert await writer.fill() == BusFill((0, 0, 0, 19), LIMIT)
    assert (await writer.fill()).share == 19 / 20
    await writer.append([*events(1, "bert"), *events(1)])
    assert await writer.fill() == BusFill((0, 0, 1, 20), LIMIT)


async def test_taking_makes_room(writer: RedisBusWriter, engine: Client) -> None:
    reader = reader_of(engine)
    await writer.append(events(LIMIT))
    assert reader.taken_up_to() == BEGINNING
    entries = reader.read(None, 7).entries
    reader.taken(entries[-1].position)
    assert reader.taken_up_to() == entries[-1].position
    assert reader.length() == LIMIT - 7
    await writer.append(events(7, first=LIMIT))
    assert [entry.raw for entry in reader.read(None, 99).entries] == [b"raw %d" % n for n in range(7, LIMIT + 7)]


async def test_taken_never_goes_back(writer: RedisBusWriter, engine: Client) -> None:
    reader = reader_of(engine)
    await writer.append(events(5))
    ids = [entry.position for entry in reader.read(None, 5).entries]
    reader.taken(ids[3])
    for earlier in (ids[0], ids[3], BEGINNING):
        reader.taken(earlier)
        assert reader.taken_up_to() == ids[3]
    assert [entry.position for entry in reader.read(None, 5).entries] == ids[4:]


async def test_ids_go_on_when_all_is_taken(writer: RedisBusWriter, engine: Client) -> None:
    reader = reader_of(engine)
    await writer.append(events(3))
    last = reader.read(None, 3).entries[-1].position
    reader.taken(last)
    assert reader.length() == 0
    await writer.append(events(1, first=3))
    assert [entry.raw for entry in reader.read(last, 9).entries] == [b"raw 3"]


async def test_foreign_entries_come_out_to_be_refused(engine: Client) -> None:
    engine.xadd(keys.BUS.of(0), {"what": "is this"}, id="1700000000000-0")
    engine.xadd(keys.BUS.of(0), {"k": b"\xff", "t": "soon", "e": "x"}, id="1700000000001-0")
    assert RedisBusReader(engine, 0).read(None, 9).entries == [
        BusEntry("1700000000000-0", "", 1_700_000_000_000, 1_700_000_000_000, b""),
        BusEntry("1700000000001-0", "\ufffd", 1_700_000_000_001, 1_700_000_000_001, b"x"),
    ]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 8)),
        st.tuples(st.just("read"), st.integers(1, 10)),
        st.tuples(st.just("take"), st.integers(0, 30)),
    ),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_after_taken_is_ever_missing(steps: list[tuple[str, int]], engine: Client) -> None:
    engine.flushdb()
    reader = reader_of(engine)
    known: list[str] = []
    seen: list[str] = []
    held = 0
    for step, number in steps:
        if step == "append" and len(known) - held + number <= LIMIT:
            known += _added(engine, number)
        elif step == "read":
            after = seen[-1] if seen else None
            seen += [entry.position for entry in reader.read(after, number).entries]
        elif step == "take" and seen:
            chosen = min(number, len(seen) - 1)
            reader.taken(seen[chosen])
            held = max(held, chosen + 1)
        assert [entry.position for entry in reader.read(None, 99).entries] == known[held:]
        assert seen == known[: len(seen)]
        assert reader.length() == len(known) - held <= LIMIT


def _added(engine: Client, number: int) -> list[str]:
    """Entries added as the gateway's script does, from this thread."""
    key = keys.BUS.of(partition_of("anna", PARTITIONS))
    added = [engine.xadd(key, {"k": "anna", "t": "1", "e": "x"}) for _ in range(number)]
    return [each.decode() for each in added if isinstance(each, bytes)]


async def test_the_bus_survives_a_restart_of_its_scripts(writer: RedisBusWriter, engine: Client) -> None:
    await writer.append(events(1))
    engine.script_flush()
    await writer.append(events(1, first=1))
    engine.script_flush()
    reader = reader_of(engine)
    reader.taken(reader.read(None, 1).entries[0].position)
    assert [entry.raw for entry in reader.read(None, 9).entries] == [b"raw 1"]


async def test_a_key_of_another_type_is_no_outage(writer: RedisBusWriter, engine: Client) -> None:
    engine.set(keys.BUS.of(3), "not a stream")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await writer.append(events(1))
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        reader_of(engine).length()
