"""Puts what several requests bring at the same moment on the bus in one go.

In: the events of one request. Out: nothing, once the bus has them. Refused: as the bus
refuses, each request for itself; and with ``BatcherFull`` what would make a bus that does not
answer fill this process's memory. While one append is under way the next requests
gather; they share the append after it. A lone request waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from state.bus.protocol import BusFull, EventAppender, OutgoingEvent

GROUP_EVENTS: Final = 2_500
"""Events after which a shared append takes no further request."""


WAITING_BYTES: Final = 32 << 20
"""Events that may wait here for their bus; a bus that hangs is found out within seconds."""


class BatcherFull(BusFull):
    """As many events wait in this gateway for a slow bus as may; nothing of the call was kept."""

    def __init__(self, waiting: int, adding: int) -> None:
        super().__init__(None, waiting, adding, WAITING_BYTES)
        text = (
            f"waiting for the bus: found {waiting} bytes of at most {WAITING_BYTES}, no room for {adding} more; "
            "send again later; if it stays so, see that Redis or Kafka keeps up, or run more gateways"
        )
        self.args = (text,)


class BusBatcher:
    """Shared appends to the bus for all requests of a gateway."""

    def __init__(self, bus: EventAppender) -> None:
        self._bus = bus
        self._waiting: deque[tuple[Sequence[OutgoingEvent], asyncio.Future[None]]] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._held_bytes = 0

    async def append(self, events: Sequence[OutgoingEvent]) -> None:
        """Return when the bus has all of ``events``. Raises BusFull, BatcherFull or BusUnavailable."""
        size = sum(len(event.raw) for event in events)
        if self._held_bytes and self._held_bytes + size > WAITING_BYTES:
            raise BatcherFull(self._held_bytes, size)
        self._held_bytes += size
        try:
            await self._append(events)
        finally:
            self._held_bytes -= size

    async def _append(self, events: Sequence[OutgoingEvent]) -> None:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, kept))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="bus-batcher")
        await kept

    async def _send(self) -> None:
        try:
            while self._waiting:
                await self._send_group(self._next_group())
        finally:
            self._sending = None

    def _next_group(self) -> list[tuple[Sequence[OutgoingEvent], asyncio.Future[None]]]:
        group = [self._waiting.popleft()]
        size = len(group[0][0])
        while self._waiting and size + len(self._waiting[0][0]) <= GROUP_EVENTS:
            group.append(self._waiting.popleft())
            size += len(group[-1][0])
        return group

    async def _send_group(self, group: list[tuple[Sequence[OutgoingEvent], asyncio.Future[None]]]) -> None:
        try:
            await self._bus.append([event for events, _ in group for event in events])
        except BusFull as error:
            if len(group) == 1:
                _settle(group[0][1], error)
                return
            for request in group:  # one full partition must not refuse the others' events
                await self._send_group([request])
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the requests that wait, not to this task
            for _, kept in group:
                _settle(kept, error)
        else:
            for _, kept in group:
                _settle(kept, None)


def _settle(kept: asyncio.Future[None], error: Exception | None) -> None:
    if kept.done():  # the request was given up while it waited
        return
    if error is None:
        kept.set_result(None)
    else:
        kept.set_exception(error)
