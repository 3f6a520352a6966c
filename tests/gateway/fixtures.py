"""Fixtures of the gateway: one that runs, and a house of hints for tests of its parts."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.gateway.running import RunningGateway, gateway_settings
from tests.state.houses import House, MemoryHouse, RedisHouse

Started = Callable[..., RunningGateway]


@pytest.fixture(scope="session")
def shared_gateway(shared_redis_url: str) -> Iterator[RunningGateway]:
    """One gateway for all tests that leave its metrics and settings alone."""
    running = RunningGateway(gateway_settings(shared_redis_url))
    yield running
    running.stop()


@pytest.fixture
def gateway(shared_gateway: RunningGateway, redis_url: str) -> RunningGateway:
    """A running gateway over a Redis that is empty as the test begins."""
    assert shared_gateway.settings.redis_url == redis_url
    return shared_gateway


@pytest.fixture
def started() -> Iterator[Started]:
    """Starts gateways of this test's own: ``started(redis_url, setting=value)``; they are stopped at its end."""
    running: list[RunningGateway] = []

    def start(redis_url: str, **more: object) -> RunningGateway:
        running.append(RunningGateway(gateway_settings(redis_url, **more)))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.requires("redis"))])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """An empty house of hints: in memory, then in Redis."""
    made: House = MemoryHouse() if request.param == "memory" else RedisHouse(request.getfixturevalue("redis_url"))
    yield made
    await made.close()
