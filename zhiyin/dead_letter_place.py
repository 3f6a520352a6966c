"""Where dead letters are kept and which bus they go back to, as the settings say.

In: settings. Out: an open shelf, an open way back. Refused: nothing here; what can't be reached says so when used.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from config import Settings
from state.connections import connect
from state.dead_letter_shelf import DeadLetterShelf, Redriver
from state.redis_shelf import RedisDeadLetterShelf, RedisRedriver


@contextmanager
def opened_shelf(settings: Settings) -> Iterator[DeadLetterShelf]:
    """The dead letters of a deployment; the settings name a Redis."""
    with connect(settings.redis_url or "") as client:
        yield RedisDeadLetterShelf(client)


@asynccontextmanager
async def opened_redriver(settings: Settings) -> AsyncIterator[Redriver]:
    """The way back to the bus of a deployment."""
    with connect(settings.redis_url or "") as client:
        yield RedisRedriver(client, settings.bus_partitions, settings.bus_max_events)
