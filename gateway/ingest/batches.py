"""Reads the body of a batch into the raw bytes of its events: pure.

In: ``{"batch": [...], "context"?, "sentAt"?, "writeKey"?}`` as bytes. Out: a ``Batch``
whose events are untouched bytes, not yet looked at. Refused, whole: more than 2,500
events, none, a context of more than 4 KB (it is copied into each event), a ``sentAt``
that is no time, bytes that cannot be taken apart into events.
"""

from datetime import datetime
from typing import Final

import msgspec

from gateway.ingest.batch_split import split_batch
from gateway.ingest.text_checks import too_deep, wrong_text
from operators.records.events import Rejection, excerpt, wrong_type

BATCH_BYTES: Final = 500 * 1024
BATCH_EVENTS: Final = 2_500
CONTEXT_BYTES: Final = 4 * 1024


class Batch(msgspec.Struct, frozen=True):
    """The events of one request and what it says for all of them. ``context``: JSON of an object, or None."""

    events: list[bytes]
    context: bytes | None = None
    sent_at: datetime | None = None
    write_key: str | None = None


class _Envelope(msgspec.Struct, gc=False, rename="camel"):
    batch: list[msgspec.Raw]
    context: msgspec.Raw = msgspec.Raw(b"null")
    sent_at: datetime | None = None
    write_key: str | None = None


class _Key(msgspec.Struct, gc=False, rename="camel"):
    write_key: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_KEY: Final = msgspec.json.Decoder(_Key)


def read_batch(body: bytes) -> Batch | Rejection:
    """The batch, or what is wrong with the request as a whole."""
    try:
        envelope = _ENVELOPE.decode(body)
        events = [bytes(raw) for raw in envelope.batch]
    except msgspec.ValidationError as error:
        return wrong_type(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _taken_apart(body, error)
    return _checked(envelope, events)


def read_write_key(body: bytes) -> str | None:
    """The ``writeKey`` of a single event's body, None where there is none to be read."""
    try:
        return _KEY.decode(body).write_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _taken_apart(body: bytes, error: Exception) -> Batch | Rejection:
    """One event that is no JSON makes the whole request none: cut it out of the others."""
    split = split_batch(body)
    if split is None:
        return _not_json(body, error)
    try:
        envelope = _ENVELOPE.decode(split.envelope)
    except msgspec.ValidationError as wrong:
        return wrong_type(wrong)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        return _not_json(body, wrong)
    return _checked(envelope, split.events)


def _checked(envelope: _Envelope, events: list[bytes]) -> Batch | Rejection:
    if not events:
        return Rejection("empty_batch", "$.batch", "no event", f"1 to {BATCH_EVENTS} events")
    if len(events) > BATCH_EVENTS:
        return Rejection("too_big", "$.batch", f"{len(events)} events", f"at most {BATCH_EVENTS} events a batch")
    context = bytes(envelope.context)
    wrong = _wrong_context(context)
    if wrong is not None:
        return wrong
    return Batch(events, None if context == b"null" else context, envelope.sent_at, envelope.write_key)


def _wrong_context(context: bytes) -> Rejection | None:
    if context[:1] not in (b"{", b"n"):
        return Rejection("wrong_type", "$.context", excerpt(context), "an object")
    if len(context) > CONTEXT_BYTES:
        return Rejection(
            "too_big", "$.context", f"{len(context)} bytes", f"at most {CONTEXT_BYTES} bytes for all events"
        )
    wrong = wrong_text(context) or too_deep(context)
    return wrong and Rejection(wrong.kind, "$.context", wrong.found, wrong.expected)


def _not_json(body: bytes, error: Exception) -> Rejection:
    return Rejection("not_json", "$", excerpt(body), f"one JSON object in UTF-8 ({error})")
