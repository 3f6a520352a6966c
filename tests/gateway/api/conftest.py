"""A client of the gateway's HTTP API."""

from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.running import RunningGateway


@pytest.fixture
def api(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """Without a token: each request brings its own."""
    with httpx.Client(base_url=gateway.addresses.http, timeout=120) as client:
        yield client
