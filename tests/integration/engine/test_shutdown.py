"""SIGTERM: everything stops in order within ten seconds, exit 0, and the next start reads nothing again."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.integration.engine.engine_process import EngineProcess, post, told_facts, until
from tests.integration.engine.engine_set import EngineSet
from tests.integration.engine.quick_events import KINDS, QUICK, event, now_ms, oracles_facts
from tests.parts.pace import slowness_since
from tests.parts.redis_server import RedisServer
from tests.streams import wire

LONGEST_S = 10.0
AT_ONCE_S = 6.0
"""Without the 8 s for which a process waits for the others of its set."""
READ = re.compile(r"engine stopped: events (\d+)")


def many_events(number: int) -> list[dict[str, Any]]:
    at_ms = now_ms() - number // 10
    return [event(f"c{n % 1_000}", "Transaction Step Viewed", "apply", at_ms + n // 10, n) for n in range(number)]


def read_in_order(engines: EngineSet) -> int:
    """Events read by processes that have stopped in order, in all their lives."""
    return sum(int(number) for engine in engines.engines for number in READ.findall(engine.log))


@pytest.mark.parametrize("size", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_under_load_nothing_is_lost_and_nothing_read_twice(
    client: redis.Redis, redis_server: RedisServer, tmp_path: Path, size: int
) -> None:
    events = many_events(12_000)
    with EngineSet(redis_server.url, QUICK, tmp_path, size, poll_events=50) as engines:
        engines.until_running()
        post(client, events, wire)
        for _ in range(2):
            began = time.monotonic()
            assert engines.stop() == [0] * size
            assert time.monotonic() - began < LONGEST_S * slowness_since(began)
            assert not any("left at once" in engine.log for engine in engines.engines)
            assert 0 < read_in_order(engines) < len(events)
            engines.start()
            engines.until_running()
        until(lambda: len(told_facts(client, ("abandoned",))) == 1_000, "everybody's silence")
        assert engines.stop() == [0] * size
        assert read_in_order(engines) == len(events)
        assert told_facts(client, KINDS) == oracles_facts(events)


def test_while_redis_is_away_a_set_stops_too(redis_server: RedisServer, client: redis.Redis, tmp_path: Path) -> None:
    with EngineSet(redis_server.url, QUICK, tmp_path, 2) as engines:
        engines.until_running()
        post(client, many_events(2_000), wire)
        until(lambda: len(told_facts(client, KINDS)) > 0, "the first facts")
        redis_server.kill()
        # Only one may: while it waits in a sink, Bytewax does not let the other read further than an epoch ahead.
        until(lambda: any("trying on" in engine.log for engine in engines.engines), "one meets it")
        began = time.monotonic()
        assert engines.stop() == [0, 0]
        assert time.monotonic() - began < LONGEST_S * slowness_since(began)


@pytest.mark.slow
def test_one_is_told_and_all_stop_in_order(redis_server: RedisServer, client: redis.Redis, tmp_path: Path) -> None:
    with EngineSet(redis_server.url, QUICK, tmp_path, 3) as engines:
        engines.until_running()
        events = many_events(900)
        post(client, events, wire)
        began = time.monotonic()
        engines.engines[1].send(signal.SIGTERM)
        assert [engine.wait() for engine in engines.engines] == [1, 0, 1]
        assert time.monotonic() - began < LONGEST_S * slowness_since(began)
        for engine in engines.others(1):
            assert "another process of the set was told to stop, so all have stopped, with their state" in engine.log
        engines.start()
        engines.until_running()
        until(lambda: len(told_facts(client, ("abandoned",))) == len(events), "everybody's silence")
        assert engines.stop() == [0, 0, 0]


@pytest.mark.slow
def test_one_that_hangs_does_not_hold_the_others(redis_server: RedisServer, tmp_path: Path) -> None:
    with EngineSet(redis_server.url, QUICK, tmp_path, 2) as engines:
        engines.until_running()
        first, second = engines.engines
        second.hang()
        began = time.monotonic()
        first.send(signal.SIGTERM)
        assert first.wait() == 0
        assert 5.0 < time.monotonic() - began < LONGEST_S * slowness_since(began)
        assert "engine left at once: not everything had stopped after 8 s; the next start goes on" in first.log


def test_asked_twice_it_goes_at_once(redis_server: RedisServer, tmp_path: Path) -> None:
    with EngineSet(redis_server.url, QUICK, tmp_path, 2) as engines:
        engines.until_running()
        first, second = engines.engines
        second.hang()
        first.send(signal.SIGTERM)
        time.sleep(1.0)
        began = time.monotonic()
        first.send(signal.SIGTERM)
        assert first.wait() == 0
        assert time.monotonic() - began < AT_ONCE_S * slowness_since(began)
        assert "engine left at once: asked again" in first.log


def test_while_it_waits_for_the_others_it_stops_at_once(redis_server: RedisServer, tmp_path: Path) -> None:
    engine = EngineProcess(redis_server.url, QUICK, tmp_path, ("-i", "1", "-a", "127.0.0.1:9;127.0.0.1:21003"))
    engine.start()
    until(lambda: "waits for the others at 127.0.0.1:9" in engine.log, "an engine that waits")
    began = time.monotonic()
    assert engine.stop() == 0
    assert time.monotonic() - began < AT_ONCE_S * slowness_since(began)
    assert "engine left at once: nothing had begun" in engine.log
