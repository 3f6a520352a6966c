"""Which bus it is, by the settings: the one place that chooses.

In: settings. Out: the engine's readers, or the gateway's writer, of Redis or of Kafka. Refused: options that librdkafka
does not take (``ConfigurationError``).
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from config import Settings
from config.settings.kafka_checks import TOPICS
from state.bus.protocol import BusReader
from state.bus.redis import RedisBusReader, RedisBusWriter
from state.kafka.bus_offsets import BusOffsets, wall_clock_ms
from state.kafka.bus_reader import KafkaBusReader
from state.kafka.bus_writer import KafkaBusWriter
from state.kafka.connection import KafkaConnection
from state.kafka.topic_admin import KafkaTopics, WantedTopic
from state.redis.connections import AsyncClient, connect

DAY_MS: Final = 86_400_000


class EngineBus(NamedTuple):
    """The engine's end of the bus. ``ready()``: does nothing once there is something to read from.

    ``ready`` raises BusUnavailable while it is to be waited for, TopicMismatch or TopicRefused when that won't help.
    """

    reader: Callable[[int], BusReader]
    ready: Callable[[], object]


def engine_bus(settings: Settings, lost: Callable[[int, int], None]) -> EngineBus:
    """Readers by partition. ``lost(partition, count)`` is called for events that were deleted unread."""
    if settings.bus == "redis":
        return EngineBus(lambda partition: RedisBusReader(connect(settings.redis_url or ""), partition), lambda: None)
    connection = kafka_connection(settings)
    offsets = BusOffsets(connection, settings.kafka_topic, settings.kafka_group, settings.tick_ms / 1000, wall_clock_ms)

    def reader(partition: int) -> BusReader:
        topic, group = settings.kafka_topic, settings.kafka_group
        return KafkaBusReader(connection, offsets, topic, partition, group, lambda count: lost(partition, count))

    return EngineBus(reader, KafkaTopics(connection, [events_topic(settings)]).ensure)


def gateway_bus(settings: Settings, client: AsyncClient) -> RedisBusWriter | KafkaBusWriter:
    """The writer; one for Kafka is to be opened and closed. ``client``: the gateway's Redis."""
    if settings.bus == "redis":
        return RedisBusWriter(client, settings.bus_partitions, settings.bus_max_events)
    connection = kafka_connection(settings)
    topics = KafkaTopics(connection, [events_topic(settings)])
    return KafkaBusWriter(connection, topics, settings.kafka_topic, settings.bus_partitions, settings.bus_max_events)


def kafka_connection(settings: Settings) -> KafkaConnection:
    """The way to the Kafka that the settings name."""
    return KafkaConnection(settings.kafka_servers, settings.kafka_options)


def kafka_topics(settings: Settings) -> list[WantedTopic]:
    """All topics that Zhiyin has on Kafka, the events' first."""
    days = settings.kafka_retention_days
    kept_ms = None if days is None else int(days * DAY_MS)
    partitions, replication = settings.bus_partitions, settings.kafka_replication
    return [
        WantedTopic(getattr(settings, name), partitions, replication, setting=name, kept_ms=kept_ms) for name in TOPICS
    ]


def events_topic(settings: Settings) -> WantedTopic:
    """The topic of the events."""
    return kafka_topics(settings)[0]
