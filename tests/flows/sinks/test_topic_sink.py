"""The way from the dataflow to a topic: by customer, Redis before the topic, and nothing twice over a crash."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import bytewax.operators as op
import msgspec
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource
from prometheus_client import CollectorRegistry

from flows.live.kafka_sinks import DeadLetterEncoder, FactEncoder, HintEncoder, KafkaSinks, Topics
from flows.live.redis_sinks import HintDelivery
from flows.live.runner import run_dataflow
from flows.metrics.engine import EngineMetrics
from flows.sinks.output_metrics import OutputMetrics
from flows.sinks.topic_sink import TopicEncoder, TopicOpening, TopicPart, TopicSink, by_partition, part_name
from operators.hints.arbitration import Verdict
from operators.hints.hint import HeldBack, Retirement
from operators.records.facts import Fact, FactKind
from state.bus.protocol import partition_of
from state.contacts.presence import Routes
from state.facts.topic_documents import CLOUD_EVENT
from state.hints.writer import RedisHintWriter
from state.kafka.connection import KafkaConnection, KafkaUnavailable
from state.kafka.producers import TopicProducers
from state.redis.connections import connect
from tests.integration.kafka.topic_house import read_partition
from tests.kafka.servers import NewTopicNamed
from tests.state.houses import NOON_MS, make_hint
from tests.state.shelves import letter

pytestmark = pytest.mark.timeout(120)
PARTITIONS = 4
HELD_BACK = HeldBack("a-2", "anna", "policy_loan", "cap", NOON_MS)


@pytest.fixture
def metrics() -> EngineMetrics:
    return EngineMetrics()


@pytest.fixture
def opening(kafka_servers: str) -> TopicOpening:
    return TopicOpening(TopicProducers(KafkaConnection([kafka_servers])), PARTITIONS, insist, lambda: None)


def insist(operation: Callable[[], object]) -> object:
    for _ in range(20):
        try:
            return operation()
        except KafkaUnavailable:
            continue
    return operation()


def fact(number: int, customer: str = "anna", kind: FactKind = "started") -> Fact:
    return Fact(kind, NOON_MS + number, f"a-{number}", customer, "loan", "t-1", "apply")


def told_on(servers: str, topic: str) -> list[str]:
    messages = [each for partition in range(PARTITIONS) for each in read_partition(servers, topic, partition)]
    return [msgspec.json.decode(message.value() or b"")["id"] for message in messages]


def test_lists_are_split_by_customer_and_parts_sort_as_their_numbers() -> None:
    customers = [f"c{number}" for number in range(40)]
    facts = [fact(number, customer) for number, customer in enumerate(customers)]
    routed = dict(by_partition(16)(facts))
    assert [part_name(number) for number in range(256)] == sorted(part_name(number) for number in range(256))
    for name, some in routed.items():
        assert {partition_of(each.customer_id, 16) for each in some} == {int(name)}
        assert some == [each for each in facts if each in some]
    assert sum(map(len, routed.values())) == 40
    assert list(by_partition(16)([msgspec.structs.replace(letter(1), customer_id=None)])) == [
        (part_name(partition_of("", 16)), [msgspec.structs.replace(letter(1), customer_id=None)])
    ]


def test_facts_of_a_dataflow_stand_on_their_customers_partitions(
    opening: TopicOpening, new_topic: NewTopicNamed, kafka_servers: str, metrics: EngineMetrics
) -> None:
    topic = new_topic(name="facts")
    lists = [[fact(10 * each + number, f"c{number}") for number in range(10)] for each in range(5)]
    flow = Dataflow("test")
    routed = op.flat_map("route", op.input("in", flow, TestingSource(lists)), by_partition(PARTITIONS))
    op.output(
        "out", routed, TopicSink(opening.of(topic, CLOUD_EVENT), lambda: FactEncoder(topic, OutputMetrics(metrics)))
    )
    run_dataflow(flow, 1)
    for partition in range(PARTITIONS):
        found = [
            msgspec.json.decode(each.value() or b"")["id"] for each in read_partition(kafka_servers, topic, partition)
        ]
        expected = [each for some in lists for each in some if partition_of(each.customer_id, PARTITIONS) == partition]
        assert found == [each.id for each in expected]


def test_redis_is_told_before_the_topic_and_a_death_in_between_costs_nothing(
    opening: TopicOpening, new_topic: NewTopicNamed, kafka_servers: str, redis_url: str, metrics: EngineMetrics
) -> None:
    topic = new_topic(name="hints")
    client = connect(redis_url)
    desks = HintDelivery(RedisHintWriter(client, lambda: NOON_MS), Routes(client, lambda: NOON_MS, ("desk-1",)), insist)
    part_of = partition_of("anna", PARTITIONS)

    def opened(telling: TopicEncoder[Verdict]) -> TopicPart[Verdict]:
        return TopicPart(opening.of(topic, CLOUD_EVENT).part(part_of, None), telling, insist)

    verdicts: list[Verdict] = [make_hint(), HELD_BACK, Retirement("h1", "anna", "returned", NOON_MS + 1)]
    dying = opened(DiesInBetween(topic, desks, OutputMetrics(metrics)))
    with pytest.raises(ZeroDivisionError):
        dying.write_batch([verdicts])
    assert told_on(kafka_servers, topic) == []
    assert client.xlen("zy:channel:desk:desk-1") == 2
    for _ in range(2):
        part = opened(HintEncoder(topic, desks, OutputMetrics(metrics)))
        part.write_batch([verdicts[:1], verdicts[1:]])
        part.snapshot()
    assert told_on(kafka_servers, topic) == ["h1:created", "h1:retired"]
    assert client.xlen("zy:channel:desk:desk-1") == 2
    client.close()


class DiesInBetween(HintEncoder):
    """Dies once Redis has been told."""

    def documents(self, items: Sequence[Verdict]) -> Iterator[Any]:
        raise ZeroDivisionError


def test_what_is_told_is_counted_and_what_is_too_large_is_said(
    metrics: EngineMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    large = fact(1, "c" * 900_000)
    documents = FactEncoder("zhiyin.facts", OutputMetrics(metrics)).documents([fact(0), large, fact(2, kind="idle")])
    with caplog.at_level(logging.ERROR):
        assert [each.id for each in documents] == [fact(0).id]
    [message] = caplog.messages
    assert message == (
        "zhiyin.facts: fact of journey loan not told: found more than 900000 bytes; "
        "see what puts events on the bus besides the collector, which limits what it takes"
    )
    list(DeadLetterEncoder("1", OutputMetrics(metrics)).documents([letter(1)]))
    assert value(metrics.registry, "zhiyin_untold_total", topic="zhiyin.facts") == 1
    assert value(metrics.registry, "zhiyin_facts_total", kind="started", journey="loan", step="apply") == 2
    assert value(metrics.registry, "zhiyin_facts_total", kind="idle", journey="loan", step="apply") is None
    assert value(metrics.registry, "zhiyin_dead_letters_total", kind="unknown_step") == 1


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_topics_begin_with_the_dataflow(opening: TopicOpening, metrics: EngineMetrics) -> None:
    begun: list[int] = []
    counting = msgspec.structs.replace(opening, begin=lambda: begun.append(1))
    outlets = KafkaSinks(
        counting, Topics("f", "h", "d"), lambda: pytest.fail("not yet"), OutputMetrics(metrics), "1"
    ).sinks()
    for sink in (outlets.facts, outlets.hints, outlets.dead_letters):
        assert isinstance(sink, TopicSink)
        assert sink.list_parts() == ["000", "001", "002", "003"]
        assert [sink.part_fn(name) for name in sink.list_parts()] == [0, 1, 2, 3]
    assert begun
