"""Thousands of desks in one process, each as lean as a socket allows.

In: a websocket's address and a token a desk. Out: what each desk heard, when, and where it stands. Desks whose
connection ends come back by themselves after a random wait (full jitter), from their epoch and offset. Refused: a
server that does not let them in (``NotMeasured``).
"""

import asyncio
import random
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from bench.not_measured import NotMeasured

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
AT_ONCE: Final = 100
_HINT: Final = b'"hint_id":"'
_OFFSET: Final = b'"offset":'
_PONG: Final = b'{"type":"pong"}'
_TEXT, _CLOSE = 1, 8


class SwarmDesk(asyncio.Protocol):
    """One desk. ``heard``: by hint, when its frame came (``time.perf_counter``); ``place``: epoch and offset."""

    def __init__(self, swarm: "Swarm", token: str) -> None:
        self.heard: dict[str, float] = {}
        self.doubles = 0
        self.place: tuple[str, int] | None = None
        self.recovered: list[bool] = []
        self.codes: list[int] = []
        self.subscribed = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self._swarm = swarm
        self._token = token
        self._buffer = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say everything at once, as the page of a desk does: handshake, token, its own channel and the queue."""
        self.transport, self._buffer, self._is_open = cast("asyncio.Transport", transport), b"", False
        place = {} if self.place is None else {"epoch": self.place[0], "offset": self.place[1]}
        self.transport.write(
            self._swarm.handshake
            + masked({"type": "connection_init", "token": self._token})
            + masked({"type": "subscribe", "id": "1", "channel": "desk", **place})
            + masked({"type": "subscribe", "id": "2", "channel": "queue"})
        )

    def data_received(self, data: bytes) -> None:
        """Whole frames out of the stream; what is left waits."""
        now_s = time.perf_counter()
        self._buffer += data
        if not self._is_open:
            head, ends, rest = self._buffer.partition(b"\r\n\r\n")
            if not ends:
                return
            if b" 101 " not in head[:20]:
                self._swarm.refusals.append(head[:80].decode("latin-1"))
            self._is_open, self._buffer = True, rest
        at = 0
        while (frame := _frame(self._buffer, at)) is not None:
            opcode, payload, at = frame
            self._take(opcode, payload, now_s)
        self._buffer = self._buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self.transport = None
        self.subscribed.clear()
        self._swarm.lost(self)

    def _take(self, opcode: int, payload: bytes, now_s: float) -> None:
        if opcode == _CLOSE:
            self.codes.append(int.from_bytes(payload[:2], "big"))
        elif opcode == _TEXT and payload.startswith(b'{"type":"next"'):
            self._next(payload, now_s)
        elif payload.startswith(b'{"type":"subscribed"'):
            self._subscribed(msgspec.json.decode(payload))
        elif payload.startswith(b'{"type":"error"') and self.transport is not None:
            self.transport.abort()
        elif payload.startswith(b'{"type":"ping"') and self.transport is not None:
            self.transport.write(_masked_bytes(_PONG))

    def _subscribed(self, frame: dict[str, Any]) -> None:
        if frame["id"] == "1":
            self.recovered.append(frame["recovered"])
            self.place = frame["epoch"], frame["offset"]
            self.subscribed.set()

    def _next(self, payload: bytes, now_s: float) -> None:
        begins = payload.index(_HINT) + len(_HINT)
        hint_id = payload[begins : payload.index(b'"', begins)].decode()
        if hint_id in self.heard:
            self.doubles += 1
        self.heard.setdefault(hint_id, now_s)
        begins = payload.index(_OFFSET) + len(_OFFSET)
        if self.place is not None:
            self.place = self.place[0], int(payload[begins : payload.index(b",", begins)])


class Swarm:
    """Desks of one server, one a token. ``drops``: connections that ended."""

    def __init__(self, url: str, tokens: Sequence[str]) -> None:
        at = urlsplit(url)
        self.handshake = (
            f"GET / HTTP/1.1\r\nHost: {at.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: zhiyin.desk.v1\r\n\r\n"
        ).encode()
        self.desks = [SwarmDesk(self, token) for token in tokens]
        self.refusals: list[str] = []
        self.drops = 0
        self._host, self._port = at.hostname or "", at.port or 0
        self._is_on = True
        self._returning: set[asyncio.Task[None]] = set()

    async def open(self, within_s: float = 120.0) -> None:
        """All of them, some at a time. Raises NotMeasured."""
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(desk: SwarmDesk) -> None:
            async with at_once:
                await self._connect(desk)
                await desk.subscribed.wait()

        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(one(desk) for desk in self.desks))
        except (OSError, TimeoutError) as error:
            ready = sum(desk.subscribed.is_set() for desk in self.desks)
            found = f"{ready} of {len(self.desks)} desks let in ({error!r}, {self.refusals[:1]})"
            raise NotMeasured("push", found, "all of them") from error

    def lost(self, desk: SwarmDesk) -> None:
        """A connection has ended: it comes back."""
        self.drops += 1
        if self._is_on:
            task = asyncio.create_task(self._come_back(desk))
            self._returning.add(task)
            task.add_done_callback(self._returning.discard)

    async def all_subscribed(self, within_s: float) -> bool:
        """Whether all desks are subscribed within the time."""
        try:
            async with asyncio.timeout(within_s):
                for desk in self.desks:
                    await desk.subscribed.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """All of them, for good."""
        self._is_on = False
        for task in self._returning:
            task.cancel()
        for desk in self.desks:
            if desk.transport is not None:
                desk.transport.abort()
        await asyncio.sleep(0)

    async def _come_back(self, desk: SwarmDesk) -> None:
        attempt = 0
        while self._is_on and not desk.subscribed.is_set():
            await asyncio.sleep(random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))
            attempt += 1
            with suppress(OSError):
                await self._connect(desk)
                break

    async def _connect(self, desk: SwarmDesk) -> None:
        await asyncio.get_running_loop().create_connection(lambda: desk, self._host, self._port)


def masked(frame: dict[str, object]) -> bytes:
    """A client's text frame under the mask 0."""
    return _masked_bytes(msgspec.json.encode(frame))


def _masked_bytes(payload: bytes) -> bytes:
    if len(payload) < 126:  # noqa: PLR2004 - RFC 6455, section 5.2: longer ones have their length in two bytes
        return struct.pack("!BB4x", 0x81, 0x80 | len(payload)) + payload
    return struct.pack("!BBH4x", 0x81, 0xFE, len(payload)) + payload


def _frame(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """Opcode, payload and end of the server's frame that begins at ``at``; None: it is not whole yet."""
    if len(data) < at + 2:
        return None
    size, begins = data[at + 1], at + 2
    if size == 126:  # noqa: PLR2004 - as above
        if len(data) < at + 4:
            return None
        size, begins = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
    elif size == 127:  # noqa: PLR2004 - and in eight
        if len(data) < at + 10:
            return None
        size, begins = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
    if len(data) < begins + size:
        return None
    return data[at] & 0x0F, data[begins : begins + size], begins + size
