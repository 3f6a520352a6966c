"""The engine's recovery store does not grow with customers, and a restart does not take longer for them.

Its store keeps a row for ever for each key that was ever discarded, and restarts slow down with their square: so
keys are shards and journeys, never customers. A million of them were counted the same way (docs/topics/delivery.md).
"""

import sqlite3
import time
from pathlib import Path

import pytest
import redis

from tests.integration.engine.engine_process import EngineProcess, post, until
from tests.integration.engine.quick_events import QUICK, event, now_ms
from tests.parts.pace import slowness_since
from tests.parts.redis_server import RedisServer
from tests.streams import wire

SHARDS = 8
FEW, MANY = 500, 50_000
KEYS = 2 * SHARDS + 1 + 2
"""Tracking and arbitration by shard, one journey, two partitions of the bus."""
LONGEST_RESTART_S = 30.0


def rows(recovery: Path) -> dict[str, int]:
    """Rows in the engine's store, by table."""
    found: dict[str, int] = {}
    for path in recovery.glob("part-*.sqlite3"):
        with sqlite3.connect(path) as part:
            for (table,) in part.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                (count,) = part.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608 - its own names
                found[table] = found.get(table, 0) + count
        part.close()
    return found


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_rows_do_not_grow_with_customers(redis_server: RedisServer, tmp_path: Path) -> None:
    client = redis.Redis.from_url(redis_server.url)
    engine = EngineProcess(redis_server.url, QUICK, tmp_path, shards=SHARDS)
    counted = []
    seen = 0
    for customers in (FEW, MANY):
        engine.start()
        for begin in range(seen, customers, 5_000):
            numbers = range(begin, min(customers, begin + 5_000))
            # Each one begins and completes at once: the engine holds it, and then forgets it.
            post(client, [event(f"c{n}", "Transaction Step Viewed", "confirm", now_ms(), n) for n in numbers], wire)
        until(lambda: client.xlen("zy:facts") == 2 * customers, "everybody's facts")  # noqa: B023 - at once
        assert engine.stop() == 0
        seen = customers
        counted.append(rows(tmp_path / "recovery"))
    few, many = counted
    assert many["snaps"] <= 3 * KEYS
    assert sum(many.values()) - sum(few.values()) <= 2 * KEYS
    began = time.monotonic()
    engine.start()
    post(client, [event("last", "Transaction Started", None, now_ms())], wire)
    until(lambda: client.xlen("zy:facts") > 2 * MANY, "an output after the restart", LONGEST_RESTART_S)
    assert time.monotonic() - began < LONGEST_RESTART_S * slowness_since(began)
    assert engine.stop() == 0
