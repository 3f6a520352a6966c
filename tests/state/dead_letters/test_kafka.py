"""Dead letters on a topic: merged over its partitions, a page at a time, and clear words when Kafka is away."""

import time
from collections.abc import AsyncIterator

import pytest

from state.dead_letters.store import TimeSpan
from state.kafka.connection import KafkaConnection, KafkaUnavailable
from state.kafka.page_reader import MESSAGES_A_PAGE, KafkaPages, PartitionEnds
from tests.kafka.broker import KafkaBroker
from tests.kafka.servers import NewTopicNamed
from tests.parts.pace import slowness_since
from tests.parts.redis_server import free_port
from tests.state.shelves import KafkaShelves, document, letter

pytestmark = [pytest.mark.requires("redis"), pytest.mark.timeout(180)]


@pytest.fixture
async def shelves(redis_url: str, kafka_servers: str, new_topic: NewTopicNamed) -> AsyncIterator[KafkaShelves]:
    made = KafkaShelves(redis_url, kafka_servers, new_topic(name="dead-letters"))
    yield made
    await made.close()


def test_partitions_are_merged_by_time_and_each_keeps_its_order(shelves: KafkaShelves) -> None:
    count = 3 * MESSAGES_A_PAGE
    ids = shelves.put(*(document(letter(number, f"c{number % 7 % 3}")) for number in range(count)))
    assert {each.partition(":")[0] for each in ids} > {ids[0].partition(":")[0]}
    found = shelves.all()
    assert [each.id for each in found] == ids
    assert [each.id for each in shelves.all(newest_first=True)] == ids[::-1]
    late = TimeSpan(found[-10].written_ms)
    assert [each.id for each in shelves.shelf.letters(late)] == ids[-10:]
    assert [each.id for each in shelves.shelf.letters(late, newest_first=True)] == ids[:-11:-1]


async def test_letters_of_one_customer_go_back_in_order(shelves: KafkaShelves) -> None:
    shelves.put(*(document(letter(number, f"c{number % 3}")) for number in range(12)))
    assert await shelves.redrive(shelves.all()) == 12
    for customer in ("c0", "c1", "c2"):
        numbers = [event.raw for event in shelves.bus() if event.customer_id == customer]
        assert numbers == [letter(number).raw for number in range(12) if f"c{number % 3}" == customer]


def test_a_topic_that_is_not_there_holds_nothing(kafka_broker: KafkaBroker) -> None:
    pages = KafkaPages(KafkaConnection([kafka_broker.servers]), "nobody-made-this", "reading dead letters")
    assert pages.ends() == {}
    pages.close()


@pytest.mark.usefixtures("kafka_broker")
def test_pages_of_what_was_deleted_meanwhile_are_empty(shelves: KafkaShelves) -> None:
    ids = shelves.put(*(document(letter(number)) for number in range(4)))
    partition = int(ids[0].partition(":")[0])
    shelves.drop(ids[2])
    assert shelves.pages.ends()[partition] == PartitionEnds(3, 4)
    assert shelves.pages.page(partition, 0, 2) == []
    assert [each.offset for each in shelves.pages.page(partition, 0, 4)] == [3]
    assert shelves.shelf.letter(ids[0]) is None


def test_a_broker_that_is_away_is_said_in_time() -> None:
    address = f"127.0.0.1:{free_port()}"
    pages = KafkaPages(KafkaConnection([address]), "dead-letters", "reading dead letters")
    began = time.monotonic()
    for look in (pages.ends, lambda: pages.page(0, 0, 1)):
        with pytest.raises(KafkaUnavailable) as away:
            look()
        assert str(away.value).startswith(f"reading dead letters: Kafka at {address} is gone (")
        assert str(away.value).endswith("; see that it runs and that kafka_servers names it")
    assert time.monotonic() - began < 30 * slowness_since(began)
    pages.close()
