"""A gateway whose bus is Kafka: yes only to what a broker has, 503 in time, /ready names it."""

import asyncio
import json
import time

from gateway.ingest.bus_batcher import BusBatcher
from state.kafka.connection import KafkaUnavailable
from tests.gateway.events_made import event_json
from tests.gateway.fixtures import Started
from tests.gateway.running import RunningGateway
from tests.kafka.mock import MockKafka
from tests.kafka.servers import NewTopicNamed
from tests.parts.pace import slowness_since
from tests.parts.redis_server import free_port
from tests.state.buses import PARTITIONS, KafkaBusHouse, events, raws, read_past

TOPIC = "events"


def batch_json(*sent: bytes) -> bytes:
    return b'{"batch":[%s]}' % b",".join(sent)


def over(started: Started, redis_url: str, servers: str, topic: str = TOPIC, **more: object) -> RunningGateway:
    return started(redis_url, bus="kafka", kafka_servers=(servers,), kafka_topic=topic, **more)


async def test_what_is_answered_with_yes_is_on_the_topic(
    started: Started, redis_url: str, kafka_servers: str, new_topic: NewTopicNamed
) -> None:
    topic = new_topic(PARTITIONS)
    running = over(started, redis_url, kafka_servers, topic)
    sent = [event_json(userId=f"c{number}", messageId=f"m{number}") for number in range(40)]
    answer = running.http.post("/v1/batch", content=batch_json(*sent))
    assert (answer.status_code, answer.json()["accepted"]) == (200, 40)
    house = KafkaBusHouse(kafka_servers, topic)
    found = []
    for partition in range(PARTITIONS):
        found += raws((await read_past(house.partition_reader(partition), None, int(time.time() * 1000)))[0])
    await house.close()
    assert {json.loads(raw)["messageId"] for raw in found} == {f"m{number}" for number in range(40)}
    ready = running.http.get("/ready")
    assert (ready.status_code, set(ready.json()["dependencies"])) == (200, {"redis", "kafka"})


def test_a_broker_that_went_is_a_503_in_time_then_at_once_and_not_ready(
    started: Started, redis_url: str, mock: MockKafka
) -> None:
    running = over(started, redis_url, mock.servers)
    assert running.http.post("/v1/track", content=event_json()).status_code == 200
    mock.kill()
    began = time.monotonic()
    first = running.http.post("/v1/track", content=event_json())
    assert time.monotonic() - began < 7 * slowness_since(began)
    began = time.monotonic()
    second = running.http.post("/v1/batch", content=batch_json(event_json(), event_json()))
    assert time.monotonic() - began < 1 * slowness_since(began)
    for answer in (first, second):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.json()["type"] == "urn:zhiyin:problem:bus_unavailable"
        assert "with the same messageIds" in answer.json()["detail"]
        assert mock.servers not in answer.text
    ready = running.http.get("/ready")
    assert ready.status_code == 503
    assert ready.json()["dependencies"]["redis"]["ok"]
    assert "is gone" in ready.json()["dependencies"]["kafka"]["error"]


def test_without_a_broker_it_starts_and_says_so(started: Started, redis_url: str) -> None:
    running = over(started, redis_url, f"127.0.0.1:{free_port()}")
    assert running.http.get("/live").status_code == 200
    assert running.http.post("/v1/track", content=event_json()).status_code == 503
    assert running.http.get("/ready").status_code == 503


def test_a_topic_of_another_size_takes_nothing_and_is_named(started: Started, redis_url: str, mock: MockKafka) -> None:
    running = over(started, redis_url, mock.servers, bus_partitions=8)
    assert running.http.post("/v1/track", content=event_json()).status_code == 503
    error = running.http.get("/ready").json()["dependencies"]["kafka"]["error"]
    assert "Kafka topic events: found 4 partitions, expected 8" in error


async def test_a_request_larger_than_the_room_is_a_503(started: Started, redis_url: str, mock: MockKafka) -> None:
    running = over(started, redis_url, mock.servers, bus_max_events=100)
    full = running.http.post("/v1/batch", content=batch_json(*[event_json()] * 101))
    assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    assert full.json()["type"] == "urn:zhiyin:problem:bus_full"
    assert running.http.post("/v1/track", content=event_json()).status_code == 200


async def test_however_many_requests_wait_each_is_answered_in_time(mock: MockKafka) -> None:
    house = KafkaBusHouse(mock.servers, TOPIC, limit=100_000)
    await house.open()
    lane = BusBatcher(house.writer)
    mock.freeze()
    began = time.monotonic()
    answers = await asyncio.gather(*(lane.append(events(500)) for _ in range(40)), return_exceptions=True)
    assert time.monotonic() - began < 8 * slowness_since(began)
    assert {type(answer) for answer in answers} == {KafkaUnavailable}
    await house.close()
