"""From a refusal to the fact, with a real engine: the catalogue is mended, the letter redriven, the fact told once."""

import asyncio
import os
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from state.bus.redis import RedisBusWriter
from state.dead_letters.redis import RedisDeadLetterStore
from state.dead_letters.redrive import BusRedriver
from state.dead_letters.redrive_log import RedriveLog
from state.dead_letters.store import ListedLetter, TimeSpan
from state.redis.connections import StoreUnavailable, connect, connect_async
from tests.integration.engine.engine_process import PARTITIONS, EngineProcess, post, stream_documents, told_facts, until
from tests.parts.redis_server import RedisServer, free_port
from tests.streams import wire
from tests.zhiyin.up.house_up import QUICK, clean_environment
from zhiyin.cli.main import main

STEP = "      - id: face_check\n"
KINDS = ("started", "completed")
CLOCK_OFF_MS = 5_000
"""How far the sender's clock is behind: the event's own timestamp is that much earlier than the corrected one."""


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """The quick catalogue, which calls its face check by another name than the website does."""
    path = tmp_path / "catalogue.yaml"
    path.write_text(QUICK.read_text("utf-8").replace(STEP, "      - id: face\n"), "utf-8")
    return path


@pytest.fixture
def client(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    """The engine's Redis, which the command line finds too."""
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    monkeypatch.setenv("ZHIYIN_BUS_PARTITIONS", str(PARTITIONS))
    return redis.Redis.from_url(redis_server.url)


@pytest.fixture
def engine(redis_server: RedisServer, catalogue: Path, tmp_path: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(redis_server.url, catalogue, tmp_path)
    yield process
    process.kill()


def event(customer: str, name: str = "Transaction Completed", step: str = "face_check") -> dict[str, Any]:
    """By default one that ends an attempt: a second of it would be an attempt of its own."""
    return {
        "customer": customer,
        "id": f"{customer}-{name}",
        "name": name,
        "at_ms": time.time_ns() // 1_000_000,
        "journey": "policy_loan",
        "transaction_id": "t1",
        "step": step,
    }


def mend(catalogue: Path) -> None:
    catalogue.write_text(QUICK.read_text("utf-8"), "utf-8")


def refused(client: redis.Redis, engine: EngineProcess, *events: dict[str, Any]) -> None:
    """Runs the engine until it has refused all of ``events``."""
    engine.start()
    post(client, events, lambda event: wire({**event, "at_ms": event["at_ms"] - CLOCK_OFF_MS}))
    until(lambda: client.xlen("zy:dead-letters") == len(events), "the dead letters")


def taken(client: redis.Redis) -> None:
    """Waits until an event posted now has been told of: then all before it has been, too."""
    names = [f"last{number}" for number in range(8)]
    post(client, [event(name, "Transaction Started", "apply") for name in names], wire)
    until(lambda: {f.customer_id for f in told_facts(client, KINDS)} >= set(names), "the last facts")


def facts_of(client: redis.Redis, customer: str) -> list[tuple[str, int]]:
    return [(fact.kind, fact.at_ms) for fact in told_facts(client, KINDS) if fact.customer_id == customer]


@pytest.mark.timeout(120)
def test_a_mended_catalogue_takes_what_is_redriven_once(
    client: redis.Redis, engine: EngineProcess, catalogue: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sent = event("anna")
    refused(client, engine, sent)
    [before] = stream_documents(client, "zy:dead-letters")
    assert before["failure"]["kind"] == "unknown_step"
    assert told_facts(client, KINDS) == []

    assert main(["dead-letters", "redrive", "--all", "--yes"]) == 0
    until(lambda: client.xlen("zy:dead-letters") == 2, "the second refusal: the catalogue is as it was")
    assert engine.stop() == 0
    mend(catalogue)
    engine.start()
    capfd.readouterr()
    assert main(["dead-letters", "redrive", "--kind", "unknown_step", "--yes"]) == 0
    assert capfd.readouterr().out == "redriven: 1 letter (unknown_step 1)\nleft out: 1 redriven before\n"
    until(
        lambda: facts_of(client, "anna") == [("completed", sent["at_ms"]), ("started", sent["at_ms"])],
        "the fact, as of then",
    )

    assert main(["dead-letters", "redrive", "--kind", "unknown_step", "--yes"]) == 0
    assert capfd.readouterr().out == "redriven: 0 letters\nleft out: 2 redriven before\n"
    taken(client)
    assert facts_of(client, "anna") == [("completed", sent["at_ms"]), ("started", sent["at_ms"])]
    assert client.xlen("zy:dead-letters") == 2
    assert engine.stop() == 0


class BreaksOff(RedriveLog):
    """The power fails after the event went and before the letter is marked."""

    def mark(self, letters: object, now_ms: int) -> None:
        raise StoreUnavailable("marking", "here", "gone", "the power failed", "wait")


async def redrive_in_two_steps(url: str, marks: type[RedriveLog]) -> int:
    """All letters, as to a bus that is elsewhere."""
    client = connect_async(url)
    try:
        with connect(url) as marking:
            letters: list[ListedLetter] = list(RedisDeadLetterStore(marking).letters(TimeSpan()))
            redriver = BusRedriver(RedisBusWriter(client, PARTITIONS, 1_000), marks(marking))
            return await redriver.redrive(letters, time.time_ns() // 1_000_000)
    finally:
        await client.aclose()


@pytest.mark.timeout(120)
def test_an_event_that_went_twice_because_the_mark_was_lost_is_known_by_its_message_id(
    client: redis.Redis, catalogue: Path, redis_server: RedisServer, tmp_path: Path
) -> None:
    port = free_port()
    engine = EngineProcess(redis_server.url, catalogue, tmp_path, engine_metrics_port=port)
    sent = [event("anna"), event("bo")]
    refused(client, engine, *sent)
    assert engine.stop() == 0
    mend(catalogue)
    with pytest.raises(StoreUnavailable):
        asyncio.run(redrive_in_two_steps(redis_server.url, BreaksOff))
    assert client.hlen("zy:redriven") == 0
    assert asyncio.run(redrive_in_two_steps(redis_server.url, RedriveLog)) == 2
    assert asyncio.run(redrive_in_two_steps(redis_server.url, RedriveLog)) == 0
    engine.start()
    try:
        taken(client)
        for each in sent:
            assert facts_of(client, each["customer"]) == [("completed", each["at_ms"]), ("started", each["at_ms"])]
        assert 'zhiyin_engine_events_total{outcome="duplicate"} 2.0' in scraped(port)
        assert client.xlen("zy:dead-letters") == 2
        assert engine.stop() == 0
    finally:
        engine.kill()


def scraped(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=120) as answer:
        return str(answer.read(), "utf-8")
