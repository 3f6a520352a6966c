"""A gateway that serves pages, with hints of a test's own."""

from collections.abc import Iterator

import pytest

from tests.gateway.page_house import PageHouse, open_page_house
from tests.parts.redis_server import RedisServer


@pytest.fixture
def house(redis_server: RedisServer) -> Iterator[PageHouse]:
    """Open, with nothing in it."""
    with open_page_house(redis_server) as opened:
        yield opened
