"""What the Redis that was named says: is it there, and set up so that nothing gets lost.

In: a Redis URL. Out: nothing, or what a doctor wants to know. Refused: one that does not
answer now (``RedisUnreachable``, without the password).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from state.redis.connections import Client, StoreUnavailable, answering, connect
from zhiyin.console.errors import RedisUnreachable


class RedisReport(msgspec.Struct, frozen=True):
    """``maxmemory_bytes`` 0: no limit; ``append_only``: every write is kept; ``snapshots``: RDB saves are on."""

    version: str
    append_only: bool
    snapshots: bool
    maxmemory_bytes: int
    maxmemory_policy: str


def require_redis(url: str) -> None:
    """Does nothing when the Redis at ``url`` answers. Raises RedisUnreachable."""
    with _connected(url) as client:
        client.ping()


def redis_report(url: str) -> RedisReport:
    """What the Redis at ``url`` says of itself. Raises RedisUnreachable."""
    with _connected(url) as client:
        info: dict[str, Any] = client.info("everything")
    return RedisReport(
        version=str(info.get("redis_version", "unknown")),
        append_only=bool(info.get("aof_enabled")),
        snapshots=int(info.get("rdb_last_save_time", 0)) > 0,
        maxmemory_bytes=int(info.get("maxmemory", 0)),
        maxmemory_policy=str(info.get("maxmemory_policy", "unknown")),
    )


@contextmanager
def _connected(url: str) -> Iterator[Client]:
    try:
        with connect(url) as client, answering("start", client):
            yield client
    except StoreUnavailable as error:
        raise RedisUnreachable(error.address, error.reason.rstrip("."), error.advice) from error
