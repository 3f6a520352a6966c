"""Several engine processes over one bus: the facts of one; one dies, all end in words; together they go on."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.flows.engine_process import post, told_facts, until
from tests.flows.engine_set import EngineSet
from tests.flows.quick_events import KINDS, QUICK, oracles_facts, some_events
from tests.redis_server import RedisServer
from tests.streams import wire


@pytest.fixture
def client(redis_server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(redis_server.url)


@pytest.mark.parametrize(("size", "workers"), [(2, 1), (3, 1), (2, 2)])
def test_several_processes_tell_the_facts_of_one(
    client: redis.Redis, redis_server: RedisServer, tmp_path: Path, size: int, workers: int
) -> None:
    seeded = random.Random(size)
    sent: list[dict[str, Any]] = []
    with EngineSet(redis_server.url, QUICK, tmp_path, size, workers=workers) as engines:
        for round_number in range(4):
            batch = some_events(seeded, round_number)
            sent += batch
            post(client, batch, wire)
            time.sleep(0.5)
        until(lambda: told_facts(client, KINDS) == oracles_facts(sent), "the oracle's facts")
        assert engines.stop() == [0] * size
        assert told_facts(client, KINDS) == oracles_facts(sent)


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("size", "rounds"), [(2, 3), (3, 2)])
def test_one_dies_all_end_in_words_and_the_set_goes_on(
    client: redis.Redis, redis_server: RedisServer, tmp_path: Path, size: int, rounds: int
) -> None:
    seeded = random.Random(size)
    sent: list[dict[str, Any]] = []
    with EngineSet(redis_server.url, QUICK, tmp_path, size) as engines:
        for round_number in range(rounds):
            batch = some_events(seeded, round_number)
            sent += batch
            post(client, batch, wire)
            engines.until_running()
            time.sleep(seeded.uniform(0.0, 2.0))
            victim = seeded.randrange(size)
            began = time.monotonic()
            codes = engines.lost(victim)
            assert time.monotonic() - began < 10
            assert codes == [1] * (size - 1)
            engines.start()
        until(lambda: told_facts(client, KINDS) == oracles_facts(sent), "the oracle's facts", 40)
        engines.until_running()
        assert engines.stop() == [0] * size
        assert told_facts(client, KINDS) == oracles_facts(sent)
        ends = [line for engine in engines.engines for line in engine.log.splitlines() if "zhiyin engine:" in line]
        assert len(ends) == rounds * (size - 1)
        assert all("another process of the set has ended" in line for line in ends)
