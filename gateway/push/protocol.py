"""One connection's conversation in ``zhiyin.desk.v1``, without a socket.

In: the client's frames, and the time. Out: steps for whoever holds the socket (send,
close, begin or end a subscription, report a hint's state). Refused, by closing with a
code: no token in time, a bad one, a bad frame, an id used twice, too much of anything.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.auth.roles import SUBSCRIBE_CHATBOT, SUBSCRIBE_DESK
from gateway.auth.tokens import Token, TokenRefused
from gateway.push.frames import (
    Ack,
    CloseCode,
    Complete,
    ConnectionInit,
    FrameError,
    Ping,
    Pong,
    Subscribe,
    error_frame,
    frame_bytes,
    read_frame,
)
from gateway.services.hint_feedback import Opinion
from operators.records.routing import QUEUE, queue_of
from operators.support.timestamps import iso_text
from state.redis.keys import CHATBOT_CHANNEL, desk_channel

INIT_WITHIN_S: Final = 10.0
SUBSCRIPTIONS: Final = 8
FRAMES_AT_ONCE: Final = 256
FRAMES_PER_S: Final = 32.0
DESK: Final = "desk"
SUBSCRIBER_ROLES: Final = (*SUBSCRIBE_DESK.roles, *SUBSCRIBE_CHATBOT.roles)


class Send(NamedTuple):
    """Send this frame; ``kind`` is its type."""

    kind: str
    frame: bytes


class Close(NamedTuple):
    """Close the connection; nothing else follows."""

    code: int
    reason: str


class BeginSubscription(NamedTuple):
    """Begin delivering ``channel`` under this id; from after ``offset`` of ``epoch`` where given."""

    id: str
    channel: str
    epoch: str | None
    offset: int | None


class EndSubscription(NamedTuple):
    """Stop delivering to this subscription."""

    id: str


class ReportState(NamedTuple):
    """The client reports a hint's state."""

    hint_id: str
    state: str
    opinion: Opinion


SessionAction = Send | Close | BeginSubscription | EndSubscription | ReportState


class SessionClock(NamedTuple):
    """Now: ``steady_s`` never goes back (for waiting), ``wall_ms`` is epoch milliseconds."""

    steady_s: float
    wall_ms: int

    @property
    def wall_s(self) -> int:
        """Epoch seconds, as tokens have them."""
        return self.wall_ms // 1000


class Session:
    """Where one conversation stands. ``token`` is None until the client has said who it is."""

    def __init__(self, read: Callable[[str, int], Token], ping_interval_s: float, now: SessionClock) -> None:
        self.token: Token | None = None
        self.subscriptions: set[str] = set()
        self._read = read
        self._ping_interval_s = ping_interval_s
        self._began_s = now.steady_s
        self._received_s = now.steady_s
        self._allowance = float(FRAMES_AT_ONCE)

    def receive(self, text: str | bytes, now: SessionClock) -> SessionAction | None:
        """What follows from one frame of the client's: one step, or nothing."""
        if not self._within_allowance(now):
            return Close(CloseCode.TOO_MANY, f"too many frames: at most {FRAMES_PER_S:.0f} a second")
        try:
            frame = read_frame(text)
        except FrameError as error:
            return Close(CloseCode.BAD_MESSAGE, error.what)
        if isinstance(frame, Ping):
            return Send("pong", PONG)
        if isinstance(frame, Pong):
            return None
        if isinstance(frame, ConnectionInit):
            return self._init(frame, now)
        if self.token is None:
            return Close(CloseCode.UNAUTHORISED, "say connection_init with a token first")
        return self._known(frame, self.token)

    def overdue(self, now: SessionClock) -> Close | None:
        """The close that time alone brings: no token, an expired one, or silence."""
        if self.token is None and now.steady_s - self._began_s >= INIT_WITHIN_S:
            return Close(CloseCode.TIMEOUT, f"no connection_init within {INIT_WITHIN_S:.0f} s")
        if self.token is not None and self.token.expires_s <= now.wall_s:
            return Close(CloseCode.UNAUTHORISED, "token expired: ask for a new one")
        silence_s = now.steady_s - self._received_s
        if silence_s > 2 * self._ping_interval_s:
            return Close(CloseCode.TIMEOUT, f"nothing heard for {silence_s:.0f} s: ping was not answered")
        return None

    def ended(self, subscription_id: str) -> None:
        """The subscription is over; its id may be used again."""
        self.subscriptions.discard(subscription_id)

    def _within_allowance(self, now: SessionClock) -> bool:
        earned = (now.steady_s - self._received_s) * FRAMES_PER_S
        self._allowance = min(FRAMES_AT_ONCE, self._allowance + earned) - 1
        self._received_s = now.steady_s
        return self._allowance >= 0

    def _init(self, frame: ConnectionInit, now: SessionClock) -> SessionAction:
        try:
            token = self._read(frame.token, now.wall_s)
        except TokenRefused as error:
            return Close(CloseCode.UNAUTHORISED, error.reason)
        if token.role not in SUBSCRIBER_ROLES:
            return Close(CloseCode.FORBIDDEN, f"role {token.role!r}: expected {' or '.join(SUBSCRIBER_ROLES)}")
        if self.token is not None and (token.subject, token.role) != (self.token.subject, self.token.role):
            return Close(CloseCode.FORBIDDEN, "a new token must be of the same subject and role")
        self.token = token
        return Send("connection_ack", _acknowledged(token, self._ping_interval_s))

    def _known(self, frame: Subscribe | Ack | Complete, token: Token) -> SessionAction | None:
        if isinstance(frame, Ack):
            return ReportState(frame.hint_id, frame.state, Opinion(frame.helpful, frame.reason))
        if isinstance(frame, Complete):
            return EndSubscription(frame.id) if frame.id in self.subscriptions else None
        return self._subscribe(frame, token)

    def _subscribe(self, frame: Subscribe, token: Token) -> SessionAction:
        if frame.id in self.subscriptions:
            return Close(CloseCode.DUPLICATE, f"subscription id {frame.id!r} is in use")
        if len(self.subscriptions) >= SUBSCRIPTIONS:
            return Close(CloseCode.TOO_MANY, f"too many subscriptions: at most {SUBSCRIPTIONS}")
        channel = channel_for(token, frame.channel)
        if channel is None:
            return Send("error", _not_yours(frame, token))
        self.subscriptions.add(frame.id)
        return BeginSubscription(frame.id, channel, frame.epoch, frame.offset)


PONG: Final = frame_bytes("pong")
PING: Final = frame_bytes("ping")


def channel_for(token: Token, name: str) -> str | None:
    """The channel that ``name`` means for this token; None when it may not subscribe to it."""
    if name == DESK and token.role in SUBSCRIBE_DESK.roles:
        return desk_channel(token.subject)
    if name == QUEUE and token.role in SUBSCRIBE_DESK.roles:
        return queue_of(token.branch)
    if name == CHATBOT_CHANNEL and token.role in SUBSCRIBE_CHATBOT.roles:
        return CHATBOT_CHANNEL
    return None


def _acknowledged(token: Token, ping_interval_s: float) -> bytes:
    return frame_bytes(
        "connection_ack",
        subject=token.subject,
        role=token.role,
        expires_at=iso_text(token.expires_s * 1000),
        ping_interval_s=ping_interval_s,
    )


def _not_yours(frame: Subscribe, token: Token) -> bytes:
    expected = f"{DESK!r} or {QUEUE!r}" if token.role in SUBSCRIBE_DESK.roles else f"{CHATBOT_CHANNEL!r}"
    message = f"channel: found {frame.channel!r}, expected {expected} for a token with role {token.role}"
    return error_frame(frame.id, "forbidden", message, temporary=False)
