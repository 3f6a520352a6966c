"""``zhiyin dead-letters`` where bus and letters are topics: the same words, the marks in Redis."""

import asyncio
import os

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from operators.records.dead_letters import DeadLetter
from state.bus.protocol import partition_of
from tests.kafka.servers import MOCK_PARTITIONS, NewTopicNamed
from tests.parts.redis_server import free_port
from tests.state.shelves import KafkaShelves, document, letter
from tests.zhiyin.up.house_up import clean_environment
from zhiyin.cli.main import main

pytestmark = [pytest.mark.requires("redis"), pytest.mark.timeout(180)]


@pytest.fixture
def topics(
    redis_url: str, kafka_servers: str, new_topic: NewTopicNamed, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """The bus and the dead letters, and settings that name them."""
    bus, letters = new_topic(name="events"), new_topic(name="dead-letters")
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    for name, value in {
        "REDIS_URL": redis_url,
        "ZHIYIN_BUS": "kafka",
        "ZHIYIN_BUS_PARTITIONS": str(MOCK_PARTITIONS),
        "ZHIYIN_KAFKA_SERVERS": kafka_servers,
        "ZHIYIN_KAFKA_TOPIC": bus,
        "ZHIYIN_KAFKA_DEAD_LETTERS_TOPIC": letters,
    }.items():
        monkeypatch.setenv(name, value)
    return bus, letters


async def put(redis_url: str, servers: str, topic: str, *letters: DeadLetter) -> list[str]:
    shelves = KafkaShelves(redis_url, servers, topic)
    ids = shelves.put(*map(document, letters))
    await shelves.close()
    return ids


def messages(servers: str, topic: str) -> list[Message]:
    """Everything on a topic, by partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(MOCK_PARTITIONS)])
    found: list[Message] = []
    ended = 0
    while ended < MOCK_PARTITIONS:
        for message in consumer.consume(100, 0.2):
            if message.error() is None:
                found.append(message)
            else:
                ended += 1
    consumer.close()
    return sorted(found, key=lambda each: (each.partition() or 0, each.offset() or 0))


def test_letters_on_a_topic_go_back_to_the_bus_topic_once(
    topics: tuple[str, str], redis_url: str, kafka_servers: str, capfd: pytest.CaptureFixture[str]
) -> None:
    bus, letters = topics
    refused = [letter(number, f"c{number % 3}") for number in range(7)]
    ids = asyncio.run(put(redis_url, kafka_servers, letters, *refused))

    def typed(*words: str) -> tuple[int, str]:
        code = main(["dead-letters", *words])
        return code, capfd.readouterr().out

    code, out = typed("list", "--limit", "2")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:3]] == [ids[6], ids[5]]
    assert out.endswith("unknown_step        7\n7 letters, the newest 2 above\n")
    assert f"letter    {ids[3]}\n" in typed("show", ids[3])[1]
    assert typed("show", "3:999")[0] == 1

    assert typed("redrive", ids[3]) == (0, "redriven: 1 letter (unknown_step 1)\n")
    assert typed("redrive", "--all", "--yes") == (
        0,
        "redriven: 6 letters (unknown_step 6)\nleft out: 1 redriven before\n",
    )
    assert typed("redrive", "--all", "--yes") == (
        0,
        "redriven: 0 letters\nleft out: 7 redriven before\n",
    )
    came = messages(kafka_servers, bus)
    assert sorted(each.value() or b"" for each in came) == sorted(each.raw for each in refused)
    for message in came:
        [original] = [each for each in refused if each.raw == message.value()]
        customer = original.customer_id or ""
        assert message.key() == customer.encode()
        assert message.partition() == partition_of(customer, MOCK_PARTITIONS)
        assert message.headers() == [("t", b"%d" % (original.time_ms or 0))]


@pytest.mark.usefixtures("topics")
def test_a_broker_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("ZHIYIN_KAFKA_SERVERS", address)
    assert main(["dead-letters", "list"]) == 1
    err = capfd.readouterr().err
    assert err.startswith(f"zhiyin dead-letters: reading dead letters: Kafka at {address} is gone (")
    assert err.count("\n") == 1
