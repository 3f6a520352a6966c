"""The frames of ``zhiyin.desk.v1``: text, JSON, each with a ``type``.

In: the text a desk or bot sent. Out: one of the client's frames, or bytes for one of
ours. Refused, with the field at fault: what is not JSON, has another type, or lacks a field.
"""

from typing import Annotated, Final, Literal

import msgspec

from operators.records.catalogue import Code

PROTOCOL: Final = "zhiyin.desk.v1"
FRAME_BYTES: Final = 16_384
"""The largest frame a client may send."""
REASON_BYTES: Final = 123
"""The longest close reason a websocket carries (RFC 6455, section 5.5)."""

SubscriptionId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ReportedState = Literal["shown", "used", "dismissed"]


class CloseCode:
    """Why a connection ends, beside the codes of RFC 6455."""

    RESTART: Final = 1012
    BAD_MESSAGE: Final = 4400
    UNAUTHORISED: Final = 4401
    FORBIDDEN: Final = 4403
    TIMEOUT: Final = 4408
    DUPLICATE: Final = 4409
    TOO_MANY: Final = 4429


class ConnectionInit(msgspec.Struct, tag_field="type", tag="connection_init", frozen=True):
    """Who is there: the first frame."""

    token: str


class Ping(msgspec.Struct, tag_field="type", tag="ping", frozen=True):
    """Are you there? Answered with ``pong``."""


class Pong(msgspec.Struct, tag_field="type", tag="pong", frozen=True):
    """Yes."""


class Subscribe(msgspec.Struct, tag_field="type", tag="subscribe", frozen=True):
    """Tell me what happens in ``channel``, from after ``offset`` of ``epoch`` on where given."""

    id: SubscriptionId
    channel: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    epoch: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None


class Ack(msgspec.Struct, tag_field="type", tag="ack", frozen=True):
    """What became of a hint at this desk."""

    hint_id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    state: ReportedState
    helpful: bool | None = None
    reason: Code | None = None


class Complete(msgspec.Struct, tag_field="type", tag="complete", frozen=True):
    """Enough of this subscription."""

    id: SubscriptionId


ClientFrame = ConnectionInit | Ping | Pong | Subscribe | Ack | Complete
_DECODER: Final[msgspec.json.Decoder[ClientFrame]] = msgspec.json.Decoder(ClientFrame)


class FrameError(Exception):
    """What a client sent is no frame of ours; ``what`` names the field and what was expected."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


def read_frame(text: str | bytes) -> ClientFrame:
    """The frame that ``text`` is; raises FrameError."""
    if isinstance(text, bytes):
        raise FrameError("binary frame: expected text")
    try:
        frame = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise FrameError(str(error)) from error
    except RecursionError as error:
        raise FrameError("JSON nested too deeply") from error
    if isinstance(frame, Subscribe) and (frame.epoch is None) != (frame.offset is None):
        raise FrameError("subscribe: epoch and offset come together or not at all")
    return frame


def frame_bytes(kind: str, **fields: str | float | bool) -> bytes:
    """One of our frames."""
    return msgspec.json.encode({"type": kind, **fields})


def error_frame(about: str, code: str, message: str, *, temporary: bool) -> bytes:
    """An ``error``; ``about``: the subscription's id, or the hint's where it answers an ``ack``."""
    return frame_bytes("error", id=about, code=code, message=message, temporary=temporary)


def next_head(subscription_id: str) -> bytes:
    """The beginning of every ``next`` of one subscription; ``next_frame`` completes it."""
    return b'{"type":"next","id":' + msgspec.json.encode(subscription_id) + b',"offset":'


def next_frame(head: bytes, offset: int, event: bytes) -> bytes:
    """A ``next`` around the event's bytes as they are: nothing is encoded again."""
    return b'%b%d,"event":%b}' % (head, offset, event)


def close_reason(text: str) -> str:
    """``text`` cut to what a close frame carries, never inside a character."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= REASON_BYTES:
        return raw.decode()
    return raw[: REASON_BYTES - 3].decode("utf-8", "ignore") + "..."
