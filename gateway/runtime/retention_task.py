"""Once an hour: what Redis has kept long enough goes.

In: settings, a client, the time. Out: nothing but a line in the log when something went. Refused: nothing; while Redis
is away it is tried again an hour later. Every gateway does it; the second finds nothing.
"""

import logging
from collections.abc import Callable
from typing import Final

from config.settings.load import Settings
from gateway.runtime.background_task import BackgroundTask, CountFailure, uncounted
from state.redis.connections import AsyncClient, StoreUnavailable
from state.redis.retention import let_go

EVERY_S: Final = 3_600.0

log = logging.getLogger("zhiyin.retention")


class Retention:
    """Looks at once, and then every hour. ``now_ms``: epoch ms; ``failed``: counts failures that are no outage."""

    def __init__(
        self, client: AsyncClient, settings: Settings, now_ms: Callable[[], int], failed: CountFailure = uncounted
    ) -> None:
        self._client = client
        self._settings = settings
        self._now_ms = now_ms
        self._looking = BackgroundTask("retention", EVERY_S, self._look, failed)

    def start(self) -> None:
        """Begin to look."""
        self._looking.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._looking.stop()

    async def _look(self) -> None:
        try:
            gone = await let_go(self._client, self._settings, self._now_ms())
        except StoreUnavailable as error:
            log.warning("%s; trying again in an hour", error)
            return
        if gone:
            log.info("kept long enough: %s", ", ".join(f"{kind} {count}" for kind, count in gone.items()))
