"""Dead letters: what could not be taken, whole, with every reason, to be driven again after a fix.

In: a refused event with why; or a letter as it was written. Out: the letter's document; or the event in it, to be put
on the bus again: the bytes as they came, with the customer and the corrected time they had.
Refused: a document that is no letter of ours (``NotALetter``).
"""

import base64
from datetime import datetime
from typing import Any, Final

import msgspec

from operators.records.events import Event, Rejection, read_event
from operators.records.facts import stable_id
from operators.support.timestamps import iso_text, to_ms

ARTIFACT: Final = "zhiyin"


class DeadLetter(msgspec.Struct, frozen=True):
    """One event that could not be taken. ``at_ms``: when it was refused (its arrival, not its timestamp).

    ``customer_id`` and ``time_ms`` (corrected timestamp): as the bus had them, None where nobody knew.
    """

    raw: bytes
    rejections: tuple[Rejection, ...]
    at_ms: int | None
    customer_id: str | None = None
    time_ms: int | None = None


class Message(msgspec.Struct, frozen=True):
    """One reason of a refusal: where, what was found, what was expected."""

    path: str
    found: str
    expected: str


class Failure(msgspec.Struct, frozen=True):
    """Why an event was refused. ``timestamp``: when it arrived."""

    kind: str
    messages: tuple[Message, ...]
    timestamp: datetime | None = None


class Payload(msgspec.Struct, frozen=True):
    """The event. ``raw_base64``: its bytes, where ``raw`` could not hold them. ``time``: corrected."""

    raw: str
    raw_base64: bytes | None = None
    customer_id: str | None = None
    time: datetime | None = None


class Processor(msgspec.Struct, frozen=True):
    """Who refused it."""

    artifact: str
    version: str


class ReturningEvent(msgspec.Struct, frozen=True):
    """The event of a letter, as it goes back on the bus. ``time_ms``: corrected, epoch ms."""

    customer_id: str
    time_ms: int
    raw: bytes


class StoredLetter(msgspec.Struct, frozen=True):
    """A letter as it was written. ``id`` is missing in what older versions wrote."""

    failure: Failure
    payload: Payload
    processor: Processor
    id: str | None = None

    @property
    def raw(self) -> bytes:
        """The event's bytes as they came."""
        return self.payload.raw.encode() if self.payload.raw_base64 is None else self.payload.raw_base64

    @property
    def stable_id(self) -> str:
        """The letter's id, the same wherever it is written."""
        arrived_at = self.failure.timestamp
        return self.id or _id_of(self.raw, None if arrived_at is None else to_ms(arrived_at))

    def event(self) -> ReturningEvent:
        """The event for the bus; what the letter does not say of it, the event itself does, as far as it can."""
        event = read_event(self.raw)
        customer_id, moment = (event.customer_id, event.timestamp) if isinstance(event, Event) else (None, None)
        moment = self.payload.time or moment or self.failure.timestamp
        return ReturningEvent(
            self.payload.customer_id or customer_id or "", 0 if moment is None else to_ms(moment), self.raw
        )


class NotALetter(Exception):
    """Something among the dead letters that Zhiyin did not write. ``found``: what is wrong with it."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            f"dead letter: found {found}, expected a document of Zhiyin's with failure, payload and processor; "
            "see what else writes there"
        )


def letter_id(letter: DeadLetter) -> str:
    """The same bytes refused at the same time are the same letter."""
    return _id_of(letter.raw, letter.at_ms)


def dead_letter_document(letter: DeadLetter, version: str) -> dict[str, Any]:
    """``id``, ``failure``, ``payload`` and ``processor`` of one dead letter, ready to be written."""
    return {
        "id": letter_id(letter),
        "failure": {
            "timestamp": None if letter.at_ms is None else iso_text(letter.at_ms),
            "kind": letter.rejections[0].kind,
            "messages": [
                {"path": rejection.path, "found": rejection.found, "expected": rejection.expected}
                for rejection in letter.rejections
            ],
        },
        "payload": {
            "customer_id": letter.customer_id,
            "time": None if letter.time_ms is None else iso_text(letter.time_ms),
            **_raw_fields(letter.raw),
        },
        "processor": {"artifact": ARTIFACT, "version": version},
    }


def read_letter(document: bytes) -> StoredLetter:
    """A letter from what was written of it. Raises NotALetter."""
    try:
        return _DECODER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotALetter(str(error)) from error


def _raw_fields(raw: bytes) -> dict[str, str]:
    """Text where the bytes are text; else readable text, and the bytes themselves beside it."""
    try:
        return {"raw": raw.decode()}
    except UnicodeDecodeError:
        return {"raw": raw.decode("utf-8", "backslashreplace"), "raw_base64": base64.b64encode(raw).decode()}


def _id_of(raw: bytes, at_ms: int | None) -> str:
    return stable_id("dead letter", str(at_ms), raw.decode("latin-1"))


_DECODER: Final = msgspec.json.Decoder(StoredLetter)
