"""More processes or workers, and fewer again, over one recovery folder: nothing is forgotten, nothing told twice."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.integration.engine.engine_process import post, told_facts, until_told
from tests.integration.engine.engine_set import EngineSet
from tests.integration.engine.quick_events import KINDS, QUICK, oracles_facts, some_events
from tests.parts.redis_server import RedisServer
from tests.streams import wire


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("killed", "scales"),
    [
        pytest.param(False, ((1, 1), (2, 1), (3, 1), (1, 1)), id="stopped", marks=pytest.mark.slow),
        pytest.param(True, ((1, 1), (2, 2), (3, 1), (1, 1)), id="killed"),
        pytest.param(True, ((1, 1), (1, 2), (1, 3), (1, 1)), id="workers", marks=pytest.mark.slow),
    ],
)
def test_the_facts_of_one_at_every_scale(
    redis_server: RedisServer, tmp_path: Path, scales: tuple[tuple[int, int], ...], *, killed: bool
) -> None:
    client = redis.Redis.from_url(redis_server.url)
    seeded = random.Random(7)
    sent: list[dict[str, Any]] = []
    for round_number, (size, workers) in enumerate(scales):
        with EngineSet(redis_server.url, QUICK, tmp_path, size, workers=workers) as engines:
            engines.until_running()
            batch = some_events(seeded, round_number)
            sent += batch
            post(client, batch, wire)
            time.sleep(seeded.uniform(0.2, 1.2))
            assert killed or engines.stop() == [0] * size
    with EngineSet(redis_server.url, QUICK, tmp_path, 2, workers=2):
        until_told(lambda: told_facts(client, KINDS), lambda: oracles_facts(sent))
