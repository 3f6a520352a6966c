"""The gateway that is tried: how to reach it, to make tokens for it, and to have hints told.

In: its websocket's URL, the secret of its tokens, its Redis and how to restart it where those are known. Out: peers
that talk frame by frame, hints told to desks of our own. Refused: what is otherwise than expected (``BrokenTarget``).
"""

import asyncio
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gateway.auth.tokens import issue_token
from state.hints.transitions import PlaceHint
from state.hints.writer import RedisHintWriter
from state.redis.connections import connect as connect_redis
from tests.state.houses import HOUR_MS, make_hint

PATIENCE_S: Final = 60.0
PROTOCOL: Final = Subprotocol("zhiyin.desk.v1")

Frame = dict[str, Any]
Restart = Callable[[], Awaitable[None]]


class BrokenTarget(Exception):
    """The gateway does something else than the protocol says."""

    def __init__(self, what: str, found: object, expected: object) -> None:
        self.what = what
        self.found = found
        self.expected = expected
        super().__init__(f"{what}: found {found!r}, expected {expected!r}")


def expect(what: str, found: object, expected: object) -> None:
    """Raises Broken unless both are equal."""
    if found != expected:
        raise BrokenTarget(what, found, expected)


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class TargetPeer:
    """One connection, frame by frame; the server's pings are answered while it waits."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def say(self, kind: str, **fields: object) -> None:
        """Send one frame."""
        await self.say_text(json.dumps({"type": kind, **fields}))

    async def say_text(self, text: str | bytes) -> None:
        """Send anything."""
        with suppress(ConnectionClosed):  # what it was closed with is asked for afterwards
            await self._connection.send(text)

    async def hear(self, kind: str) -> Frame:
        """The next frame that is no ping, which has to be of ``kind``. Raises Broken."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    frame: Frame = json.loads(await self._connection.recv())
                    if frame["type"] == kind:
                        return frame
                    if frame["type"] != "ping":
                        raise BrokenTarget(f"waiting for {kind}", frame, kind)
                    await self.say("pong")
        except TimeoutError as error:
            raise BrokenTarget(f"waiting for {kind}", f"nothing for {PATIENCE_S:g} s", kind) from error
        except ConnectionClosed as closed:
            raise BrokenTarget(f"waiting for {kind}", str(closed), kind) from closed

    async def introduce(self, token: str) -> Frame:
        """Say who we are; the ``connection_ack``."""
        await self.say("connection_init", token=token)
        return await self.hear("connection_ack")

    async def subscribe(self, name: str = "s", channel: str = "desk", **place: object) -> Frame:
        """Subscribe; the ``subscribed``."""
        await self.say("subscribe", id=name, channel=channel, **place)
        return await self.hear("subscribed")

    async def next(self) -> tuple[int, str, str]:
        """The next event in short: offset, last word of its type, hint."""
        frame = await self.hear("next")
        event = frame["event"]
        return frame["offset"], event["type"].rpartition(".")[2], event["data"]["hint_id"]

    async def closes_with(self, code: int, within_s: float = PATIENCE_S) -> str:
        """Wait for the server's close; its reason. Raises Broken when it has another code, or never comes."""
        try:
            async with asyncio.timeout(within_s):
                with suppress(ConnectionClosed):
                    while True:
                        await self._connection.recv()
        except TimeoutError as error:
            raise BrokenTarget("close", f"nothing for {within_s:g} s", code) from error
        received = self._connection.protocol.close_rcvd
        expect("close code", received.code if received else "cut off without a close frame", code)
        return received.reason if received else ""


class Target:
    """One gateway. ``redis_url``, ``restart``: None where they are not known."""

    def __init__(self, url: str, secret: str, redis_url: str | None = None, restart: Restart | None = None) -> None:
        self.url = url
        self.restart = restart
        self.store = None if redis_url is None else RedisHintWriter(connect_redis(redis_url), now_ms)
        self._secret = secret

    def desk(self) -> str:
        """The name of a desk that nobody has."""
        return f"conformance-{secrets.token_hex(6)}"

    def token(self, subject: str, role: str = "agent", lifetime_s: int = 600) -> str:
        """A good token, or one that has expired."""
        return issue_token(self._secret, subject, role, lifetime_s, int(time.time()))

    def tell(self, desk: str, names: Sequence[str], **changes: object) -> None:
        """Tell a desk of hints, as the engine does."""
        if self.store is None:
            raise RuntimeError(
                "no Redis: found a case that tells hints without one, expected it to say that it needs one"
            )
        told_ms = now_ms()
        fields = {"created_at_ms": told_ms, "expires_at_ms": told_ms + HOUR_MS, "surfaces": ("desk",), **changes}
        hints = [make_hint(f"{desk}-{name}", customer_id=f"{desk}-{name}", **fields) for name in names]
        self.store.write([PlaceHint(hint, desk) for hint in hints])

    @asynccontextmanager
    async def peer(self, **options: object) -> AsyncIterator[TargetPeer]:
        """A connection on which nothing has been said."""
        settings: dict[str, Any] = {"subprotocols": [PROTOCOL], "ping_interval": None, "close_timeout": 1} | options
        async with connect(self.url, compression=None, max_queue=None, **settings) as connection:
            yield TargetPeer(connection)

    @asynccontextmanager
    async def known(self, desk: str, role: str = "agent") -> AsyncIterator[TargetPeer]:
        """A connection that has said who it is."""
        async with self.peer() as peer:
            await peer.introduce(self.token(desk, role))
            yield peer

    @asynccontextmanager
    async def deaf(self, desk: str, place: Frame) -> AsyncIterator[socket.socket]:
        """A desk with the smallest buffer there is, that subscribes and never reads (plain ``ws://`` only)."""
        at = urlsplit(self.url)
        loop = asyncio.get_running_loop()
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            await loop.sock_connect(raw, (at.hostname, at.port or 80))
            await loop.sock_sendall(raw, _handshake(at.netloc))
            for frame in (
                {"type": "connection_init", "token": self.token(desk)},
                {"type": "subscribe", "id": "s", "channel": "desk", **place},
            ):
                await loop.sock_sendall(raw, _masked(frame))
            yield raw


def _handshake(host: str) -> bytes:
    return (
        f"GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    ).encode()


def _masked(frame: Frame) -> bytes:
    """A client's text frame of 126 to 65,535 bytes (or, padded, a shorter one), under the mask 0."""
    payload = json.dumps(frame).encode().ljust(126)
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + b"\0\0\0\0" + payload
