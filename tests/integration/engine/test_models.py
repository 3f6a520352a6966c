"""The live engine saves what it has learnt, begins with it again, and goes back when it is told to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from operators.learning.interfaces import MODEL_FORMAT
from state.snapshots.model_store import ModelDescription, ModelStore, models_folder
from tests.integration.engine.engine_process import EngineProcess, post, until
from tests.integration.engine.quick_events import QUICK, event, now_ms
from tests.parts.redis_server import RedisServer
from tests.streams import wire

JOURNEY = "policy_loan"
CUSTOMERS = 60

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """The quick catalogue with the learned decision, and labels that come soon."""
    catalogue = yaml.safe_load(QUICK.read_text("utf-8"))
    catalogue |= {"decision": "learned", "label_timeout": "3s"}
    path = tmp_path / "learned.yaml"
    path.write_text(yaml.safe_dump(catalogue, allow_unicode=True), "utf-8")
    return path


@pytest.fixture
def engine(redis_server: RedisServer, tmp_path: Path, learned: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(redis_server.url, learned, tmp_path, models_every_s=1)
    yield process
    process.kill()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(models_folder(str(tmp_path)), MODEL_FORMAT)


def some_customers(began_ms: int) -> list[dict[str, Any]]:
    """Every other one completes, all pause; two seconds apart, so that the first are long over when the last come."""
    return [
        event(f"c{number}", "Transaction Step Viewed", step, began_ms + number * 2_000 + pause_ms)
        for number in range(CUSTOMERS)
        for step, pause_ms in (("apply", 0), ("confirm", 1_200))[: 1 + number % 2]
    ]


def described(store: ModelStore) -> list[ModelDescription]:
    return [each for each in store.versions(JOURNEY) if isinstance(each, ModelDescription)]


def test_what_was_learnt_is_saved_taken_up_and_rolled_back(
    engine: EngineProcess, redis_server: RedisServer, store: ModelStore, tmp_path: Path
) -> None:
    began_ms = now_ms() - CUSTOMERS * 2_000 - 10_000
    with redis.Redis.from_url(redis_server.url) as client:
        engine.start()
        post(client, some_customers(began_ms), wire)

        def saved() -> bool:
            post(client, [event(f"late-{now_ms()}", "Transaction Step Viewed", "apply", now_ms())], wire)
            return bool(described(store))

        until(saved, "a version while it runs")
        assert engine.stop() == 0
    newest = described(store)[-1]
    assert newest.labels >= CUSTOMERS // 2
    assert newest.trained_from_ms is not None
    assert began_ms <= newest.trained_from_ms <= (newest.trained_to_ms or 0) <= now_ms()
    assert {each.question for each in newest.figures} >= {"unfinished"}

    assert "pinned" in engine.command("models", "rollback", "1")
    assert "begins with version" not in engine.log
    engine.start()
    with redis.Redis.from_url(redis_server.url) as client:
        post(client, [event("new", "Transaction Step Viewed", "apply", now_ms())], wire)
        until(lambda: "begins with version 1," in engine.log, "the pinned version, whatever the snapshot holds")
        assert engine.stop() == 0

        engine.command("models", "rollback", "--release")
        (tmp_path / "recovery").rename(tmp_path / "moved-away")
        client.flushdb()
        newest = described(store)[-1]
        engine.start()
        post(client, [event("newer", "Transaction Step Viewed", "apply", now_ms())], wire)
        until(lambda: f"begins with version {newest.version}, {newest.labels} labels" in engine.log, "the newest")
        assert engine.stop() == 0
