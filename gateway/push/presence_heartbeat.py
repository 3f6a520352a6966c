"""Who is on line, reported by the gateway whose desks they are; and the hints of owners who stay away.

In: the desks that are connected. Out: their presence in Redis, reported again while they stay; hints handed from owners
who have been away too long to the queue of the customer's branch. Refused: nothing; while the store is away it is
tried again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from gateway.auth.tokens import Token
from gateway.runtime.background_task import BackgroundTask, Backoff, CountFailure, uncounted
from operators.records.routing import is_queue
from state.contacts.handover import HintHandover
from state.contacts.presence import ON_LINE_MS, Presence, Seat
from state.redis.connections import StoreUnavailable

LOOK_EVERY_S: Final = 1.0
BEAT_EVERY_MS: Final = ON_LINE_MS // 3
AFTER_FAILURE: Final = Backoff(first_s=LOOK_EVERY_S, longest_s=BEAT_EVERY_MS / 1000)
"""A desk must not count as away because a round failed."""
AT_A_STRETCH: Final = 500
"""So many desks are looked at before others have a turn."""

log = logging.getLogger("zhiyin.push")


class PresenceHeartbeat:
    """Reports who is on line. ``tokens()``: of the desks that are connected now; ``now_ms``: epoch ms.

    ``failed``: counts failures that are no outage.
    """

    def __init__(
        self,
        presence: Presence,
        handover: HintHandover,
        tokens: Callable[[], Iterable[Token]],
        now_ms: Callable[[], int],
        failed: CountFailure = uncounted,
    ) -> None:
        self._presence = presence
        self._handover = handover
        self._tokens = tokens
        self._now_ms = now_ms
        self._reported_ms: dict[str, int] = {}
        self._looking = BackgroundTask("presence", LOOK_EVERY_S, self.beat, failed, AFTER_FAILURE)

    def start(self) -> None:
        """Report from now on."""
        self._looking.start()

    async def stop(self) -> None:
        """Stop, and report all as gone: another gateway that has one of them reports it again."""
        await self._looking.stop()
        try:
            if self._reported_ms:
                await self._presence.gone(self._reported_ms)
        except StoreUnavailable:
            log.info("push: the store is away; its desks fall silent by themselves")
        except Exception:  # whatever it is, the gateway must stop in order
            log.exception(
                "push: the desks of this gateway could not be reported as gone; they fall silent by themselves"
            )

    async def beat(self) -> None:
        """Once: who came, who stays, who went; whose owner is away. Raises StoreUnavailable."""
        now_ms = self._now_ms()
        tokens: dict[str, Token] = {}
        for token in self._tokens():
            tokens[token.subject] = token
            if len(tokens) % AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        gone = [desk_id for desk_id in self._reported_ms if desk_id not in tokens]
        due = [_seat(tokens[each]) for each in tokens if now_ms - self._reported_ms.get(each, 0) >= BEAT_EVERY_MS]
        if gone:
            await self._presence.gone(gone)
            for desk_id in gone:
                del self._reported_ms[desk_id]
        if due:
            await self._presence.beat(due, now_ms)
            self._reported_ms.update({seat.desk_id: now_ms for seat in due})
        await self._look_for_owners(now_ms)

    async def _look_for_owners(self, now_ms: int) -> None:
        for hint_id in await self._handover.overdue(now_ms):
            owner = await self._handover.look_up(hint_id)
            if owner is None or is_queue(owner.desk_id):
                await self._handover.forget(hint_id)
            elif await self._presence.is_on_line(owner.desk_id):
                await self._handover.wait_on(hint_id, now_ms)
            else:
                await self._handover.to_queue(hint_id, owner, now_ms)


def _seat(token: Token) -> Seat:
    return Seat(token.subject, token.skills, token.branch, token.region)
