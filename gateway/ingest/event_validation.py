"""Checks one event, or one batch of them, before the bus: pure.

In: the raw bytes of an event, and what holds for its request (``RequestContext``). Out: an
``OutgoingEvent`` with the customer, the corrected time and the bytes for the bus, or a
``Rejection`` that says where, what was found and what is expected.
Refused: more than 32 KB, not UTF-8, nested too deeply, lone surrogates, not an event of
the wire format, an id that is too long, a time that cannot be. Unknown journeys and
steps pass: the engine's catalogue may be newer than ours, it makes dead letters of them.

What the request says for all its events (``context``), or what is missing (``messageId``, ``type``), is added at
the end of the object. Then what nobody reads is left out (``operators.records.event_fields``); or, where everything is
kept, the bytes go on as they came, but for line breaks between members.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final

import msgspec

from config.settings.write_key_scopes import WriteKeyScope
from gateway.ingest.text_checks import too_deep, wrong_text
from operators.records.event_fields import known_event
from operators.records.events import (
    ACTIVITY,
    CUSTOMER_ERASED,
    CUSTOMER_ID_CHARS,
    MESSAGE_ID_CHARS,
    POLICY_UPDATED,
    REPORTED,
    TYPES,
    VOCABULARY,
    Event,
    Rejection,
    read_event,
)
from operators.records.policies import read_policy
from operators.support.timestamps import iso_text, to_ms
from state.bus.protocol import OutgoingEvent

EVENT_BYTES: Final = 32 * 1024
EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01: before it no event of ours can have happened, a device's clock is wrong."""

_STATUSES: Final = {
    "too_big": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "not_with_this_key": HTTPStatus.FORBIDDEN,
}
NewId = Callable[[], str]


class RequestContext(msgspec.Struct, frozen=True):
    """What holds for every event of one request; times in epoch ms.

    ``expected_type``: the endpoint's (None: any); ``sent_at`` and ``context``: the batch's own.
    ``scope``: what the write key may send (None: anything); ``keeps_all``: whether fields nobody reads are kept.
    """

    received_ms: int
    max_future_ms: int
    expected_type: str | None = None
    sent_at: datetime | None = None
    context: bytes | None = None
    scope: WriteKeyScope | None = None
    keeps_all: bool = True


class RefusedEvent(msgspec.Struct, frozen=True, rename="camel"):
    """One event of a request that was not taken: its index, its messageId if it has one, and why."""

    index: int
    message_id: str | None
    status: int
    kind: str
    path: str
    found: str
    expected: str


class ValidationResult(msgspec.Struct, frozen=True):
    """What became of the events of one request."""

    admitted: list[OutgoingEvent]
    refused: list[RefusedEvent]


class _Type(msgspec.Struct, gc=False):
    type: str | msgspec.UnsetType = msgspec.UNSET


class _Context(msgspec.Struct, gc=False):
    context: msgspec.Raw = msgspec.Raw(b"null")


class _MessageId(msgspec.Struct, gc=False, rename="camel"):
    message_id: str | None = None


def validate_all(raws: Sequence[bytes], request_context: RequestContext, new_id: NewId) -> ValidationResult:
    """Each event on its own: what is wrong with one does not touch the others."""
    admitted: list[OutgoingEvent] = []
    refused: list[RefusedEvent] = []
    for index, raw in enumerate(raws):
        outcome = validate(raw, request_context, new_id)
        if isinstance(outcome, OutgoingEvent):
            admitted.append(outcome)
        else:
            refused.append(refusal(index, raw, outcome))
    return ValidationResult(admitted, refused)


def validate(raw: bytes, request_context: RequestContext, new_id: NewId) -> OutgoingEvent | Rejection:
    """One event, or why not. ``new_id`` is asked only for an event without a messageId."""
    wrong = _wrong_bytes(raw)
    if wrong is not None:
        return wrong
    event = read_event(raw)
    if isinstance(event, Rejection):
        return event
    missing = _missing_type(raw, event, request_context)
    if isinstance(missing, Rejection):
        return missing
    event_type = missing or event.type
    wrong = (
        _wrong_event(event, event_type)
        or _wrong_policy(raw, event)
        or _out_of_scope(event, event_type, request_context.scope)
    )
    if wrong is not None:
        return wrong
    time_ms = corrected_time(event, request_context)
    if isinstance(time_ms, Rejection):
        return time_ms
    complete = _complete(raw, event, missing, request_context, new_id)
    return OutgoingEvent(
        event.customer_id or "", time_ms, complete if request_context.keeps_all else known_event(complete)
    )


def refusal(index: int, raw: bytes, rejection: Rejection) -> RefusedEvent:
    """The rejection as the answer lists it."""
    status = _STATUSES.get(rejection.kind, HTTPStatus.BAD_REQUEST)
    return RefusedEvent(
        index, _message_id(raw), status, rejection.kind, rejection.path, rejection.found, rejection.expected
    )


def corrected_time(event: Event, request_context: RequestContext) -> int | Rejection:
    """Epoch ms of the event on our clock: ``receivedAt - (sentAt - originalTimestamp)``.

    The sender's clock may be wrong, the time between making and sending is not. Without
    sentAt the timestamp counts as it is, without a timestamp the time of arrival.
    """
    made = event.original_timestamp or event.timestamp
    if made is None:
        return request_context.received_ms
    sent = event.sent_at or request_context.sent_at
    time_ms = to_ms(made) if sent is None else request_context.received_ms - (to_ms(sent) - to_ms(made))
    latest_ms = request_context.received_ms + request_context.max_future_ms
    if EARLIEST_MS <= time_ms <= latest_ms:
        return time_ms
    path = "$.timestamp" if event.original_timestamp is None else "$.originalTimestamp"
    found = made.isoformat() if sent is None else f"{made.isoformat()}, sentAt {sent.isoformat()}"
    return Rejection(
        "time_out_of_range", path, found, f"a corrected time from {iso_text(EARLIEST_MS)} to {iso_text(latest_ms)}"
    )


def _wrong_bytes(raw: bytes) -> Rejection | None:
    """What is wrong before a single field is read."""
    if len(raw) > EVENT_BYTES:
        return Rejection("too_big", "$", f"{len(raw)} bytes", f"at most {EVENT_BYTES} bytes an event")
    return wrong_text(raw) or too_deep(raw)


def _missing_type(raw: bytes, event: Event, request_context: RequestContext) -> str | Rejection | None:
    """The type to add because the endpoint says it and the event does not; None when there is nothing to add."""
    expected = request_context.expected_type
    if expected is None or event.type == expected:
        return None
    if msgspec.json.decode(raw, type=_Type).type is msgspec.UNSET:
        return expected
    return Rejection("unknown_type", "$.type", repr(event.type), f"{expected!r} on this endpoint, or none")


def _wrong_event(event: Event, event_type: str) -> Rejection | None:
    """What the fields of a readable event lack."""
    if event_type not in TYPES:
        return Rejection("unknown_type", "$.type", repr(event_type[:80]), f"one of {', '.join(sorted(TYPES))}")
    if event_type == "track" and not event.event:
        return Rejection("no_event", "$.event", "none", "the name of what happened, such as 'Transaction Started'")
    if event.event == CUSTOMER_ERASED:
        return Rejection("not_with_this_key", "$.event", repr(event.event), "another: only 'zhiyin erase' says this")
    if event.event in ACTIVITY and not (event.properties and event.properties.journey):
        return Rejection("no_journey", "$.properties.journey", "none", f"the journey that {event.event!r} belongs to")
    return _too_long(event)


def _wrong_policy(raw: bytes, event: Event) -> Rejection | None:
    """What is wrong with the policy that an event carries."""
    policy = read_policy(raw) if event.event == POLICY_UPDATED else None
    return policy if isinstance(policy, Rejection) else None


def _out_of_scope(event: Event, event_type: str, scope: WriteKeyScope | None) -> Rejection | None:
    """What the write key may not send: an event of another name (or type, but for track), or of another journey."""
    if scope is None:
        return None
    for name in _names(event, event_type):
        if name not in scope.events if scope.events is not None else name in REPORTED:
            return Rejection("not_with_this_key", "$.event", repr(name)[:80], _names_of(scope, name))
    journey = event.properties.journey if event.properties is not None else None
    if scope.journeys is not None and journey not in scope.journeys:
        expected = f"one of {', '.join(sorted(scope.journeys))}"
        return Rejection("not_with_this_key", "$.properties.journey", repr(journey)[:80], expected)
    return None


def _names(event: Event, event_type: str) -> tuple[str | None, ...]:
    """By what an event is judged: its type but for track, and the name that the engine goes by whatever the type."""
    if event_type == "track":
        return (event.event,)
    return (event_type, event.event) if event.event in VOCABULARY else (event_type,)


def _names_of(scope: WriteKeyScope, name: str | None) -> str:
    """What the key would have to send, or have: an event that the gateway says itself wants a key that names it."""
    if scope.events is not None:
        return f"one of {', '.join(sorted(scope.events))}"
    return f"a key with events={name} in write_key_scopes, or the report of a desk or bot that has a token"


def _too_long(event: Event) -> Rejection | None:
    if event.message_id and len(event.message_id) > MESSAGE_ID_CHARS:
        return _over("$.messageId", event.message_id, MESSAGE_ID_CHARS)
    if event.user_id and len(event.user_id) > CUSTOMER_ID_CHARS:
        return _over("$.userId", event.user_id, CUSTOMER_ID_CHARS)
    if event.anonymous_id and len(event.anonymous_id) > CUSTOMER_ID_CHARS:
        return _over("$.anonymousId", event.anonymous_id, CUSTOMER_ID_CHARS)
    return None


def _over(path: str, text: str, limit: int) -> Rejection:
    return Rejection("too_long", path, f"{len(text)} characters", f"at most {limit} characters")


def _complete(
    raw: bytes, event: Event, missing_type: str | None, request_context: RequestContext, new_id: NewId
) -> bytes:
    """The event as one line, with what it lacked added at its end (the last of two equal keys counts)."""
    added = b""
    if missing_type is not None:
        added += b',"type":"%b"' % missing_type.encode()
    if not event.message_id:
        added += b',"messageId":%b' % msgspec.json.encode(new_id())
    if request_context.context is not None and event.context is None and _has_no_context(raw):
        added += b',"context":%b' % request_context.context
    if b"\n" in raw or b"\n" in added:
        raw, added = _one_line(raw), added.replace(b"\n", b" ")
    return raw.rstrip()[:-1] + added + b"}" if added else raw


def _has_no_context(raw: bytes) -> bool:
    return bytes(msgspec.json.decode(raw, type=_Context).context) == b"null"


def _one_line(raw: bytes) -> bytes:
    return msgspec.json.format(raw, indent=-1)


def _message_id(raw: bytes) -> str | None:
    """The messageId of a refused event, where it can still be read."""
    if len(raw) > EVENT_BYTES * 4:
        return None
    try:
        message_id = msgspec.json.decode(raw, type=_MessageId).message_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return message_id[:MESSAGE_ID_CHARS] if message_id else None
