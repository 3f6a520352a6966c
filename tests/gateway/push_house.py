"""A push server on a real socket over a house of hints, and a client that speaks its protocol."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from config.settings.load import Settings
from gateway.auth.tokens import issue_token
from gateway.push.frames import PROTOCOL
from gateway.push.meter import PushMeter
from gateway.push.protocol import SessionClock
from gateway.push.server import PushServer
from gateway.services.hint_feedback import Feedback
from state.bus.protocol import OutgoingEvent
from tests.state.houses import HOUR_MS, NOON_MS, House, make_hint

SECRET = "a secret of at least thirty-two bytes"
DESK = "d1"
CHANNEL = f"desk:{DESK}"

Frame = dict[str, Any]


class Bus:
    """Keeps what is appended, or fails with what it is told to."""

    def __init__(self) -> None:
        self.events: list[Frame] = []
        self.failure: Exception | None = None

    async def append(self, events: Sequence[OutgoingEvent]) -> None:
        if self.failure is not None:
            raise self.failure
        self.events += [{"customer": each.customer_id, **json.loads(each.raw)} for each in events]


class Counts(PushMeter):
    """Counts by name."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self.open: dict[str, int] = {}
        self.frames: list[tuple[str, int | None]] = []
        self.codes: list[int] = []
        self.overflows = 0
        self.out_of_reach = 0
        self.failed_tasks: list[str] = []

    def opened(self, role: str) -> None:
        self.open[role] = self.open.get(role, 0) + 1
        self._news.set()

    def ended(self, role: str) -> None:
        self.open[role] -= 1
        self._news.set()

    def sent(self, kind: str, event_ms: int | None) -> None:
        self.frames.append((kind, event_ms))

    def closed(self, code: int) -> None:
        self.codes.append(code)

    def overflowed(self) -> None:
        self.overflows += 1

    def withheld(self) -> None:
        self.out_of_reach += 1

    def task_failed(self, task: str) -> None:
        self.failed_tasks.append(task)

    async def until_open(self, role: str, count: int) -> None:
        async with asyncio.timeout(120):
            while self.open.get(role, 0) != count:
                await self._news.wait()
                self._news.clear()


class Hall:
    """A running push server; ``skew_s`` moves its clock on."""

    def __init__(self, house: House, settings: Settings) -> None:
        self.house = house
        self.settings = settings
        self.bus = Bus()
        self.counts = Counts()
        self.skew_s = 0.0
        self._began_s = time.monotonic()
        feedback = Feedback(house.board, self.bus, lambda: self.clock().wall_ms)
        self.server = PushServer(settings, house.board, feedback, self.counts, self.clock)

    def clock(self) -> SessionClock:
        passed_s = time.monotonic() - self._began_s + self.skew_s
        return SessionClock(1_000.0 + passed_s, NOON_MS + int(passed_s * 1000))

    def token(self, role: str = "agent", subject: str = DESK, lifetime_s: int = 600) -> str:
        return issue_token(SECRET, subject, role, lifetime_s, NOON_MS // 1000)

    def tell(self, *names: str, desk: str = DESK, **changes: object) -> None:
        for name in names:
            self.house.store.place(make_hint(name, **{"expires_at_ms": NOON_MS + HOUR_MS, **changes}), desk)

    @asynccontextmanager
    async def caller(self, **options: object) -> AsyncIterator["PushCaller"]:
        """A connection on which nothing has been said."""
        defaults: dict[str, Any] = {"subprotocols": [Subprotocol(PROTOCOL)], "ping_interval": None, "close_timeout": 1}
        url = f"ws://127.0.0.1:{self.server.port}/"
        async with connect(url, compression=None, **(defaults | options)) as connection:
            yield PushCaller(connection)

    @asynccontextmanager
    async def desk(self, role: str = "agent", subject: str = DESK, **options: object) -> AsyncIterator["PushCaller"]:
        """A connection that has been acknowledged."""
        async with self.caller(**options) as caller:
            await caller.say("connection_init", token=self.token(role, subject))
            assert (await caller.hear())["type"] == "connection_ack"
            yield caller


class PushCaller:
    """A client, frame by frame."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, kind: str, **fields: object) -> None:
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def hear(self, kind: str | None = None) -> Frame:
        """The next frame, or the next of ``kind``."""
        async with asyncio.timeout(120):
            while True:
                frame: Frame = json.loads(await self.connection.recv())
                if kind is None or frame["type"] == kind:
                    return frame

    async def subscribe(self, subscription_id: str = "s", channel: str = "desk", **place: object) -> Frame:
        await self.say("subscribe", id=subscription_id, channel=channel, **place)
        return await self.hear()

    async def end(self) -> tuple[int, str]:
        """Close code and reason of the server, after whatever it still says."""
        async with asyncio.timeout(120):
            async for _ in self._frames():
                pass
        received = self.connection.protocol.close_rcvd
        assert received is not None
        return received.code, received.reason

    async def _frames(self) -> AsyncIterator[str | bytes]:
        with suppress(ConnectionClosed):
            async for frame in self.connection:
                yield frame


def push_settings(**changes: object) -> Settings:
    return msgspec.convert({"token_secret": SECRET, **changes}, Settings)


@asynccontextmanager
async def open_hall(house: House, **changes: object) -> AsyncIterator[Hall]:
    """A push server that serves until the end of the block."""
    hall = Hall(house, push_settings(**changes))
    await hall.server.start("127.0.0.1", 0)
    try:
        yield hall
    finally:
        await hall.server.stop()
