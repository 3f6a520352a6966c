"""Notes who was shown which hint: at once where somebody asks, a moment later where it is pushed.

In: views. Out: the audit trail in Redis. Refused: an answer to a look-up that could not be noted (the request is then a
503: what is not noted is not shown). Pushed hints are noted within a tenth of a second; while Redis is away nothing is
pushed either, and what was sent just before waits, up to ``WAITING``; beyond that the oldest are lost, and counted.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from gateway.ending import end
from gateway.tokens import Token
from state.audit import AuditTrail, View
from state.connections import StoreUnavailable

NOTED_AFTER_S: Final = 0.1
AGAIN_AFTER_S: Final = 1.0
WAITING: Final = 50_000
AT_ONCE: Final = 1_000


class Auditor:
    """Writes to ``trail``. ``now_ms``: epoch ms; ``lost(count)``: told of views that nobody noted."""

    def __init__(self, trail: AuditTrail, now_ms: Callable[[], int], lost: Callable[[int], None]) -> None:
        self._trail = trail
        self._now_ms = now_ms
        self._lost = lost
        self._waiting: deque[View] = deque()
        self._something = asyncio.Event()
        self._noting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Note from now on what is pushed."""
        self._noting = asyncio.create_task(self._note_on(), name="audit")

    async def stop(self) -> None:
        """Note what waits, and stop."""
        if self._noting is not None:
            await end(self._noting)
        with suppress(StoreUnavailable):
            await self._note()
        if self._waiting:
            self._lost(len(self._waiting))

    def pushed(self, token: Token, hint_id: str) -> None:
        """A frame with a hint has gone out to whoever holds ``token``."""
        self._waiting.append(View(self._now_ms(), token.subject, token.role, "push", hint_id))
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            self._lost(1)
        self._something.set()

    async def shown(self, token: Token, how: str, hints: Iterable[Mapping[str, Any]]) -> None:
        """Hint documents that are about to be answered. Raises StoreUnavailable: then they are not."""
        now_ms = self._now_ms()
        views = [
            View(now_ms, token.subject, token.role, how, each["hint_id"], each.get("customer_id")) for each in hints
        ]
        await self._trail.write(views)

    async def _note_on(self) -> None:
        while True:
            await self._something.wait()
            await asyncio.sleep(NOTED_AFTER_S)
            self._something.clear()
            try:
                await self._note()
            except StoreUnavailable:
                self._something.set()
                await asyncio.sleep(AGAIN_AFTER_S)

    async def _note(self) -> None:
        while self._waiting:
            some = [self._waiting[place] for place in range(min(AT_ONCE, len(self._waiting)))]
            await self._trail.write(some)
            for _ in some:
                self._waiting.popleft()
