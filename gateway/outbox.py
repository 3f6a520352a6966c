"""What one desk is still to be sent: a bounded queue and the one writer that empties it.

In: frames. Out: frames on the socket, in order. Refused: a frame for which there is no room;
``on_overflow`` is called then, so that whoever holds the connection closes it.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from gateway.push_meter import PushMeter


class Waiting(NamedTuple):
    """A frame in the queue. ``event_ms``: when its event happened (told live only); ``hint_id``: what it announces."""

    kind: str
    frame: bytes
    event_ms: int | None = None
    hint_id: str | None = None


class Outbox:
    """The queue of one connection. ``steady_s``: a clock that never goes back; ``delivered``: told of hints sent."""

    def __init__(
        self,
        connection: ServerConnection,
        room_frames: int,
        meter: PushMeter,
        steady_s: Callable[[], float],
        on_overflow: Callable[[], None],
        delivered: Callable[[str], None],
    ) -> None:
        self.room_frames = room_frames
        self._connection = connection
        self._meter = meter
        self._steady_s = steady_s
        self._on_overflow = on_overflow
        self._delivered = delivered
        self._queue: asyncio.Queue[Waiting] = asyncio.Queue(room_frames)
        self._sending_since_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._queue.empty()

    def put(self, kind: str, frame: bytes, event_ms: int | None = None, hint_id: str | None = None) -> None:
        """Queue a frame, or report that there is no room."""
        try:
            self._queue.put_nowait(Waiting(kind, frame, event_ms, hint_id))
        except asyncio.QueueFull:
            self._meter.overflowed()
            self._on_overflow()

    async def put_when_there_is_room(self, kind: str, frame: bytes, hint_id: str | None = None) -> None:
        """Queue a frame of a replay: a desk that catches up is not slow, it may take its time."""
        await self._queue.put(Waiting(kind, frame, None, hint_id))

    def sending_for_s(self) -> float:
        """How long the socket has been taking to take the frame it has."""
        return 0.0 if self._sending_since_s is None else self._steady_s() - self._sending_since_s

    async def write_on(self) -> None:
        """Send what comes until the connection has ended."""
        try:
            while True:
                kind, frame, event_ms, hint_id = await self._queue.get()
                self._sending_since_s = self._steady_s()
                await self._connection.send(frame, text=True)
                self._sending_since_s = None
                self._meter.sent(kind, event_ms)
                if hint_id is not None:
                    self._delivered(hint_id)
        except ConnectionClosed:
            return
