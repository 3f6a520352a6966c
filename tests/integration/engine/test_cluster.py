"""Several engine processes over one bus: the facts of one; one dies, all end in words; together they go on."""

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.integration.engine.engine_process import post, told_facts, until, until_told
from tests.integration.engine.engine_set import EngineSet
from tests.integration.engine.quick_events import KINDS, QUICK, oracles_facts, some_events
from tests.parts.pace import slowness_since
from tests.parts.redis_server import RedisServer
from tests.streams import wire


@pytest.mark.parametrize(("size", "workers"), [(2, 2), pytest.param(3, 1, marks=pytest.mark.slow)])
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
        until_told(lambda: told_facts(client, KINDS), lambda: oracles_facts(sent))
        assert engines.stop() == [0] * size
        assert told_facts(client, KINDS) == oracles_facts(sent)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("size", "rounds"), [(2, 2), pytest.param(3, 1, marks=pytest.mark.slow)])
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
            assert time.monotonic() - began < 10 * slowness_since(began)
            assert codes == [1] * (size - 1)
            engines.start()
        until_told(lambda: told_facts(client, KINDS), lambda: oracles_facts(sent))
        engines.until_running()
        assert engines.stop() == [0] * size
        assert told_facts(client, KINDS) == oracles_facts(sent)
        ends = [line for engine in engines.engines for line in engine.log.splitlines() if "zhiyin engine:" in line]
        assert len(ends) == rounds * (size - 1)
        assert all("another process of the set has ended" in line for line in ends)


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_each_started_again_by_itself_they_find_one_another(
    client: redis.Redis, redis_server: RedisServer, tmp_path: Path
) -> None:
    """As supervisors do who know nothing of one another; killed at any instant, also before all have met."""
    seeded = random.Random(5)
    sent: list[dict[str, Any]] = []
    with EngineSet(redis_server.url, QUICK, tmp_path, 3) as engines, supervised(engines):
        for round_number in range(6):
            batch = some_events(seeded, round_number)
            sent += batch
            post(client, batch, wire)
            time.sleep(seeded.uniform(0.0, 4.0))
            seeded.choice(engines.engines).send(signal.SIGKILL)
        until_told(lambda: told_facts(client, KINDS), lambda: oracles_facts(sent))


@contextmanager
def supervised(engines: EngineSet) -> Iterator[None]:
    """Starts each again that ends, a moment later."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.3):
            for engine in engines.engines:
                if engine.ended():
                    engine.start()

    supervisor = threading.Thread(target=look)
    supervisor.start()
    try:
        yield
    finally:
        over.set()
        supervisor.join()


def test_one_that_hangs_is_given_up_when_its_successor_comes(redis_server: RedisServer, tmp_path: Path) -> None:
    with EngineSet(redis_server.url, QUICK, tmp_path, 2) as engines:
        engines.until_running()
        first, second = engines.engines
        second.hang()
        # Its machine has vanished, and with it the lock; its successor begins somewhere else.
        (tmp_path / "recovery" / "process-1.lock").unlink()
        successor = EngineSet(redis_server.url, QUICK, tmp_path, 2, addresses=engines.addresses).engines[1]
        successor.start()
        try:
            assert first.wait() == 1
            assert "another process of the set has begun anew, so this one does too" in first.log
            first.start()
            until(lambda: successor.log.count("engine runs") == 2, "a set that runs again")
        finally:
            successor.kill()
