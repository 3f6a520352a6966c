"""News of channels by one connection: nothing hangs on a ring that is missed."""

import asyncio
from typing import Any

import pytest

from state.hints.repository import CHANNELS_A_QUESTION, SWEEP_EVERY_S
from state.redis import keys
from state.redis.channels import ChannelEntry
from tests.parts.redis_server import RedisServer
from tests.state.houses import RedisHouse, make_hint

pytestmark = pytest.mark.requires("redis")

CHANNEL = keys.CHANNEL.of("desk:d1")


async def offsets(house: RedisHouse, positions: dict[str, int]) -> dict[str, list[int]]:
    """What comes after the positions, within two seconds."""
    found = await house.wait(positions, 2_000)
    return {name: [entry.offset for entry in entries] for name, entries in found.items()}


async def test_a_ring_that_is_missed_costs_nothing_but_time(redis_server: RedisServer) -> None:
    house = RedisHouse(redis_server.url)
    loop = asyncio.get_running_loop()
    assert await house.wait({"desk:d1": 0}, 200) == {}
    assert house.client.client_kill_filter(_type="pubsub") == 1
    house.store.place(make_hint("h1"), "d1")
    began_s = loop.time()
    found: dict[str, list[int]] = {}
    while not found:
        found = await offsets(house, {"desk:d1": 0})
    assert found == {"desk:d1": [1]}
    assert loop.time() - began_s < SWEEP_EVERY_S + 5
    house.store.place(make_hint("h2"), "d1")
    assert await offsets(house, {"desk:d1": 1}) == {"desk:d1": [2]}
    await house.close()


async def listening(house: RedisHouse) -> None:
    """The doorbell is heard from now on; the channel has one entry."""
    house.store.place(make_hint("h0"), "d1")
    while not await house.wait({"desk:d1": 0}, 200, ()):
        pass


async def test_what_rings_need_not_be_read(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    await listening(house)
    house.store.place(make_hint("h1"), "d1")
    house.store.place(make_hint("h2"), "d1")
    written: Any = house.client.xrange(CHANNEL)
    house.client.delete(CHANNEL)
    found: list[ChannelEntry] = []
    while len(found) < 2:
        found += (await house.wait({"desk:d1": 1 + len(found)}, 2_000, ())).get("desk:d1", [])
    assert [entry.offset for entry in found] == [2, 3]
    assert [entry.event for entry in found] == [fields[b"e"] for _, fields in written[1:]]
    await house.close()


async def test_what_does_not_follow_is_read(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    await listening(house)
    for number in (2, 3):
        house.client.xadd(CHANNEL, {"e": f"event {number}"}, id=f"{number}-0")
    house.client.publish(CHANNEL, f"3-0 {(await house.board.position('desk:d1')).epoch} three")
    found = await house.wait({"desk:d1": 1}, 2_000, ())
    assert [(entry.offset, entry.event) for entry in found["desk:d1"]] == [(2, b"event 2"), (3, b"event 3")]
    await house.close()


@pytest.mark.parametrize("ring", ["2-0 another-life two", "2-0"])
async def test_what_rang_in_another_life_or_says_of_none_is_passed_over(redis_url: str, ring: str) -> None:
    house = RedisHouse(redis_url)
    await listening(house)
    house.client.publish(CHANNEL, ring)
    house.store.place(make_hint("h1"), "d1")
    found = await house.wait({"desk:d1": 1}, 2_000, ())
    assert [entry.offset for entry in found["desk:d1"]] == [2]
    assert b"h1" in found["desk:d1"][0].event
    await house.close()


async def test_a_channel_that_is_new_to_the_reader_is_read_at_once(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    await house.wait({"desk:d1": 0}, 1)
    house.store.place(make_hint("h1"), "d2")
    await house.wait({"desk:d1": 0}, 1)
    assert await offsets(house, {"desk:d1": 0, "desk:d2": 0}) == {"desk:d2": [1]}
    await house.close()


async def test_more_channels_than_go_into_one_question(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    names = [f"d{number}" for number in range(CHANNELS_A_QUESTION + 5)]
    positions = {f"desk:{name}": 0 for name in names}
    await house.wait(positions, 1)
    for name in (names[0], names[-1]):
        house.store.place(make_hint(f"h-{name}"), name)
    found: dict[str, list[int]] = {}
    while len(found) < 2:
        found |= await offsets(house, {name: after for name, after in positions.items() if name not in found})
    assert found == {f"desk:{names[0]}": [1], f"desk:{names[-1]}": [1]}
    await house.close()
