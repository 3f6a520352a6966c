"""What became of a hint at a desk or bot: its state is changed and the engine gets an event, so that it learns.

In: a hint, the state reported, and whose token reports it. Out: the change in the hint repository and, on
the bus, the event ``Hint Shown``, ``Hint Used`` or ``Hint Dismissed`` of that customer. Refused: a hint
nobody knows, one that is over in another way, one of another desk.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from gateway.auth.tokens import AGENT, Token
from operators.records.events import HINT_DISMISSED, HINT_SHOWN, HINT_USED
from operators.records.facts import stable_id
from operators.support.timestamps import iso_text
from state.bus.protocol import EventAppender, OutgoingEvent
from state.hints.repository import HintRepository, StateChange

EVENTS: Final = {"shown": HINT_SHOWN, "used": HINT_USED, "dismissed": HINT_DISMISSED}


class Opinion(NamedTuple):
    """What was thought of a hint: whether it helped, and the code of the reason the agent found (None: not said)."""

    helpful: bool | None = None
    reason: str | None = None


NO_OPINION: Final = Opinion()


class FeedbackRefused(Exception):
    """The report changes nothing. ``code``: ``unknown_hint``, ``not_yours`` or ``not_open``; ``found``: what is so."""

    def __init__(self, hint_id: str, wanted: str, code: str, found: str) -> None:
        self.hint_id = hint_id
        self.wanted = wanted
        self.code = code
        self.found = found
        super().__init__(f"hint {hint_id}: found {found}, expected one of yours that can become {wanted}")


class Feedback:
    """Takes reports. ``now_ms``: epoch milliseconds."""

    def __init__(self, repository: HintRepository, bus: EventAppender, now_ms: Callable[[], int]) -> None:
        self._repository = repository
        self._bus = bus
        self._now_ms = now_ms

    async def report(self, hint_id: str, state: str, opinion: Opinion, by: Token) -> StateChange:
        """Change the state and publish it to the engine.

        Reporting the same again is no error and sends the engine the same event (same
        messageId), so a report that failed half way can be repeated; it may add an opinion.
        Raises FeedbackRefused, StoreUnavailable, BusFull, BusUnavailable.
        """
        now_ms = self._now_ms()
        owner = await self._repository.owner(hint_id)
        if owner is not None and by.role == AGENT and owner.desk_id != by.subject:
            raise FeedbackRefused(hint_id, state, "not_yours", "one of another desk")
        change = await self._repository.change_state(hint_id, state, now_ms)
        if change.state is None or change.customer_id is None:
            raise FeedbackRefused(hint_id, state, "unknown_hint", "no such hint")
        if change.state != state:
            raise FeedbackRefused(hint_id, state, "not_open", f"a hint that is {change.state}")
        journey = None if opinion == NO_OPINION else await self._journey(hint_id)
        properties = _properties(hint_id, opinion, journey, by)
        await self._bus.append((_event(hint_id, state, properties, change.customer_id, now_ms),))
        return change

    async def _journey(self, hint_id: str) -> str | None:
        """What the hint was about, so that thumbs count there."""
        hint = await self._repository.hint(hint_id)
        return None if hint is None else hint.get("journey")


def _event(hint_id: str, state: str, properties: dict[str, str | bool], customer_id: str, now_ms: int) -> OutgoingEvent:
    event = {
        "type": "track",
        "event": EVENTS[state],
        "messageId": stable_id(
            "feedback", hint_id, state, str(properties.get("helpful")), str(properties.get("reason"))
        ),
        "userId": customer_id,
        "timestamp": iso_text(now_ms),
        "properties": properties,
        "context": {"channel": "server", "library": {"name": "zhiyin-gateway"}},
    }
    return OutgoingEvent(customer_id, now_ms, msgspec.json.encode(event))


def _properties(hint_id: str, opinion: Opinion, journey: str | None, by: Token) -> dict[str, str | bool]:
    properties: dict[str, str | bool] = {"hint_id": hint_id}
    if by.role == AGENT:
        properties |= {"surface": "desk", "agent_id": by.subject}
    else:
        properties |= {"surface": "chatbot"}
    if journey is not None:
        properties["journey"] = journey
    return properties | {name: value for name, value in opinion._asdict().items() if value is not None}
