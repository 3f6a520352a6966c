"""Where dead letters are kept and which bus they go back to, as the settings say.

In: settings. Out: an open shelf, an open way back. Refused: nothing here; what can't be reached says so when used.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from config import Settings
from state.bus_redriver import BusRedriver
from state.buses import events_topic, kafka_connection
from state.connections import connect
from state.dead_letter_shelf import DeadLetterShelf, Redriver
from state.kafka_pages import KafkaPages
from state.kafka_shelf import KafkaDeadLetterShelf
from state.kafka_topics import KafkaTopics
from state.kafka_writer import KafkaBusWriter
from state.redis_shelf import RedisDeadLetterShelf, RedisRedriver
from state.redriven_marks import RedrivenMarks


@contextmanager
def opened_shelf(settings: Settings) -> Iterator[DeadLetterShelf]:
    """The dead letters of a deployment; the settings name a Redis."""
    with connect(settings.redis_url or "") as client:
        if settings.bus == "redis":
            yield RedisDeadLetterShelf(client)
            return
        pages = KafkaPages(kafka_connection(settings), settings.kafka_dead_letters_topic, "reading dead letters")
        try:
            yield KafkaDeadLetterShelf(pages, RedrivenMarks(client))
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
            yield BusRedriver(writer, RedrivenMarks(client))
        finally:
            await writer.close()
