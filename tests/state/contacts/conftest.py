"""A client of Redis, new and old."""

from collections.abc import Iterator

import pytest
import redis

from state.redis.connections import connect


@pytest.fixture
def client(any_redis_url: str) -> Iterator[redis.Redis]:
    """Connected; the database is empty."""
    with connect(any_redis_url) as connected:
        yield connected
