"""What the bus says, and how soon, while Kafka is away, silent, starting or not as it should be."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from state.bus.protocol import BusUnavailable, OutgoingEvent
from state.kafka.bus_writer import DELIVERY_TIMEOUT_MS
from state.kafka.connection import KafkaConnection, KafkaUnavailable
from state.kafka.topic_admin import KafkaTopics, WantedTopic
from tests.kafka.broker import KafkaBroker
from tests.kafka.mock import MockKafka
from tests.kafka.servers import NewTopicNamed
from tests.parts.pace import slowness_since
from tests.parts.processes import PATIENCE_S
from tests.parts.redis_server import free_port
from tests.state.buses import PARTITIONS, KafkaBusHouse, events, looked, raws, read_past

AT_MOST_S = DELIVERY_TIMEOUT_MS / 1000 + 2.5
AT_ONCE_S = 1.0
TOPIC = "events"


@pytest.fixture
async def house(mock: MockKafka) -> AsyncIterator[KafkaBusHouse]:
    made = KafkaBusHouse(mock.servers, TOPIC)
    await made.open()
    await made.writer.append(events(1))
    yield made
    await made.close()


async def refused(house: KafkaBusHouse, at_most_s: float) -> KafkaUnavailable:
    """What an append is answered, in time."""
    began = time.monotonic()
    with pytest.raises(BusUnavailable) as caught:
        await house.writer.append(events(1))
    assert time.monotonic() - began < at_most_s * slowness_since(began)
    assert isinstance(caught.value, KafkaUnavailable)
    return caught.value


async def taken_again(house: KafkaBusHouse, sent: list[OutgoingEvent]) -> None:
    """The append that works again, after others that do not yet."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            await house.writer.append(sent)
        except BusUnavailable:
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        else:
            return


async def test_a_broker_that_went_is_said_in_time_and_then_at_once(
    house: KafkaBusHouse, mock: MockKafka, caplog: pytest.LogCaptureFixture
) -> None:
    mock.kill()
    error = await refused(house, AT_MOST_S)
    assert (error.kind, error.address) == ("gone", mock.servers)
    assert str(error).startswith(f"adding to the bus: Kafka at {mock.servers} is gone (")
    assert "Connection refused" in str(error)
    assert str(error).endswith("; see that it runs and that kafka_servers names it")
    for _ in range(3):
        assert (await refused(house, AT_ONCE_S)).kind == "gone"
    assert caplog.text.count("trying on") == 1


async def test_a_silent_broker_is_said_in_time_and_nothing_is_lost_when_it_speaks_again(
    house: KafkaBusHouse, mock: MockKafka
) -> None:
    mock.freeze()
    error = await refused(house, AT_MOST_S)
    assert (error.kind, error.advice) == ("slow", "look at its load and its log")
    mock.thaw()
    await taken_again(house, events(1, first=7))
    found, _ = await read_past(house.reader(), None, int(time.time() * 1000))
    assert raws(found)[0] == b"raw 0"
    assert raws(found)[-1] == b"raw 7"


async def test_while_the_broker_is_away_no_end_is_known_from_after_it_went(
    house: KafkaBusHouse, mock: MockKafka, caplog: pytest.LogCaptureFixture
) -> None:
    reader = house.reader()
    found, _ = await read_past(reader, None, int(time.time() * 1000))
    position = found[-1].position
    mock.freeze()
    await asyncio.sleep(0.1)
    went_ms = int(time.time() * 1000)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "zhiyin.kafka"):
        for _ in range(40):
            began = time.monotonic()
            look = reader.read(position, 10)
            assert time.monotonic() - began < AT_ONCE_S * slowness_since(began), "a look never waits"
            assert (look.entries, (look.end_ms or 0) < went_ms) == ([], True)
            await asyncio.sleep(0.1)
    assert caplog.text.count("event time stands still meanwhile") == 1
    mock.thaw()
    later = await looked(reader, lambda: position, lambda look: (look.end_ms or 0) > went_ms)
    assert later.waiting == 0


async def test_closing_waits_for_nobody(mock: MockKafka) -> None:
    house = KafkaBusHouse(mock.servers, TOPIC)
    await house.open()
    await house.writer.append(events(1))
    reader = house.reader()
    found, _ = await read_past(reader, None, 0)
    mock.kill()
    if found:
        reader.taken(found[-1].position)
    await asyncio.sleep(0.3)
    began = time.monotonic()
    await house.close()
    assert time.monotonic() - began < 4 * slowness_since(began)


@pytest.mark.requires("kafka")
async def test_a_producer_that_met_a_fatal_error_is_replaced(
    kafka_broker: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    topic = f"small-{secrets.token_hex(6)}"
    admin = AdminClient({"bootstrap.servers": kafka_broker.servers, "log_level": 0})
    small = NewTopic(topic, PARTITIONS, 1, config={"max.message.bytes": "2000"})
    admin.create_topics([small])[topic].result(120)
    # With this option an event that the broker refuses is fatal, else only errors nobody can bring about are.
    house = KafkaBusHouse(kafka_broker.servers, topic, ["enable.idempotence=true", "enable.gapless.guarantee=true"])
    await house.open()
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        await house.writer.append([OutgoingEvent("anna", 1, b"x" * 10_000)])
    kinds = set()
    while True:
        try:
            await house.writer.append(events(1))
        except KafkaUnavailable as error:
            kinds.add(error.kind)
            await asyncio.sleep(0.05)
        else:
            break
    assert kinds <= {"busy"}
    assert "the producer met a fatal error; taking another" in caplog.text
    await house.close()


async def test_more_bytes_than_there_is_room_for_before_the_broker(mock: MockKafka) -> None:
    house = KafkaBusHouse(mock.servers, TOPIC, ["queue.buffering.max.kbytes=100"])
    await house.open()
    mock.freeze()
    big = [OutgoingEvent("anna", 1, b"x" * 30_000) for _ in range(9)]
    began = time.monotonic()
    with pytest.raises(KafkaUnavailable) as caught:
        await house.writer.append(big)
    assert time.monotonic() - began < AT_MOST_S * slowness_since(began)
    assert str(caught.value).endswith("is busy (no room before it); see its log if it stays so")
    await house.close()


async def test_what_no_waiting_cures_passes_as_it_is(mock: MockKafka) -> None:
    house = KafkaBusHouse(mock.servers, TOPIC)
    await house.open()
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        await house.writer.append([OutgoingEvent("anna", 1, b"x" * 2_000_000)])
    await house.writer.append(events(1))
    await house.close()


def test_a_server_that_does_not_speak_tls(mock: MockKafka) -> None:
    connection = KafkaConnection([mock.servers], ["security.protocol=SSL", "ssl.key.password=hunter2"])
    with pytest.raises(KafkaUnavailable) as caught:
        KafkaTopics(connection, [WantedTopic(TOPIC, PARTITIONS, 1)]).ensure()
    assert "SSL_HANDSHAKE" in caught.value.reason
    assert "hunter2" not in str(caught.value)


async def test_nobody_there_at_start_is_waited_for() -> None:
    house = KafkaBusHouse(f"127.0.0.1:{free_port()}", TOPIC)
    began = time.monotonic()
    await house.open()
    assert time.monotonic() - began < 4 * slowness_since(began)
    error = await refused(house, AT_ONCE_S)
    assert error.kind == "gone"
    assert house.reader().read(None, 10) == ([], None, None)
    with pytest.raises(KafkaUnavailable):
        await house.kafka_writer.ping()
    await house.close()


@pytest.mark.slow
@pytest.mark.requires("kafka")
@pytest.mark.timeout(120)
async def test_started_before_the_broker_it_goes_on_when_that_comes(
    kafka_broker: KafkaBroker, new_topic: NewTopicNamed
) -> None:
    topic = new_topic(PARTITIONS)
    await asyncio.to_thread(kafka_broker.stop)
    house = KafkaBusHouse(kafka_broker.servers, topic)
    await house.open()
    reader = house.reader()
    assert reader.read(None, 10) == ([], None, None)
    await refused(house, AT_ONCE_S)
    await asyncio.to_thread(kafka_broker.start)
    await taken_again(house, events(3))
    found, _ = await read_past(reader, None, int(time.time() * 1000))
    assert raws(found) == [b"raw 0", b"raw 1", b"raw 2"]
    await house.kafka_writer.ping()
    await house.close()


@pytest.mark.slow
@pytest.mark.requires("kafka")
@pytest.mark.timeout(120)
async def test_what_was_answered_with_yes_survives_a_broker_that_is_killed(
    kafka_broker: KafkaBroker, new_topic: NewTopicNamed
) -> None:
    house = KafkaBusHouse(kafka_broker.servers, new_topic(PARTITIONS))
    await house.open()
    kept: list[bytes] = []
    stopping = asyncio.Event()

    async def send() -> None:
        number = 0
        while not stopping.is_set():
            sent = events(5, first=number)
            number += 5
            await taken_again(house, sent)
            kept.extend(event.raw for event in sent)

    sending = asyncio.create_task(send())
    reader = house.reader()
    await asyncio.sleep(0.5)
    await asyncio.to_thread(kafka_broker.kill)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(kafka_broker.start)
    await taken_again(house, events(1, "bo"))
    await asyncio.sleep(0.5)
    stopping.set()
    await sending
    found, _ = await read_past(reader, None, int(time.time() * 1000))
    first_seen = list(dict.fromkeys(raws(found)))
    assert [raw for raw in first_seen if raw in set(kept)] == kept
    assert len(kept) > 10
    await house.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("NOT_LEADER_FOR_PARTITION", "leaderless"),
        ("LEADER_NOT_AVAILABLE", "leaderless"),
        ("NOT_ENOUGH_REPLICAS", "short_of_replicas"),
        ("SASL_AUTHENTICATION_FAILED", "refused"),
        ("TOPIC_AUTHORIZATION_FAILED", "refused"),
        ("UNKNOWN_TOPIC_OR_PART", "incomplete"),
        ("_MSG_TIMED_OUT", "slow"),
        ("_TRANSPORT", "gone"),
    ],
)
def test_kinds_of_outage(name: str, kind: str) -> None:
    error = KafkaError(int(getattr(KafkaError, name)))
    outage = KafkaConnection(["a:1", "b:2"]).outage("asking", error)
    assert outage is not None
    assert (outage.kind, outage.address) == (kind, "a:1,b:2")
    assert str(outage).startswith(f"asking: Kafka at a:1,b:2 is {kind.replace('_', ' ')} (")
