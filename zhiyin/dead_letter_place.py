"""Where dead letters are kept and which bus they go back to, as the settings say.

In: settings. Out: an open shelf, an open way back. Refused: nothing here; what can't be reached says so when used.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from config import Settings
from state.bus_redriver import BusRedriver
from state.connections import connect
from state.dead_letter_shelf import DeadLetterShelf, Redriver
from state.redis_shelf import RedisDeadLetterShelf, RedisRedriver
from state.redriven_marks import RedrivenMarks


@contextmanager
def opened_shelf(settings: Settings) -> Iterator[DeadLetterShelf]:
    """The dead letters of a deployment; the settings name a Redis."""
    with connect(settings.redis_url or "") as client:
        if settings.bus == "redis":
            yield RedisDeadLetterShelf(client)
            return
        from state.kafka_connection import KafkaConnection
        from state.kafka_pages import KafkaPages
        from state.kafka_shelf import KafkaDeadLetterShelf

        connection = KafkaConnection(settings.kafka_servers, settings.kafka_options)
        pages = KafkaPages(connection, settings.kafka_dead_letters_topic, "reading dead letters")
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
        from state.kafka_connection import KafkaConnection
        from state.kafka_topics import KafkaTopics, WantedTopic
        from state.kafka_writer import KafkaBusWriter

        connection = KafkaConnection(settings.kafka_servers, settings.kafka_options)
        topic = WantedTopic(settings.kafka_topic, settings.bus_partitions, settings.kafka_replication)
        writer = KafkaBusWriter(
            connection,
            KafkaTopics(connection, [topic]),
            settings.kafka_topic,
            settings.bus_partitions,
            settings.bus_max_events,
        )
        await writer.open()
        try:
            yield BusRedriver(writer, RedrivenMarks(client))
        finally:
            await writer.close()
