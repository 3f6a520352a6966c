"""The live engine's journey maps in Redis: whole after any kill, and pain points that hear what is said of them."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis

from operators.monitoring.journey_map import over, unpack_pane
from tests.integration.engine.engine_process import EngineProcess, post, told_facts, until, until_told
from tests.integration.engine.quick_events import KINDS, QUICK, oracles_facts, some_events
from tests.parts.redis_server import RedisServer
from tests.streams import wire


def mapped(client: redis.Redis) -> Counter[tuple[str, str]]:
    """Facts by kind and step, as the map in Redis has them."""
    found: Any = client.hgetall("zy:map:policy_loan")
    tally = over(unpack_pane(packed) for name, packed in found.items() if name != b"newest")
    counted: Counter[tuple[str, str]] = Counter()
    for (kind, step, _), number in tally.counts.items():
        if kind in KINDS:
            counted[kind, step] += number
    return counted


@pytest.mark.timeout(120)
def test_killed_at_any_moment_the_map_holds_each_fact_once(redis_server: RedisServer, tmp_path: Path) -> None:
    client = redis.Redis.from_url(redis_server.url)
    seeded = random.Random(5)
    engine = EngineProcess(redis_server.url, QUICK, tmp_path)
    engine.start()
    sent: list[dict[str, Any]] = []
    try:
        for round_number in range(3):
            batch = some_events(seeded, round_number)
            sent += batch
            post(client, batch, wire)
            time.sleep(seeded.uniform(0.3, 1.5))
            engine.kill()
            engine.start()
        until_told(lambda: told_facts(client, KINDS), lambda: oracles_facts(sent))
        facts = Counter((fact.kind, fact.step or "") for fact in oracles_facts(sent))
        until(lambda: mapped(client) == facts, "the map of the oracle's facts")
        assert client.hexists("zy:journeys", "policy_loan")
        assert engine.stop() == 0
    finally:
        engine.kill()
        client.close()
