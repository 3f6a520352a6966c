"""What one desk is still to be sent: a bounded queue, and a writer that is there while something waits.

In: frames. Out: frames on the socket, in order. Refused: a frame for which there is no room;
``on_overflow`` is called then, so that whoever holds the connection closes it.

Most desks wait for nothing most of the time: an empty queue costs a list and no task.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from gateway.push.meter import PushMeter
from state.audit.trail import ShownItem


class QueuedFrame(NamedTuple):
    """A frame in the queue. ``event_ms``: when its event happened (sent live only); ``shows``: what is seen with it."""

    kind: str
    frame: bytes
    event_ms: int | None = None
    shows: ShownItem | None = None


class SendQueue:
    """The queue of one connection. ``steady_s``: never goes back; ``delivered``: called for what was shown."""

    __slots__ = (
        "_connection",
        "_delivered",
        "_frames",
        "_meter",
        "_on_overflow",
        "_room",
        "_sending_since_s",
        "_steady_s",
        "_writer",
        "room_frames",
    )

    def __init__(
        self,
        connection: ServerConnection,
        room_frames: int,
        meter: PushMeter,
        steady_s: Callable[[], float],
        on_overflow: Callable[[], None],
        delivered: Callable[[ShownItem], None],
    ) -> None:
        self.room_frames = room_frames
        self._connection = connection
        self._meter = meter
        self._steady_s = steady_s
        self._on_overflow = on_overflow
        self._delivered = delivered
        self._frames: list[QueuedFrame] = []
        self._writer: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        self._sending_since_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._frames

    def put(self, kind: str, frame: bytes, event_ms: int | None = None, shows: ShownItem | None = None) -> None:
        """Queue a frame, or report that there is no room."""
        if len(self._frames) < self.room_frames:
            self._add(QueuedFrame(kind, frame, event_ms, shows))
        else:
            self._meter.overflowed()
            self._on_overflow()

    async def put_when_there_is_room(self, kind: str, frame: bytes, shows: ShownItem | None = None) -> None:
        """Queue a frame of a replay: a desk that catches up is not slow, it may take its time."""
        while len(self._frames) >= self.room_frames:
            self._room = self._room or asyncio.Event()
            await self._room.wait()
        self._add(QueuedFrame(kind, frame, None, shows))

    def sending_for_s(self) -> float:
        """How long the socket has been taking to take the frame it has."""
        return 0.0 if self._sending_since_s is None else self._steady_s() - self._sending_since_s

    def close(self) -> None:
        """Send nothing more; the connection has ended."""
        if self._writer is not None:
            self._writer.cancel()

    def _add(self, waiting: QueuedFrame) -> None:
        self._frames.append(waiting)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_on())

    async def _write_on(self) -> None:
        """Send what waits. When the connection has ended this stays the writer, and nothing is sent any more."""
        try:
            while self._frames:
                kind, frame, event_ms, shows = self._frames.pop(0)
                self._sending_since_s = self._steady_s()
                await self._connection.send(frame, text=True)
                self._sending_since_s = None
                self._meter.sent(kind, event_ms)
                if shows is not None:
                    self._delivered(shows)
                self._say_that_there_is_room()
        except ConnectionClosed:
            return
        self._writer = None

    def _say_that_there_is_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()
