"""Kafka topics of a test's own, as an engine with ``bus: kafka`` has them: events in, everything else out."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from state.bus.protocol import partition_of
from tests.integration.engine.engine_process import PARTITIONS


class TopicHouse:
    """The topics, named anew; ``settings`` are for the engine, which makes them."""

    def __init__(self, servers: str) -> None:
        name = secrets.token_hex(4)
        self.servers = servers
        self.events = f"events-{name}"
        self.facts = f"facts-{name}"
        self.hints = f"hints-{name}"
        self.dead_letters = f"dead-letters-{name}"
        self.settings = {
            "bus": "kafka",
            "kafka_servers": servers,
            "kafka_topic": self.events,
            "kafka_facts_topic": self.facts,
            "kafka_hints_topic": self.hints,
            "kafka_dead_letters_topic": self.dead_letters,
        }
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "log_level": 0})

    def ready(self) -> bool:
        """Whether the engine has made its topics."""
        # An admin client of its own for each look: one that met a closed port waits longer each time.
        topics = AdminClient({"bootstrap.servers": self.servers, "log_level": 0}).list_topics(timeout=120).topics
        return {self.events, self.facts, self.hints, self.dead_letters} <= topics.keys()

    def post(self, events: Sequence[Mapping[str, Any]], wire: Callable[[Any], bytes]) -> None:
        """Puts events on the bus as the collector does."""
        for event in events:
            self._producer.produce(
                self.events,
                wire(event),
                event["customer"].encode(),
                partition_of(event["customer"], PARTITIONS),
                headers=[("t", str(event["at_ms"]).encode())],
            )
        assert self._producer.flush(120) == 0

    def messages(self, topic: str) -> list[Message]:
        """All messages of a topic, partition by partition."""
        return [
            message for partition in range(PARTITIONS) for message in read_partition(self.servers, topic, partition)
        ]

    def documents(self, topic: str) -> list[dict[str, Any]]:
        """The same, decoded."""
        return [orjson.loads(message.value() or b"") for message in self.messages(topic)]


def read_partition(servers: str, topic: str, partition: int) -> list[Message]:
    """All messages of one partition."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "test", "auto.offset.reset": "earliest", "log_level": 0}
    )
    place = TopicPartition(topic, partition, 0)
    beyond = _end(consumer, place)
    consumer.assign([place])
    found: list[Message] = []
    give_up = time.monotonic() + 120
    while len(found) < beyond and time.monotonic() < give_up:
        found += [each for each in consumer.consume(beyond - len(found), 1.0) if each.error() is None]
    consumer.close()
    return found


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """Where a partition ends; a broker that has just come back may not know yet that it leads it."""
    give_up = time.monotonic() + 120
    while True:
        try:
            _, beyond = consumer.get_watermark_offsets(place, timeout=120, cached=False)
        except KafkaException:
            assert time.monotonic() < give_up
            time.sleep(0.1)
        else:
            return beyond
