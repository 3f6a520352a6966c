"""Houses of hints for the contract suites: every test runs in memory and on a real Redis."""

from collections.abc import AsyncIterator

import pytest

from tests.state.houses import House, MemoryHouse, RedisHouse


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.requires("redis"))])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """An empty house; small channels."""
    made: House
    if request.param == "memory":
        made = MemoryHouse(kept_events=5)
    else:
        made = RedisHouse(request.getfixturevalue("redis_url"), kept_events=5)
    yield made
    await made.close()
