"""What hints are worth, as Prometheus reads it from a live engine; a killed engine counts nobody twice."""

import re
import urllib.request
from itertools import count
from pathlib import Path

import pytest
import redis
import yaml

from tests.integration.engine.engine_process import EngineProcess, post, until
from tests.integration.engine.quick_events import QUICK, event, now_ms
from tests.parts.redis_server import RedisServer, free_port
from tests.streams import wire

CUSTOMERS = 40
ATTEMPTS = re.compile(r'^zhiyin_uplift_attempts\{[^}]*group="(control|offered)"[^}]*\} (\d+)', re.MULTILINE)

pytestmark = pytest.mark.timeout(120)


def counted(port: int) -> dict[str, int]:
    """Attempts by group; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as answer:
            return {group: int(count) for group, count in ATTEMPTS.findall(answer.read().decode())}
    except OSError:
        return {}


def test_break_offs_are_counted_by_group_once_through_a_kill(redis_server: RedisServer, tmp_path: Path) -> None:
    catalogue = yaml.safe_load(QUICK.read_text("utf-8"))
    catalogue |= {"label_timeout": "1s", "control_group": {"share": 0.5}}
    path, port = tmp_path / "halves.yaml", free_port()
    path.write_text(yaml.safe_dump(catalogue, allow_unicode=True), "utf-8")
    engine = EngineProcess(redis_server.url, path, tmp_path, engine_metrics_port=port)
    long_ago_ms, looks = now_ms() - 600_000, count()
    with redis.Redis.from_url(redis_server.url) as client:

        def total() -> int:
            """Time goes on where somebody comes; new customers each look, who break off later."""
            look = next(looks)
            names = [f"now-{look}-{number}" for number in range(16)]
            post(client, [event(name, "Transaction Step Viewed", "apply", now_ms()) for name in names], wire)
            return sum(counted(port).values())

        try:
            engine.start()
            gone = [event(f"c{n}", "Transaction Step Viewed", "apply", long_ago_ms + n) for n in range(CUSTOMERS)]
            post(client, gone, wire)
            until(lambda: total() == CUSTOMERS, "everybody who broke off long ago")
            before = counted(port)
            engine.kill()
            engine.start()
            until(lambda: total() >= CUSTOMERS, "the counts of before")
            assert counted(port) == before
            assert min(before.values()) >= CUSTOMERS // 5
            assert engine.stop() == 0
        finally:
            engine.kill()
