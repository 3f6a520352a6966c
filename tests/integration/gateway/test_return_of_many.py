"""Hundreds of desks that join one gateway in the same instant: they ask in turn, and nobody is turned away."""

import asyncio

import pytest

from gateway.push.hub import Hub
from state.redis.connections import MOST_CONNECTIONS
from tests.gateway.push.test_hub import Ear
from tests.state.houses import NOON_MS, RedisHouse, make_hint

pytestmark = pytest.mark.requires("redis")

MANY = 8 * MOST_CONNECTIONS


async def test_all_are_let_in_and_told_what_they_missed(redis_url: str) -> None:
    house = RedisHouse(redis_url)
    hub = Hub(house.board, lambda: NOON_MS)
    hub.start()
    names = [f"d{number}" for number in range(MANY)]
    for name in names:
        house.store.place(make_hint(f"h-{name}"), name)
    epochs = [(await house.board.position(f"desk:{name}")).epoch for name in names]
    ears = [Ear() for _ in names]
    joining = zip(names, ears, epochs, strict=True)
    await asyncio.gather(*(hub.join(f"desk:{name}", ear, epoch, 0) for name, ear, epoch in joining))
    assert {tuple(ear.offsets) for ear in ears} == {(1,)}
    assert all(ear.start is not None and ear.start.recovered for ear in ears)
    house.store.place(make_hint("more"), names[-1])
    await ears[-1].until(lambda: ears[-1].offsets == [1, 2])
    assert hub.stale_since_ms is None
    await hub.stop()
    await house.close()
