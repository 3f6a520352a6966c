"""Events in: raw JSON bytes to typed records, Segment-shaped.

In: one event's bytes as the customer's browser or server sent them.
Out: an ``Event``, or a ``Rejection`` that says which field is wrong.
Refused: what is not JSON, has wrong types, no customer, or (for an event of our
vocabulary) lacks what it needs. Events outside the vocabulary are never refused
for what is in their ``properties``: they are somebody else's, kept and ignored.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

STARTED: Final = "Transaction Started"
STEP_VIEWED: Final = "Transaction Step Viewed"
STEP_COMPLETED: Final = "Transaction Step Completed"
STEP_FAILED: Final = "Transaction Step Failed"
COMPLETED: Final = "Transaction Completed"
CANCELLED: Final = "Transaction Cancelled"
FIELD_ERROR: Final = "Field Error"
ELEMENT_CLICKED: Final = "Element Clicked"
PAGE_HIDDEN: Final = "Page Hidden"
DEAD_CLICK: Final = "Dead Click"
FIELD_HESITATED: Final = "Field Hesitated"
PAGE_LOOP: Final = "Page Loop"
CONTACT_STARTED: Final = "Contact Started"
CONTACT_ENDED: Final = "Contact Ended"
HINT_SHOWN: Final = "Hint Shown"
HINT_USED: Final = "Hint Used"
HINT_DISMISSED: Final = "Hint Dismissed"
ANSWER_RATED: Final = "Answer Rated"
POLICY_UPDATED: Final = "Policy Updated"
OUTREACH_CLAIMED: Final = "Outreach Claimed"
OUTREACH_RELEASED: Final = "Outreach Released"
OUTREACH_ENDED: Final = "Outreach Ended"
DO_NOT_CALL_SET: Final = "Do Not Call Set"
SURVEY_SENT: Final = "Survey Sent"
CUSTOMER_ERASED: Final = "Customer Erased"
"""Everything that is remembered of this customer is to be forgotten; only `zhiyin erase` says so."""
PAIN_POINT_REPORTED: Final = "Pain Point Reported"
DO_NOT_CALL_LIFTED: Final = "Do Not Call Lifted"

ACTIVITY: Final = frozenset(
    (
        STARTED,
        STEP_VIEWED,
        STEP_COMPLETED,
        STEP_FAILED,
        COMPLETED,
        CANCELLED,
        FIELD_ERROR,
        ELEMENT_CLICKED,
        PAGE_HIDDEN,
        DEAD_CLICK,
        FIELD_HESITATED,
        PAGE_LOOP,
    )
)
"""What a customer does inside a transaction: these need ``properties.journey``."""

SURROUNDINGS: Final = frozenset(
    (
        CONTACT_STARTED,
        CONTACT_ENDED,
        HINT_SHOWN,
        HINT_USED,
        HINT_DISMISSED,
        ANSWER_RATED,
        OUTREACH_CLAIMED,
        OUTREACH_RELEASED,
        OUTREACH_ENDED,
        DO_NOT_CALL_SET,
        DO_NOT_CALL_LIFTED,
        "Survey Shown",
        SURVEY_SENT,
        CUSTOMER_ERASED,
        PAIN_POINT_REPORTED,
        "Survey Dismissed",
        POLICY_UPDATED,
    )
)
"""What happens around transactions."""

REPORTED: Final = frozenset(
    (
        *(HINT_SHOWN, HINT_USED, HINT_DISMISSED, ANSWER_RATED),
        *(OUTREACH_CLAIMED, OUTREACH_RELEASED, OUTREACH_ENDED, DO_NOT_CALL_SET, DO_NOT_CALL_LIFTED),
        PAIN_POINT_REPORTED,
    )
)
"""What the gateway says itself when somebody with a token reports it."""

VOCABULARY: Final = ACTIVITY | SURROUNDINGS
IDENTIFY: Final = "identify"
TYPES: Final = frozenset(("track", "identify", "page", "screen", "group", "alias"))
MESSAGE_ID_CHARS: Final = 100
CUSTOMER_ID_CHARS: Final = 256


class Properties(msgspec.Struct, gc=False):
    """The properties Zhiyin reads; all others pass by unread."""

    journey: str | None = None
    transaction_id: str | None = None
    step: str | None = None
    error_code: str | int | None = None
    field: str | None = None
    code: str | int | None = None
    target: str | None = None
    control: str | None = None
    x: float | None = None
    y: float | None = None
    channel: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None
    hint_id: str | None = None
    helpful: bool | None = None
    reason: str | None = None
    question_id: str | None = None
    solved: bool | None = None
    outreach_id: str | None = None
    outcome: str | None = None
    score: int | float | str | None = None
    pain_point_id: str | None = None
    pain_point_state: str | None = None
    assignee: str | None = None


class Context(msgspec.Struct, gc=False, rename="camel"):
    """The part of the Segment context that Zhiyin reads. ``group_id``: the customer's group, as ``groupId``."""

    channel: str | None = None
    group_id: str | None = None


class Event(msgspec.Struct, gc=False, rename="camel"):
    """One event of the wire format, as far as Zhiyin reads it."""

    type: str = "track"
    event: str | None = None
    message_id: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    timestamp: datetime | None = None
    original_timestamp: datetime | None = None
    sent_at: datetime | None = None
    properties: Properties | None = None
    context: Context | None = None

    @property
    def customer_id(self) -> str | None:
        """The user, or while nobody has logged in the anonymous visitor."""
        return self.user_id or self.anonymous_id or None


class _EventName(msgspec.Struct, gc=False):
    """Just enough of a foreign event to see that it is one; nothing else is judged."""

    event: str | None = None
    type: str = "track"


class _Owner(msgspec.Struct, gc=False, rename="camel"):
    """Whose an event is; what else it says is passed over."""

    user_id: str | None = None
    anonymous_id: str | None = None


class _Header(_Owner, gc=False, rename="camel"):
    """Whose a foreign event is and when it happened."""

    message_id: str | None = None
    timestamp: datetime | None = None


class Rejection(msgspec.Struct, frozen=True):
    """Why an event can't be taken: where, what was found, what was expected.

    ``kind`` is a short word for counters (``not_json wrong_type no_customer no_time
    time_out_of_range unknown_journey unknown_step no_journey too_big ...``).
    """

    kind: str
    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}, expected {self.expected}"


_DECODER: Final = msgspec.json.Decoder(Event)
_OUTLINE: Final = msgspec.json.Decoder(_EventName)
_HEADER: Final = msgspec.json.Decoder(_Header)
_OWNER: Final = msgspec.json.Decoder(_Owner)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_REASONS: Final = (
    ("Invalid RFC3339 encoded datetime", "no such time", "a time in RFC3339, such as 2026-05-04T11:59:00.000Z"),
    ("Invalid enum value ", "{}", "one of the values this field has"),
    ("Object missing required field ", "no field {}", "a field {}"),
    ("Object contains unknown field ", "a field {}", "no field of that name"),
    ("Number out of range", "a number that is too large", "one that 64 bits can hold"),
)


def read_event(raw: bytes) -> Event | Rejection:
    """One event's bytes as an ``Event``, or why not."""
    try:
        event = _DECODER.decode(raw)
    except msgspec.ValidationError as error:
        return _foreign_event(raw) or wrong_type(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Rejection("not_json", "$", excerpt(raw), f"one JSON object in UTF-8 ({error})")
    except RecursionError:
        return Rejection("not_json", "$", excerpt(raw), "JSON nested less deeply")
    return event if event.customer_id is not None else no_customer(event)


def read_events(raws: Sequence[bytes]) -> list[Event | Rejection]:
    """A whole list at once, quicker than one by one while all is well.

    Not ``decode_lines``: it is a tenth quicker, but takes two events on one line and a blank
    line for two lines.
    """
    decode = _DECODER.decode
    try:
        events = [decode(raw) for raw in raws]
    except _UNREADABLE:
        return [read_event(raw) for raw in raws]
    return [event if event.user_id or event.anonymous_id else no_customer(event) for event in events]


def customers_of(raws: Sequence[bytes]) -> list[str]:
    """Whose the events are, before they are read; the empty string for those nobody can say it of."""
    try:
        owners = list(map(_OWNER.decode, raws))
    except _UNREADABLE:
        owners = list(map(_owner_of, raws))
    return [owner.user_id or owner.anonymous_id or "" for owner in owners]


def no_customer(event: Event) -> Rejection:
    """The rejection for an event that says nothing of whose it is."""
    found = "neither" if event.user_id is None and event.anonymous_id is None else "an empty one"
    return Rejection("no_customer", "$.userId", found, "userId or anonymousId, not empty")


def excerpt(raw: bytes, size: int = 80) -> str:
    """The beginning of ``raw`` in printable form, for messages."""
    text = raw[:size].decode("utf-8", "backslashreplace")
    return repr(text) + (f"... ({len(raw)} bytes)" if len(raw) > size else "")


def _owner_of(raw: bytes) -> _Owner:
    try:
        return _OWNER.decode(raw)
    except _UNREADABLE:
        return _Owner()


def _foreign_event(raw: bytes) -> Event | None:
    """An event outside the vocabulary whose own fields have types of their own."""
    try:
        outline = _OUTLINE.decode(raw)
        if outline.event in VOCABULARY or (outline.type == "track" and outline.event is None):
            return None
        header = _HEADER.decode(raw)
    except _UNREADABLE:
        return None
    if not (header.user_id or header.anonymous_id):
        return None
    return Event(
        type=outline.type,
        event=outline.event,
        message_id=header.message_id,
        user_id=header.user_id,
        anonymous_id=header.anonymous_id,
        timestamp=header.timestamp,
    )


def wrong_type(error: msgspec.ValidationError) -> Rejection:
    """What msgspec says (``Expected `str`, got `int` - at `$.properties.step```) as a rejection."""
    reason, _, path = str(error).partition(" - at ")
    expected, got, found = reason.partition(", got ")
    if not got:
        found, expected = _without_got(reason)
    return Rejection(
        "wrong_type", path.strip("`") or "$", found.strip("`"), expected.removeprefix("Expected ").strip("`")
    )


def _without_got(reason: str) -> tuple[str, str]:
    """What was found and what is expected, where msgspec does not say both."""
    for beginning, found, expected in _REASONS:
        if reason.startswith(beginning):
            name = reason.removeprefix(beginning).strip("`")
            return found.format(name), expected.format(name)
    return "something else", reason
