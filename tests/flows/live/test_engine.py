"""The live engine over a real Redis: hints come and go, and it may be stopped, killed and starved."""

import random
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from tests.integration.engine.engine_process import EngineProcess, post, stream_documents, told_facts, until
from tests.integration.engine.quick_events import KINDS, QUICK, event, now_ms, oracles_facts, some_events
from tests.parts.pace import slowness_since
from tests.parts.redis_server import RedisServer, free_port
from tests.streams import wire


@pytest.fixture
def engine(redis_server: RedisServer, tmp_path: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(redis_server.url, QUICK, tmp_path)
    yield process
    process.kill()


def test_a_hint_appears_after_the_silence_and_goes_when_the_customer_returns(
    engine: EngineProcess, client: redis.Redis
) -> None:
    engine.start()
    at_ms = now_ms()
    post(client, [event("anna", "Transaction Step Viewed", "face_check", at_ms)], wire)
    until(lambda: client.exists("zy:hint:anna") == 1, "a hint for anna")
    hint = orjson.loads(client.get("zy:hint:anna") or b"{}")["hints"][0]
    assert (hint["customer_id"], hint["step"], hint["reason"]["code"]) == ("anna", "face_check", "unknown")
    post(client, [event("anna", "Transaction Step Viewed", "confirm", now_ms())], wire)
    until(lambda: client.exists("zy:hint:anna") == 0, "the hint's retirement")
    until(lambda: len(told_facts(client, KINDS)) == 4, "four facts")
    assert [fact.kind for fact in told_facts(client, KINDS)] == ["abandoned", "completed", "returned", "started"]
    assert engine.stop() == 0


def test_events_that_cannot_be_taken_are_dead_letters_and_the_stream_goes_on(
    engine: EngineProcess, client: redis.Redis
) -> None:
    engine.start()
    ahead = event("bo", "Transaction Started", None, now_ms() + 120_000)
    post(client, [ahead, {**ahead, "customer": "cy", "at_ms": now_ms(), "journey": "mortgage"}], wire)
    client.xadd("zy:bus:0", {"k": "di", "t": now_ms(), "e": b"\xff{"})
    client.xadd("zy:bus:1", {"nothing": "of ours"})
    post(client, [event("anna", "Transaction Started", None, now_ms())], wire)
    until(lambda: client.exists("zy:hint:anna") == 1, "a hint for anna")
    letters = stream_documents(client, "zy:dead-letters")
    kinds = sorted(letter["failure"]["kind"] for letter in letters)
    assert kinds == ["not_json", "not_json", "time_out_of_range", "unknown_journey"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_it_tells_the_oracles_facts_once(
    client: redis.Redis, tmp_path: Path, redis_server: RedisServer, workers: int
) -> None:
    seeded = random.Random(workers)
    engine = EngineProcess(redis_server.url, QUICK, tmp_path, workers=workers)
    engine.start()
    sent: list[dict[str, Any]] = []
    for round_number in range(4):
        batch = some_events(seeded, round_number)
        sent += batch
        post(client, batch, wire)
        time.sleep(seeded.uniform(0.3, 1.5))
        engine.kill()
        engine.start()
    expected = oracles_facts(sent)
    until(lambda: told_facts(client, KINDS) == expected, "the oracle's facts")
    assert engine.stop() == 0
    until(lambda: len(told_facts(client, KINDS)) == len(expected), "nothing after the end")


def test_redis_gone_in_the_middle_is_waited_for_and_nothing_is_lost(
    engine: EngineProcess, client: redis.Redis, redis_server: RedisServer
) -> None:
    _lose_redis_after_a_fact(engine, client, redis_server)
    until(lambda: "trying on" in engine.log, "the engine meets it")
    redis_server.start()
    until(lambda: client.exists("zy:hint:anna") == 1, "a hint for anna")
    assert engine.stop() == 0


def test_it_stops_in_order_while_redis_is_away(
    engine: EngineProcess, client: redis.Redis, redis_server: RedisServer
) -> None:
    _lose_redis_after_a_fact(engine, client, redis_server)
    until(lambda: "trying on" in engine.log, "the engine meets it")
    began = time.monotonic()
    assert engine.stop() == 0
    assert time.monotonic() - began < 10 * slowness_since(began)


def _lose_redis_after_a_fact(engine: EngineProcess, client: redis.Redis, redis_server: RedisServer) -> None:
    """The engine has heard of anna and told so; then its Redis is gone."""
    engine.start()
    post(client, [event("anna", "Transaction Step Viewed", "apply", now_ms())], wire)
    until(lambda: len(told_facts(client, KINDS)) >= 1, "the first fact")
    redis_server.kill()


def test_the_bus_is_trimmed_behind_what_is_safely_held_and_not_further(
    engine: EngineProcess, client: redis.Redis
) -> None:
    engine.start()
    post(client, [event("anna", "Transaction Started", None, now_ms(), number) for number in range(50)], wire)
    key = next(key for key in ("zy:bus:0", "zy:bus:1") if client.exists(key))
    until(lambda: client.xlen(key) < 50, "the bus is trimmed")
    taken = client.get(f"{key}:taken")
    assert isinstance(taken, bytes)
    assert engine.stop() == 0


def test_snapshots_of_another_layout_are_refused_in_words(
    engine: EngineProcess, tmp_path: Path, redis_url: str
) -> None:
    engine.start()
    written = tmp_path / "recovery" / "layout.txt"
    until(written.is_file, "the snapshot folder")
    engine.stop()
    other = EngineProcess(redis_url, QUICK, tmp_path, shards=8)
    other.start()
    assert other.wait() == 1
    assert "found 4 shards, 2 bus_partitions, snapshots of format 3, expected 8 shards, 2 bus" in other.log
    assert "Traceback" not in other.log


def test_metrics_are_served_and_a_taken_port_is_named(redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    first = EngineProcess(redis_url, QUICK, tmp_path, engine_metrics_port=port)
    first.start()
    until(lambda: _scrape(port) != "", "metrics")
    assert "zhiyin_open_attempts 0.0" in _scrape(port)
    (tmp_path / "second").mkdir()
    second = EngineProcess(redis_url, QUICK, tmp_path / "second", engine_metrics_port=port)
    second.start()
    assert second.wait() == 1
    assert f"port {port} on 127.0.0.1 is taken" in second.log
    assert "Traceback" not in second.log
    assert first.stop() == 0


def _scrape(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as answer:
            return str(answer.read(), "utf-8")
    except OSError:
        return ""
