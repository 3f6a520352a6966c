"""A running gateway for tests that talk to one."""

from collections.abc import Iterator

import pytest

from tests.gateway.running import RunningGateway, gateway_settings


@pytest.fixture
def gateway(redis_url: str) -> Iterator[RunningGateway]:
    """A gateway of this test's own over an empty Redis."""
    running = RunningGateway(gateway_settings(redis_url))
    yield running
    running.stop()
