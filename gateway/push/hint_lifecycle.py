"""Two states of hints that nobody reports: delivered and expired.

In: ids of hints whose first frame has gone out on a socket; the time. Out: their states in the hint repository, within
a tenth of a second and a second; the end of an expired hint is published on its channels like any other. Refused:
nothing. While the store is away deliveries wait, the newest ``WAITING``; what is over is ended when it is back.

Every gateway does this; each state is reached once.
"""

from collections.abc import Callable
from typing import Final

from gateway.runtime.background_task import BackgroundTask, CountFailure, uncounted
from state.hints.repository import EXPIRED_AT_ONCE, HintRepository

NOTED_AFTER_S: Final = 0.1
LOOK_EVERY_S: Final = 1.0
WAITING: Final = 10_000
AT_ONCE: Final = 500
REMEMBERED: Final = 20_000
"""A hint that goes to a thousand desks is noted once."""


class HintLifecycle:
    """Notes and ends. ``now_ms``: epoch milliseconds; ``failed``: counts failures that are no outage."""

    def __init__(self, repository: HintRepository, now_ms: Callable[[], int], failed: CountFailure = uncounted) -> None:
        self._repository = repository
        self._now_ms = now_ms
        self._waiting: dict[str, None] = {}
        self._noted: dict[str, None] = {}
        self._noting = BackgroundTask("hint_deliveries", NOTED_AFTER_S, self._note, failed)
        self._ending = BackgroundTask("hint_expiry", LOOK_EVERY_S, self._end_all, failed)

    def start(self) -> None:
        """Begin to note and to look."""
        self._noting.start()
        self._ending.start()

    async def stop(self) -> None:
        """Note what waits and stop."""
        await self._ending.stop()
        await self._noting.finish()

    def delivered(self, hint_id: str) -> None:
        """A frame that announces the hint has gone out."""
        if hint_id in self._noted:
            return
        _remember(self._noted, hint_id, REMEMBERED)
        _remember(self._waiting, hint_id, WAITING)

    async def _note(self) -> None:
        while self._waiting:
            some = list(self._waiting)[:AT_ONCE]
            await self._repository.deliver(some)
            for hint_id in some:
                self._waiting.pop(hint_id, None)

    async def _end_all(self) -> None:
        ended = EXPIRED_AT_ONCE
        while ended == EXPIRED_AT_ONCE:
            ended = await self._repository.expire(self._now_ms())


def _remember(ids: dict[str, None], hint_id: str, at_most: int) -> None:
    """Add to an insertion-ordered set; the oldest goes beyond ``at_most``."""
    ids[hint_id] = None
    if len(ids) > at_most:
        del ids[next(iter(ids))]
