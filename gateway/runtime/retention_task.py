"""Once an hour: what Redis has kept long enough goes.

In: settings, a client, the time. Out: nothing but a line in the log when something went. Refused: nothing; while Redis
is away it is tried again an hour later. Every gateway does it; the second finds nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from config.settings.load import Settings
from gateway.runtime.tasks import cancel_and_wait
from state.redis.connections import AsyncClient, StoreUnavailable
from state.redis.retention import let_go

EVERY_S: Final = 3_600.0

log = logging.getLogger("zhiyin.retention")


class Retention:
    """Looks at once, and then every hour. ``now_ms``: epoch ms."""

    def __init__(self, client: AsyncClient, settings: Settings, now_ms: Callable[[], int]) -> None:
        self._client = client
        self._settings = settings
        self._now_ms = now_ms
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._looking = asyncio.create_task(self._look_on(), name="retention")

    async def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            await cancel_and_wait(self._looking)

    async def _look_on(self) -> None:
        while True:
            try:
                gone = await let_go(self._client, self._settings, self._now_ms())
            except StoreUnavailable as error:
                log.warning("%s; trying again in an hour", error)
            else:
                if gone:
                    log.info("kept long enough: %s", ", ".join(f"{kind} {count}" for kind, count in gone.items()))
            await asyncio.sleep(EVERY_S)
