"""A desk that only listens, and notes when which frame came.

In: the websocket's address and a token. Out: for each kind of event and customer the moment its frame
arrived. Refused: a desk that is not let in, or is closed meanwhile (``NotMeasured``).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bench.not_measured import NotMeasured

_PONG: Final = '{"type":"pong"}'
_LOOKS_EVERY_S: Final = 0.05


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    subject: str = ""


class _Frame(msgspec.Struct, gc=False):
    type: str
    event: _Event | None = None


_FRAME: Final = msgspec.json.Decoder(_Frame)


class Desk:
    """``arrived``: by event type and customer, seconds of ``time.perf_counter``."""

    def __init__(self, socket: ClientConnection) -> None:
        self.arrived: dict[tuple[str, str], float] = {}
        self._socket = socket
        self._closed_because: str | None = None

    async def sign_in(self, token: str) -> None:
        """Say who we are and ask for our own channel. Raises NotMeasured."""
        for said, expected in (
            ({"type": "connection_init", "token": token}, "connection_ack"),
            ({"type": "subscribe", "id": "1", "channel": "desk"}, "subscribed"),
        ):
            await self._socket.send(msgspec.json.encode(said).decode())
            frame = _FRAME.decode(await self._socket.recv(decode=False))
            if frame.type != expected:
                raise NotMeasured("latency", f"the desk's frame {frame.type!r}", expected)

    async def listen(self) -> None:
        """Until the connection is closed."""
        try:
            while True:
                frame = _FRAME.decode(await self._socket.recv(decode=False))
                if frame.event is not None:
                    self.arrived.setdefault((frame.event.type, frame.event.subject), time.perf_counter())
                elif frame.type == "ping":
                    await self._socket.send(_PONG)
        except ConnectionClosed as closed:
            self._closed_because = str(closed)

    async def wait_for(self, kind: str, count: int, within_s: float) -> int:
        """How many events of ``kind`` came: ``count`` as soon as they are there. Raises NotMeasured when closed."""
        give_up_s = time.perf_counter() + within_s
        while (came := sum(each == kind for each, _ in self.arrived)) < count and time.perf_counter() < give_up_s:
            if self._closed_because is not None:
                raise NotMeasured("latency", f"the desk closed: {self._closed_because}", "a desk that stays")
            await asyncio.sleep(_LOOKS_EVERY_S)
        return came


@asynccontextmanager
async def listening(url: str, token: str) -> AsyncIterator[Desk]:
    """A desk that listens inside the ``with``. Raises NotMeasured."""
    async with connect(url, subprotocols=[Subprotocol("zhiyin.desk.v1")], compression=None, max_queue=None) as socket:
        desk = Desk(socket)
        await desk.sign_in(token)
        task = asyncio.create_task(desk.listen())
        try:
            yield desk
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
