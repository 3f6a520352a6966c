"""One connection of a desk or bot: its session, its outbox, its subscriptions.

In: frames from its socket, and the time now and then. Out: frames to its socket, listeners on
the hub, reports to the feedback. Refused: to wait for a slow one - a full outbox closes the
connection with 4429, and nobody else notices.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from gateway.auth.tokens import Token
from gateway.push.channel_entry import ChannelEvent
from gateway.push.frames import CloseCode, close_reason, error_frame
from gateway.push.hub import Hub
from gateway.push.meter import PushMeter
from gateway.push.protocol import (
    PING,
    BeginSubscription,
    Close,
    EndSubscription,
    ReportState,
    Send,
    Session,
    SessionAction,
    SessionClock,
)
from gateway.push.send_queue import SendQueue
from gateway.push.subscription import Subscription
from gateway.services.hint_feedback import Feedback, FeedbackRefused
from operators.records.routing import has_skill, is_queue
from state.audit.trail import HINT, ShownItem
from state.bus.protocol import BusFull
from state.redis.connections import StoreUnavailable

CLOSE_WITHIN_S: Final = 5.0

log = logging.getLogger("zhiyin.push")


class PushContext(NamedTuple):
    """What all connections of one server share. ``clock``: the time; ``queue_frames``: room in each send queue."""

    hub: Hub
    feedback: Feedback
    meter: PushMeter
    clock: Callable[[], SessionClock]
    queue_frames: int
    ping_interval_s: float
    delivered: Callable[[str], None]
    seen: Callable[[Token, ShownItem], None] = lambda _token, _shown: None


class Connection:
    """One connection; ``serve`` returns when it has ended."""

    __slots__ = (
        "_closing",
        "_connection",
        "_context",
        "_joining",
        "_pinged_s",
        "_role",
        "_send_queue",
        "_session",
        "_subscriptions",
    )

    def __init__(self, connection: ServerConnection, session: Session, context: PushContext) -> None:
        self._connection = connection
        self._session = session
        self._context = context
        self._send_queue = SendQueue(
            connection, context.queue_frames, context.meter, self._steady_s, self._overflown, self._delivered
        )
        self._subscriptions: dict[str, Subscription] = {}
        self._joining: dict[str, asyncio.Task[None]] = {}
        self._closing: asyncio.Task[None] | None = None
        self._pinged_s = self._steady_s()
        self._role: str | None = None

    async def serve(self) -> None:
        """Talk until either side ends it."""
        try:
            async for text in self._connection:
                if self._closing is None:
                    await self._take(self._session.receive(text, self._context.clock()))
        except ConnectionClosed:
            pass
        finally:
            self._send_queue.close()
            self._end()
            await self.closed()

    def close(self, code: int, reason: str) -> None:
        """Begin to close; nothing more is sent. The first call decides the code."""
        if self._closing is None:
            self._context.meter.closed(code)
            self._closing = asyncio.create_task(self._close(code, close_reason(reason)))
            self._drop_all()

    async def closed(self) -> None:
        """Wait until a close that has begun is over: a few seconds at most, whatever the other side does."""
        if self._closing is not None:
            await asyncio.wait((self._closing,))

    def check_deadlines(self, now: SessionClock) -> None:
        """Ping, and close what time alone has ended. To be called about once a second."""
        stuck_s = self._send_queue.sending_for_s()
        overdue = self._session.overdue(now)
        if overdue is not None:
            self.close(overdue.code, overdue.reason)
        elif stuck_s > 2 * self._context.ping_interval_s:
            self.close(CloseCode.TOO_MANY, f"nothing read for {stuck_s:.0f} s")
        elif now.steady_s - self._pinged_s >= self._context.ping_interval_s:
            self._pinged_s = now.steady_s
            if self._send_queue.is_empty:
                self._send_queue.put("ping", PING)

    def _delivered(self, shown: ShownItem) -> None:
        """A frame with a hint or a bundle has gone out."""
        if shown.kind == HINT:
            self._context.delivered(shown.id)
        if self._session.token is not None:
            self._context.seen(self._session.token, shown)

    @property
    def token(self) -> Token | None:
        """Whose it is; None until it has said so, and once it is being closed."""
        return self._session.token if self._closing is None else None

    def _sees(self, event: ChannelEvent) -> bool:
        """Whether an entry is of a customer that this desk may see."""
        token = self._session.token
        if token is None:
            return False
        if not token.reach.allows(event.branch, event.region):
            self._context.meter.withheld()
            return False
        return True

    def _may_take(self, event: ChannelEvent) -> bool:
        """Whether an entry of a queue is for this desk: it may see the customer and has the skill."""
        token = self._session.token
        return (
            token is not None
            and has_skill(token.skills, event.skill if event.announces else None)
            and self._sees(event)
        )

    def _steady_s(self) -> float:
        return self._context.clock().steady_s

    def _overflown(self) -> None:
        self.close(CloseCode.TOO_MANY, f"{self._send_queue.room_frames} frames are waiting: this desk does not read")

    async def _close(self, code: int, reason: str) -> None:
        """A close frame waits behind what a slow desk does not read: after a while the socket is cut."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._connection.close(code, reason)
        except TimeoutError:
            self._connection.transport.abort()

    def _end(self) -> None:
        self._drop_all()
        if self._role is not None:
            self._context.meter.ended(self._role)

    async def _take(self, step: SessionAction | None) -> None:
        match step:
            case Send(kind, frame):
                self._send_queue.put(kind, frame)
                self._welcome()
            case Close(code, reason):
                self.close(code, reason)
            case BeginSubscription():
                self._begin(step)
            case EndSubscription(subscription_id):
                self._drop(subscription_id)
            case ReportState():
                await self._report(step)

    def _welcome(self) -> None:
        """Count it once it is known who it is."""
        if self._role is None and self._session.token is not None:
            self._role = self._session.token.role
            self._context.meter.opened(self._role)

    def _begin(self, begin: BeginSubscription) -> None:
        sees = self._may_take if is_queue(begin.channel) else self._sees
        subscription = Subscription(begin.id, begin.channel, self._send_queue, self._drop, sees)
        self._subscriptions[begin.id] = subscription
        self._joining[begin.id] = asyncio.create_task(self._join(begin, subscription))

    async def _join(self, begin: BeginSubscription, subscription: Subscription) -> None:
        try:
            await self._context.hub.join(begin.channel, subscription, begin.epoch, begin.offset)
        except StoreUnavailable as error:
            if not subscription.has_ended:
                self._drop(begin.id)
                self._error(begin.id, "unavailable", _away(error), temporary=True)
        except Exception:
            log.exception("push: joining %s failed", begin.channel)
            if not subscription.has_ended:
                self._drop(begin.id)
                self._error(begin.id, "unavailable", "the channel cannot be read: see the server's log", temporary=True)
        if subscription.has_ended:
            self._context.hub.leave(subscription.channel, subscription)
        elif self._joining.get(begin.id) is asyncio.current_task():
            del self._joining[begin.id]

    def _drop(self, subscription_id: str) -> None:
        self._session.ended(subscription_id)
        joining = self._joining.pop(subscription_id, None)
        if joining is not None and joining is not asyncio.current_task():
            joining.cancel()
        subscription = self._subscriptions.pop(subscription_id, None)
        if subscription is not None:
            subscription.has_ended = True
            self._context.hub.leave(subscription.channel, subscription)

    def _drop_all(self) -> None:
        for subscription_id in list(self._subscriptions):
            self._drop(subscription_id)

    async def _report(self, report: ReportState) -> None:
        token = self._session.token
        if token is None:
            return
        try:
            await self._context.feedback.report(report.hint_id, report.state, report.opinion, token)
        except FeedbackRefused as error:
            self._error(report.hint_id, error.code, str(error), temporary=False)
        except StoreUnavailable as error:
            self._error(report.hint_id, "unavailable", _away(error), temporary=True)
        except BusFull:
            self._error(report.hint_id, "unavailable", "the bus is full: report again later", temporary=True)

    def _error(self, about: str, code: str, message: str, *, temporary: bool) -> None:
        self._send_queue.put("error", error_frame(about, code, message, temporary=temporary))


def _away(error: StoreUnavailable) -> str:
    """Fit for a client: it need not know where the store is."""
    return f"the store is {error.kind.replace('_', ' ')}: try again in a moment"
