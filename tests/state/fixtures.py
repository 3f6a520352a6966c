"""Fixtures of the contract suites: every test runs in memory and on the real Redis, new and old."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.parts.machine import wheel_redis_binary
from tests.parts.redis_server import RedisServer, emptied
from tests.state.houses import House, MemoryHouse, RedisHouse


@pytest.fixture(scope="session")
def shared_old_redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Redis 6.2, the oldest server we start, for the whole run."""
    with RedisServer(tmp_path_factory.mktemp("old_redis"), binary=wheel_redis_binary()) as server:
        yield server.url


@pytest.fixture
def old_redis_url(shared_old_redis_url: str) -> str:
    """The address of a real Redis 6.2 that is empty as the test begins."""
    return emptied(shared_old_redis_url)


EVERY_REDIS = (
    pytest.param("redis_url", marks=pytest.mark.requires("redis")),
    pytest.param("old_redis_url", marks=pytest.mark.requires("wheel_redis")),
)


@pytest.fixture(params=EVERY_REDIS)
def any_redis_url(request: pytest.FixtureRequest) -> str:
    """An empty Redis: the machine's own, then 6.2."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture(params=["memory", *EVERY_REDIS])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """An empty house; small channels."""
    made: House
    if request.param == "memory":
        made = MemoryHouse(kept_events=5)
    else:
        made = RedisHouse(request.getfixturevalue(request.param), kept_events=5)
    yield made
    await made.close()
