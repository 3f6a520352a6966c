"""What is told stays told: over a crash of Redis, and seen as gone when Redis was emptied."""

from collections.abc import AsyncIterator

import pytest

from state.bus.protocol import OutgoingEvent
from state.bus.redis import RedisBusReader, RedisBusWriter
from state.redis import keys
from state.redis.connections import connect_async
from tests.parts.redis_server import RedisServer
from tests.state.houses import HOUR_MS, RedisHouse, make_hint, speak

DAY_MS = 86_400_000


@pytest.fixture
async def house(redis_server: RedisServer) -> AsyncIterator[RedisHouse]:
    made = RedisHouse(redis_server.url)
    yield made
    await made.close()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_hints_and_channels_survive(house: RedisHouse, redis_server: RedisServer, how: str) -> None:
    house.store.place(make_hint(), "d1")
    house.store.place(make_hint("h2", speak_after_ms=house.now_ms + 1), "d1")
    before = await house.board.position("desk:d1")
    seen = (await house.board.next_hints("anna", house.now_ms), await house.chatbot_document())
    getattr(redis_server, how)()
    redis_server.start()
    assert await house.board.position("desk:d1") == before
    assert (await house.board.next_hints("anna", house.now_ms), await house.chatbot_document()) == seen
    assert house.store.place(make_hint(), "d1") is False
    house.now_ms += 1
    assert house.store.speak(speak("h2")) is True
    assert await house.told_words("chatbot") == ["created h1", "created h2"]


async def test_the_bus_survives(house: RedisHouse, redis_server: RedisServer) -> None:
    writer_client = connect_async(redis_server.url)
    writer = RedisBusWriter(writer_client, 1, 100)
    await writer.append([OutgoingEvent("anna", 1, b"%d" % n) for n in range(5)])
    reader = RedisBusReader(house.client, 0)
    held = reader.read(None, 2).entries[-1].position
    reader.taken(held)
    redis_server.kill()
    redis_server.start()
    assert reader.taken_up_to() == held
    assert [entry.raw for entry in reader.read(held, 9).entries] == [b"2", b"3", b"4"]
    reader.taken(reader.read(held, 9).entries[-1].position)
    redis_server.kill()
    redis_server.start()
    last = reader.taken_up_to()
    await writer.append([OutgoingEvent("anna", 1, b"5")])
    assert [entry.raw for entry in reader.read(last, 9).entries] == [b"5"]
    await writer_client.aclose()


async def test_emptied_means_another_epoch(house: RedisHouse) -> None:
    for name in ("h1", "h2", "h3"):
        house.store.place(make_hint(name), "d1")
    before = await house.board.position("desk:d1")
    house.client.flushall()
    house.store.place(make_hint("h4"), "d1")
    after = await house.board.position("desk:d1")
    assert (after.offset, after.oldest) == (1, 1)
    assert after.epoch != before.epoch
    assert not after.recovers(before.epoch, before.offset)
    assert await house.wait({"desk:d1": before.offset}, 20) == {}


@pytest.mark.parametrize("lost", [keys.CHANNEL_OFFSET, keys.CHANNEL_EPOCH])
async def test_a_channel_that_lost_a_part_begins_anew(house: RedisHouse, lost: keys.RedisKey) -> None:
    house.store.place(make_hint("h1"), "d1")
    before = await house.board.position("desk:d1")
    house.client.delete(lost.of("desk:d1"))
    house.store.place(make_hint("h2"), "d1")
    assert await house.told_words("desk:d1") == ["created h2"]
    assert (await house.board.position("desk:d1")).epoch != before.epoch


async def test_lost_events_show_as_an_offset_beyond_ours(house: RedisHouse) -> None:
    house.store.place(make_hint(), "d1")
    position = await house.board.position("desk:d1")
    assert not position.recovers(position.epoch, 2)


async def test_how_long_keys_stay(house: RedisHouse) -> None:
    house.store.place(make_hint("h1", priority=90, expires_at_ms=house.now_ms + HOUR_MS), "d1")
    house.store.place(make_hint("h2", expires_at_ms=house.now_ms + 2 * HOUR_MS), "d1")
    house.store.place(make_hint("h0", priority=10, expires_at_ms=house.now_ms + HOUR_MS // 2), "d1")
    client = house.client

    def left_ms(key: keys.RedisKey, name: str) -> int:
        """To the nearest ten seconds, upwards."""
        left: int = client.pttl(key.of(name))
        return -(-left // 10_000) * 10_000

    assert left_ms(keys.CHATBOT_HINT, "anna") == 2 * HOUR_MS
    assert left_ms(keys.OPEN_HINTS, "anna") == left_ms(keys.OPEN_DOCUMENTS, "anna") == 2 * HOUR_MS
    assert left_ms(keys.HINT_RECORD, "h1") == HOUR_MS + DAY_MS
    await house.board.change_state("h2", "used", house.now_ms)
    assert left_ms(keys.CHATBOT_HINT, "anna") == HOUR_MS
    assert left_ms(keys.HINT_RECORD, "h2") == 2 * HOUR_MS + DAY_MS
    house.now_ms += 3 * HOUR_MS
    house.store.place(make_hint("h3"), "d1")
    assert left_ms(keys.HINT_RECORD, "h3") == DAY_MS


async def test_nothing_is_left_behind_when_all_is_over(house: RedisHouse) -> None:
    for name in ("h1", "h2"):
        house.store.place(make_hint(name), "d1")
        await house.board.change_state(name, "dismissed", house.now_ms)
    found = {name.decode() for name in house.client.keys("*") if isinstance(name, bytes)}
    assert {name for name in found if not name.startswith("zy:channel")} == {"zy:record:h1", "zy:record:h2"}


async def test_expired_hints_leave_the_sets_when_they_are_read(house: RedisHouse) -> None:
    for name in ("h1", "h2"):
        house.store.place(make_hint(name), "d1")
    house.now_ms += HOUR_MS
    await house.board.next_hints("anna", house.now_ms)
    await house.board.desk_hints("d1", house.now_ms)
    for key, name in (
        (keys.OPEN_HINTS, "anna"),
        (keys.OPEN_DOCUMENTS, "anna"),
        (keys.CHATBOT_HINT, "anna"),
        (keys.DESK_OPEN, "d1"),
    ):
        assert house.client.exists(key.of(name)) == 0


async def test_expired_hints_leave_a_desk_that_nobody_reads(house: RedisHouse) -> None:
    house.store.place(make_hint("h1"), "d1")
    house.now_ms += HOUR_MS
    house.store.place(make_hint("h2", expires_at_ms=house.now_ms + HOUR_MS), "d1")
    assert house.client.zcard(keys.DESK_OPEN.of("d1")) == 1
