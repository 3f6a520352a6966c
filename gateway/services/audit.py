"""Notes who was shown which hint, bundle or call: at once where somebody asks, a moment later where it is pushed.

In: views. Out: the audit trail in Redis. Refused: an answer to a look-up that could not be noted (the request is then a
503: what is not noted is not shown). What is pushed is noted within a tenth of a second; while Redis is away nothing is
pushed either, and what was sent just before waits, up to ``WAITING``; beyond that the oldest are lost, and counted.
Views also wait while Redis answers with any other error, as when the trail's key is of another type.

A page of the outreach list is read again and again: who has an entry before him for hours is noted once an hour.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.auth.tokens import Token
from gateway.runtime.background_task import BackgroundTask, CountFailure, uncounted
from state.audit.trail import HINT, OUTREACH, AuditTrail, AuditView, ShownItem

NOTED_AFTER_S: Final = 0.1
WAITING: Final = 50_000
AT_ONCE: Final = 1_000
AGAIN_AFTER_MS: Final = 3_600_000
LATELY: Final = 100_000

log = logging.getLogger("zhiyin.audit")


class Auditor:
    """Writes to ``trail``. ``now_ms``: epoch ms; ``lost(count)``: told of views that nobody noted.

    ``failed``: counts failures to note that are no outage.
    """

    def __init__(
        self,
        trail: AuditTrail,
        now_ms: Callable[[], int],
        lost: Callable[[int], None],
        failed: CountFailure = uncounted,
    ) -> None:
        self._trail = trail
        self._now_ms = now_ms
        self._lost = lost
        self._waiting: deque[AuditView] = deque()
        self._noting = BackgroundTask("audit", NOTED_AFTER_S, self._note, failed)
        self._lately: dict[tuple[str, str, str], int] = {}

    def start(self) -> None:
        """Note from now on what is pushed."""
        self._noting.start()

    async def stop(self) -> None:
        """Note what waits, and stop."""
        await self._noting.finish()
        if self._waiting:
            log.warning("audit: %d views could not be noted before the end and are lost", len(self._waiting))
            self._lost(len(self._waiting))

    def pushed(self, token: Token, shown: ShownItem) -> None:
        """A frame with something of a customer has gone out to whoever holds ``token``."""
        self._waiting.append(AuditView(self._now_ms(), token.subject, token.role, "push", *shown))
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            self._lost(1)

    async def shown(self, token: Token, how: str, documents: Iterable[Mapping[str, Any]], kind: str = HINT) -> None:
        """Documents that are about to be answered. Raises StoreUnavailable: then they are not."""
        await self._trail.write(self._views(token, how, documents, kind))

    async def listed(self, token: Token, entries: Iterable[Mapping[str, Any]]) -> None:
        """Entries of the outreach list that are about to be answered. Raises StoreUnavailable: then they are not."""
        views = [view for view in self._views(token, "list", entries, OUTREACH) if not self._is_noted(view)]
        await self._trail.write(views)
        for view in views:
            self._lately.pop(_whose(view), None)
            self._lately[_whose(view)] = view.at_ms
            if len(self._lately) > LATELY:
                del self._lately[next(iter(self._lately))]

    def _views(self, token: Token, how: str, documents: Iterable[Mapping[str, Any]], kind: str) -> Sequence[AuditView]:
        who, now_ms = (token.subject, token.role, how, kind), self._now_ms()
        return [AuditView(now_ms, *who, each[f"{kind}_id"], each["customer_id"]) for each in documents]

    def _is_noted(self, view: AuditView) -> bool:
        noted_ms = self._lately.get(_whose(view))
        return noted_ms is not None and view.at_ms - noted_ms < AGAIN_AFTER_MS

    async def _note(self) -> None:
        while self._waiting:
            batch = [self._waiting[index] for index in range(min(AT_ONCE, len(self._waiting)))]
            await self._trail.write(batch)
            for view in batch:
                if self._waiting[0] is view:  # else it was the oldest of too many meanwhile, and is counted as lost
                    self._waiting.popleft()


def _whose(view: AuditView) -> tuple[str, str, str]:
    return view.who, view.role, view.id
