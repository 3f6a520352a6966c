"""What is written when a hint is placed, spoken or ended: the same for Redis and for the twin in memory.

In: orders (``PlaceHint``, ``Speak``, ``Retirement``) and changes of state. Out: a ``NewHint`` to be put
down, or a ``StateTransition`` to be made, with the events that go onto channels already encoded.
Refused: nothing; whether a transition is allowed is looked at where it is made, in one step with it.

What channels receive: a desk all that happens to its hints; the chatbot channel of a hint when a bot may
speak first, and of the end of every hint a chatbot can look up.
"""

from typing import Any, Final, Literal, get_args

import msgspec

from operators.hints.hint import OPEN_STATES, Hint, HintState, Retirement, Speak, hint_document, may_become
from state.facts import cloud_events

STATES: Final[tuple[str, ...]] = get_args(HintState)
CREATED_RANGE: Final = 2**42
"""Epoch milliseconds below it end in the year 2109; with it a rank fits into a sorted set's 53 bits."""

_STATE_EVENTS: Final = {
    "shown": cloud_events.HINT_SHOWN,
    "used": cloud_events.HINT_USED,
    "dismissed": cloud_events.HINT_DISMISSED,
    "retired": cloud_events.HINT_RETIRED,
    "expired": cloud_events.HINT_RETIRED,
}


class PlaceHint(msgspec.Struct, frozen=True):
    """Put this hint in front of this desk, and of chatbots."""

    hint: Hint
    desk_id: str


HintOrder = PlaceHint | Speak | Retirement


class HintOwner(msgspec.Struct, frozen=True):
    """Whose a hint is: what must be known to change it, and never changes."""

    customer_id: str
    desk_id: str
    transaction_id: str | None
    surfaces: tuple[str, ...]
    branch: str | None = None
    region: str | None = None


class NewHint(msgspec.Struct, frozen=True):
    """A hint as it is put down. ``rank``: greater is better; ``event``: its ``zhiyin.hint.created``."""

    hint_id: str
    owner: HintOwner
    rank: int
    expires_at_ms: int
    may_speak_first: Literal["now", "later", "never"]
    document: bytes
    event: bytes


class StateTransition(msgspec.Struct, frozen=True):
    """One change of a hint's state, allowed from ``origins``. An empty event is not published.

    ``ends``: it goes from every surface.
    """

    hint_id: str
    wanted: str
    cause: str
    origins: frozenset[str]
    ends: bool
    desk_event: bytes
    chatbot_event: bytes


def new_hint(placement: PlaceHint, now_ms: int) -> NewHint:
    """What is put down for a hint that is placed at ``now_ms``."""
    hint = placement.hint
    return NewHint(
        hint_id=hint.hint_id,
        owner=HintOwner(
            hint.customer_id, placement.desk_id, hint.transaction_id, hint.surfaces, hint.branch, hint.region
        ),
        rank=hint.priority * CREATED_RANGE + hint.created_at_ms,
        expires_at_ms=hint.expires_at_ms,
        may_speak_first=_speaks(hint.speak_after_ms, now_ms),
        document=msgspec.json.encode(hint_document(hint)),
        event=msgspec.json.encode(cloud_events.hint_created_event(hint)),
    )


def retirement_transition(retirement: Retirement, owner: HintOwner) -> StateTransition:
    """The transition that ends a hint for the cause the engine gives."""
    event = cloud_events.retirement_event(retirement, owner.transaction_id)
    state = cloud_events.ends_as(retirement.cause)
    return _transition(retirement.hint_id, state, retirement.cause, owner, event, event)


def state_transition(hint_id: str, state: str, at_ms: int, owner: HintOwner) -> StateTransition:
    """The transition to a state that a desk or bot reports: desks receive the state, bots only that it has ended."""
    change = cloud_events.hint_change(hint_id, owner.customer_id, state, state, at_ms)
    event_type = _STATE_EVENTS.get(state)
    desk_event = event_type and cloud_events.hint_changed_event(event_type, change, owner.transaction_id)
    chatbot_event = cloud_events.hint_changed_event(cloud_events.HINT_RETIRED, change, owner.transaction_id)
    return _transition(hint_id, state, state, owner, desk_event or None, chatbot_event)


def _transition(
    hint_id: str,
    wanted: str,
    cause: str,
    owner: HintOwner,
    desk_event: dict[str, Any] | None,
    chatbot_event: dict[str, Any],
) -> StateTransition:
    ends = wanted not in OPEN_STATES
    for_desk, for_chatbot = "desk" in owner.surfaces, ends and "chatbot" in owner.surfaces
    attributes = {name: value for name in ("branch", "region") if (value := getattr(owner, name))}
    return StateTransition(
        hint_id=hint_id,
        wanted=wanted,
        cause=cause,
        origins=frozenset(state for state in STATES if may_become(state, wanted)),
        ends=ends,
        desk_event=msgspec.json.encode({**desk_event, **attributes}) if desk_event and for_desk else b"",
        chatbot_event=msgspec.json.encode(chatbot_event) if for_chatbot else b"",
    )


def _speaks(speak_after_ms: int | None, now_ms: int) -> Literal["now", "later", "never"]:
    if speak_after_ms is None:
        return "never"
    return "now" if speak_after_ms <= now_ms else "later"
