"""Hints worded by the bandit behind a live engine, through a kill; what is counted of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
import redis

from flows.metrics.engine import EngineMetrics
from flows.sinks.output_metrics import OutputMetrics
from operators.hints.hint import Wording, WordingReward
from tests.integration.engine.engine_process import EngineProcess, post, until
from tests.integration.engine.quick_events import QUICK, event, now_ms
from tests.parts.redis_server import RedisServer
from tests.state.houses import make_hint
from tests.streams import wire

CUSTOMERS = [f"c{number}" for number in range(20)]


@pytest.fixture
def engine(redis_server: RedisServer, tmp_path: Path) -> Iterator[EngineProcess]:
    text = QUICK.read_text("utf-8")
    wordings = '    variants:\n      - {zh: "{journey}只差一步", en: "One step left of your {journey}"}\n'
    text = text.replace("  unknown:\n", f"  unknown:\n{wordings}")
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(text + "hints: {wording: bandit}\n", "utf-8")
    process = EngineProcess(redis_server.url, catalogue, tmp_path)
    yield process
    process.kill()


def hints(client: redis.Redis) -> dict[str, dict[str, Any]]:
    """The open hints by customer, one each."""
    found = {each: client.get(f"zy:hint:{each}") for each in CUSTOMERS}
    return {each: orjson.loads(text)["hints"][0] for each, text in found.items() if isinstance(text, bytes)}


@pytest.mark.slow
@pytest.mark.requires("redis")
@pytest.mark.timeout(120)
def test_hints_keep_their_wording_through_a_kill_and_end_after_they_began(
    engine: EngineProcess, client: redis.Redis
) -> None:
    engine.start()
    post(client, [event(each, "Transaction Step Viewed", "apply", now_ms()) for each in CUSTOMERS], wire)
    until(lambda: len(hints(client)) == len(CUSTOMERS), "a hint for each")
    told = hints(client)
    for each in told.values():
        assert each["wording"]["propensity"] == 0.5
        assert each["text"]["en"].startswith("One step left") == (each["wording"]["variant"] == 1)
    assert {each["wording"]["variant"] for each in told.values()} == {0, 1}
    finish = [customer for customer, hint in told.items() if hint["wording"]["variant"] == 1]
    post(client, [event(each, "Transaction Completed", "confirm", now_ms()) for each in finish], wire)
    stay = {customer: hint for customer, hint in told.items() if customer not in finish}
    until(lambda: hints(client) == stay, "the hints of those who finished are gone, and no other")
    engine.kill()
    engine.start()
    post(client, [event("late", "Transaction Step Viewed", "apply", now_ms())], wire)
    until(lambda: client.exists("zy:hint:late") == 1, "it has caught up")
    again = finish[0]
    post(client, [event(again, "Transaction Step Viewed", "apply", now_ms())], wire)
    until(lambda: again in hints(client), "another hint")
    variant, propensity = (hints(client)[again]["wording"][name] for name in ("variant", "propensity"))
    assert propensity > 0.5 if variant == 1 else propensity < 0.5
    assert engine.stop() == 0


def test_shares_and_rewards_are_counted_by_variant() -> None:
    metrics = EngineMetrics()
    hint = msgspec.structs.replace(make_hint(), wording=Wording(1, 0.4))
    reward = WordingReward(
        hint_id="h1",
        customer_id="anna",
        journey="policy_loan",
        reason="face",
        variant=1,
        propensity=0.4,
        reward=1.0,
        at_ms=5,
    )
    OutputMetrics(metrics).verdicts((hint, make_hint("plain"), reward, msgspec.structs.replace(reward, reward=0.0)))
    labels = {"journey": "policy_loan", "reason": "face", "variant": "1"}
    value = metrics.registry.get_sample_value
    assert value("zhiyin_hint_wordings_total", labels) == 1
    assert value("zhiyin_hint_wording_outcomes_total", {**labels, "outcome": "completed"}) == 1
    assert value("zhiyin_hint_wording_outcomes_total", {**labels, "outcome": "not_completed"}) == 1
