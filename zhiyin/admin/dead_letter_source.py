"""Where dead letters are kept and which bus they go back to, as the settings say.

In: settings. Out: an open store, an open way back. Refused: nothing here; what can't be reached says so when used.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from config import Settings
from state.bus_factory import events_topic, kafka_connection
from state.dead_letters.kafka import KafkaDeadLetterStore
from state.dead_letters.redis import RedisDeadLetterStore, RedisRedriver
from state.dead_letters.redrive import BusRedriver
from state.dead_letters.redrive_log import RedriveLog
from state.dead_letters.store import DeadLetterStore, Redriver
from state.kafka.bus_writer import KafkaBusWriter
from state.kafka.page_reader import KafkaPages
from state.kafka.topic_admin import KafkaTopics
from state.redis.connections import connect


@contextmanager
def opened_store(settings: Settings) -> Iterator[DeadLetterStore]:
    """The dead letters of a deployment; the settings name a Redis."""
    with connect(settings.redis_url or "") as client:
        if settings.bus == "redis":
            yield RedisDeadLetterStore(client)
            return
        pages = KafkaPages(kafka_connection(settings), settings.kafka_dead_letters_topic, "reading dead letters")
        try:
            yield KafkaDeadLetterStore(pages, RedriveLog(client))
        finally:
            pages.close()


@asynccontextmanager
async def opened_redriver(settings: Settings) -> AsyncIterator[Redriver]:
    """The way back to the bus of a deployment."""
    with connect(settings.redis_url or "") as client:
        if settings.bus == "redis":
            yield RedisRedriver(client, settings.bus_partitions, settings.bus_max_events)
            return
        connection = kafka_connection(settings)
        topics = KafkaTopics(connection, [events_topic(settings)])
        topic, partitions, max_events = settings.kafka_topic, settings.bus_partitions, settings.bus_max_events
        writer = KafkaBusWriter(connection, topics, topic, partitions, max_events)
        await writer.open()
        try:
            yield BusRedriver(writer, RedriveLog(client))
        finally:
            await writer.close()
