"""The websocket server of protocol ``zhiyin.desk.v1``: hints to desks and bots as they arise.

In: connections of desks and bots, channels of hints. Out: frames as
``docs/reference/websocket.md`` has them. Refused: at the handshake, other subprotocols (400) and
origins that are not allowed (403); afterwards by close codes. Served by ``websockets`` on a port of its own, without
compression: that would cost three times the memory.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import NegotiationError
from websockets.typing import Subprotocol

from config.settings.load import Settings
from gateway.auth.tokens import AGENT, Token, TokenReader
from gateway.push.connection import CLOSE_WITHIN_S, Connection, PushContext
from gateway.push.frames import FRAME_BYTES, PROTOCOL, CloseCode
from gateway.push.handshake import Handshake
from gateway.push.hint_lifecycle import HintLifecycle
from gateway.push.hub import Hub
from gateway.push.meter import NoMeter, PushMeter
from gateway.push.protocol import Session, SessionClock
from gateway.runtime.background_task import BackgroundTask, Backoff
from gateway.runtime.gc_tuning import Garbage
from gateway.services.hint_feedback import Feedback
from state.audit.trail import ShownItem
from state.hints.repository import HintRepository

LOOK_EVERY_S: Final = 1.0
SLICES: Final = 20
"""Desks are looked after some at a time: thousands of them pinged at one instant would stop the loop."""
HANDSHAKE_WITHIN_S: Final = 10.0
BACKLOG: Final = 4_096
"""What the kernel holds for us: with too few, many of thousands that come back at once try again for a minute."""

log = logging.getLogger("zhiyin.push")
sockets_log = logging.getLogger("zhiyin.push.sockets")
sockets_log.setLevel(logging.WARNING)  # below it stands a line for every connection that comes or goes


def system_clock() -> SessionClock:
    """The time of this machine."""
    return SessionClock(time.monotonic(), int(time.time() * 1000))


class PushServer:
    """Serves desks and bots. ``hub`` lets others in this process listen to a channel too."""

    def __init__(
        self,
        settings: Settings,
        repository: HintRepository,
        feedback: Feedback,
        meter: PushMeter | None = None,
        clock: Callable[[], SessionClock] = system_clock,
        reader: TokenReader | None = None,
        seen: Callable[[Token, ShownItem], None] = lambda _token, _shown: None,
    ) -> None:
        meter = meter or NoMeter()
        self.hub = Hub(repository, lambda: clock().wall_ms, meter.task_failed)
        self._settings = settings
        self._clock = clock
        self._read_token = (reader or TokenReader(settings.token_secret)).read
        self._handshake = Handshake(
            settings.desk_origins, settings.trusted_proxies, settings.address_requests_per_s, lambda: clock().steady_s
        )
        self._lifecycle = HintLifecycle(repository, lambda: clock().wall_ms, meter.task_failed)
        self._context = PushContext(
            self.hub,
            feedback,
            meter,
            clock,
            settings.desk_queue_frames,
            settings.ping_interval_s,
            self._lifecycle.delivered,
            seen,
        )
        self._connections: set[Connection] = set()
        self._garbage = Garbage(clock().steady_s)
        self._server: Server | None = None
        self._deadlines = BackgroundTask(
            "desk_deadlines", 0.0, self._check_deadlines, meter.task_failed, Backoff(longest_s=LOOK_EVERY_S)
        )

    def desks_on_line(self) -> Iterator[Token]:
        """The tokens of the desks that are connected now; bots are no desks."""
        for connection in list(self._connections):
            token = connection.token
            if token is not None and token.role == AGENT:
                yield token

    @property
    def port(self) -> int:
        """The port it serves on; raises RuntimeError before ``start``."""
        if self._server is None:
            raise RuntimeError("the push server has no port yet: found it not started, expected start() before")
        found: int = next(iter(self._server.sockets)).getsockname()[1]
        return found

    async def start(self, host: str, port: int) -> None:
        """Serve from now on; port 0 takes a free one. Raises OSError when the port is in use."""
        self._server = await serve(
            self._serve,
            host,
            port,
            select_subprotocol=_select_subprotocol,
            process_request=self._handshake.answer,
            compression=None,
            server_header=None,
            logger=sockets_log,
            open_timeout=HANDSHAKE_WITHIN_S,
            backlog=BACKLOG,
            ping_interval=None,
            close_timeout=CLOSE_WITHIN_S,
            max_size=FRAME_BYTES,
        )
        self.hub.start()
        self._lifecycle.start()
        self._deadlines.start()

    async def stop(self) -> None:
        """Close every connection with 1012 and stop; takes a few seconds at most."""
        if self._server is None:
            return
        await self._deadlines.stop()
        self._server.close(close_connections=False)
        connections = list(self._connections)
        for connection in connections:
            connection.close(CloseCode.RESTART, "going away for a restart: come back in a moment")
        await asyncio.gather(*(connection.closed() for connection in connections))
        await self.hub.stop()
        await self._lifecycle.stop()
        await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        session = Session(self._read_token, self._context.ping_interval_s, self._clock())
        served = Connection(connection, session, self._context)
        self._connections.add(served)
        try:
            await served.serve()
        finally:
            self._connections.discard(served)
            self._garbage.left_behind()

    async def _check_deadlines(self) -> None:
        """Pings the connections and ends those that are silent, a slice at a time."""
        every_s = min(LOOK_EVERY_S, self._context.ping_interval_s / 4)
        self._garbage.look(self._clock().steady_s, len(self._connections))
        for connections in self._slices():
            await asyncio.sleep(every_s / SLICES)
            now = self._clock()
            for connection in self._connections.intersection(connections):
                self._check(connection, now)

    def _check(self, connection: Connection, now: SessionClock) -> None:
        try:
            connection.check_deadlines(now)
        except Exception:  # one connection that cannot be checked must not keep the others from being pinged
            log.exception("push: the deadlines of a connection cannot be checked; it is closed")
            connection.close(CloseCode.RESTART, "something went wrong here: come back in a moment")

    def _slices(self) -> list[list[Connection]]:
        """The connections open now, in ``SLICES`` parts; the last ones may be empty."""
        connections = list(self._connections)
        size = 1 + len(connections) // SLICES
        return [connections[start : start + size] for start in range(0, size * SLICES, size)]


def _select_subprotocol(_connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    if not offered:
        return None
    if PROTOCOL in offered:
        return Subprotocol(PROTOCOL)
    raise NegotiationError(f"subprotocol: found {', '.join(offered)}, expected {PROTOCOL}")
