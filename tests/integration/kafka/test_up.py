"""The whole way with Kafka as the bus: events over HTTP, hints on the desk, and a broker that is killed in between."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from state.bus.protocol import partition_of
from tests.kafka.broker import KafkaBroker
from tests.parts.pace import slowness_since
from tests.parts.processes import until
from tests.parts.redis_server import free_port
from tests.zhiyin.up.house_up import QUICK, HouseUp, broken_off, desk_of, event
from tests.zhiyin.up.test_up import run_up

pytestmark = [pytest.mark.requires("redis", "kafka"), pytest.mark.timeout(180)]
PARTITIONS = 4


def kafka_environment(servers: str) -> dict[str, str]:
    name = secrets.token_hex(4)
    kinds = {"TOPIC": "events", "FACTS_TOPIC": "facts", "HINTS_TOPIC": "hints", "DEAD_LETTERS_TOPIC": "letters"}
    topics = {f"ZHIYIN_KAFKA_{variable}": f"{kind}-{name}" for variable, kind in kinds.items()}
    return {"ZHIYIN_BUS": "kafka", "ZHIYIN_KAFKA_SERVERS": servers, "ZHIYIN_KAFKA_GROUP": f"group-{name}", **topics}


@pytest.fixture
def environment(kafka_broker: KafkaBroker) -> dict[str, str]:
    return {**kafka_environment(kafka_broker.servers), "ZHIYIN_EPOCH_MS": "500"}


@pytest.fixture
def house(tmp_path: Path, environment: dict[str, str]) -> Iterator[HouseUp]:
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK), environment=environment) as house:
        yield house
    until(lambda: not house.processes())


def metric(house: HouseUp, name: str) -> dict[str, float]:
    """The engine's samples of a name, by what stands in their braces."""
    text = httpx.get(house.addresses["metrics"]["engine"], timeout=120).text
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith(f"{name}{{")]
    return {label.partition("{")[2].rstrip("}"): float(value) for label, _, value in lines}


@pytest.mark.slow
def test_a_hint_reaches_the_desk_and_a_broker_that_was_killed_is_waited_for(
    house: HouseUp, kafka_broker: KafkaBroker
) -> None:
    with desk_of(house) as desk:
        assert house.post(*broken_off("c-1")).status_code == 200
        hint = desk.event("created", "c-1")["data"]
        assert hint["step"] == "face_check"
        kafka_broker.kill()
        assert house.post(*broken_off("c-2")).status_code == 503
        until(lambda: not house.ready())
        kafka_broker.start()
        until(house.ready)
        until(lambda: house.post(event("Transaction Completed", "c-1"), *broken_off("c-3")).status_code == 200)
        assert desk.event("retired", "c-1")["data"]["cause"] == "completed"
        assert desk.event("created", "c-3")["data"]["step"] == "face_check"
    assert house.heard("trying on, event time stands still meanwhile")
    assert house.heard("Kafka is back")
    assert house.interrupt() == 0


def test_lag_is_a_metric_and_other_tools_see_it_too(house: HouseUp, environment: dict[str, str]) -> None:
    assert house.post(*broken_off("c-1")).status_code == 200
    partition = str(partition_of("c-1", PARTITIONS))
    every = {f'partition="{number}"' for number in range(PARTITIONS)}
    until(lambda: set(metric(house, "zhiyin_bus_lag_events")) == every)
    until(lambda: set(metric(house, "zhiyin_bus_lag_events").values()) == {0.0})
    until(lambda: max(metric(house, "zhiyin_bus_lag_seconds").values()) < 2)
    assert set(metric(house, "zhiyin_bus_lost_events_total").values()) == {0.0}
    tool = Consumer(
        {
            "bootstrap.servers": environment["ZHIYIN_KAFKA_SERVERS"],
            "group.id": environment["ZHIYIN_KAFKA_GROUP"],
            "log_level": 0,
        }
    )
    read = TopicPartition(environment["ZHIYIN_KAFKA_TOPIC"], int(partition))
    until(lambda: tool.committed([read], timeout=120)[0].offset == 4)


def test_a_kafka_that_does_not_answer_is_said_before_anything_starts(tmp_path: Path) -> None:
    port = free_port()
    began = time.monotonic()
    answer = run_up(tmp_path, **kafka_environment(f"127.0.0.1:{port}"))
    assert time.monotonic() - began < 30 * slowness_since(began)
    assert answer.returncode == 1
    assert f"Kafka at 127.0.0.1:{port} is gone" in answer.stderr
    assert "or set bus to redis" in answer.stderr
    assert answer.stderr.count("\n") == 1
