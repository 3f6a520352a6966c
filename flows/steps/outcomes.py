"""What happens around transactions, for the journeys whose break-offs it may tell something about.

In: what a customer shard tracked. Out: contacts, calls, words of agents and erasures as
``operators/learning/breakoff_outcomes.py`` understands them, one list a journey. Refused: nothing; what it does not
understand is left out.

Only a hint's journey is ever named in an event. A contact or a call is about all of the customer's break-offs, so
each journey hears of it; those that do not wait for the customer pass over it.
"""

from collections.abc import Iterable, Sequence

import msgspec

from flows.steps.messages import TrackerOutput
from operators.hints.arbitration import Contact
from operators.learning.breakoff_outcomes import CALLED, BreakoffOutcome, CustomerForgotten, Judgement
from operators.outreach.call_list_state import CallOutcome
from operators.records.events import (
    CONTACT_STARTED,
    CUSTOMER_ERASED,
    HINT_DISMISSED,
    HINT_USED,
    OUTREACH_CLAIMED,
    OUTREACH_ENDED,
    Properties,
)
from operators.records.facts import Interaction


class OutcomeInputs(msgspec.Struct, gc=False):
    """What one journey hears, in order of arrival."""

    journey: str
    outcomes: list[BreakoffOutcome]


def outcomes_by_journey(tracked: TrackerOutput, journeys: Sequence[str]) -> Iterable[tuple[str, OutcomeInputs]]:
    """A list a journey that hears of anything."""
    grouped: dict[str, OutcomeInputs] = {}
    for around in tracked.interactions:
        outcome = outcome_of(around)
        if outcome is not None:
            named = around.event.properties.journey if around.event.properties is not None else None
            is_named = isinstance(outcome, Judgement) and named in journeys
            for journey in [each for each in journeys if each == named or not is_named]:
                grouped.setdefault(journey, OutcomeInputs(journey, [])).outcomes.append(outcome)
    return grouped.items()


def outcome_of(around: Interaction) -> BreakoffOutcome | None:
    """What break-offs can learn of it; None: nothing."""
    name, said = around.event.event, around.event.properties or _NOTHING
    customer_id, at_ms = around.customer_id, around.at_ms
    if name == CONTACT_STARTED:
        return Contact(customer_id, True, at_ms, said.channel, said.agent_id)
    if name == OUTREACH_CLAIMED:
        return Contact(customer_id, True, at_ms, CALLED)
    if name == OUTREACH_ENDED and said.outreach_id and said.outcome:
        return CallOutcome(customer_id, said.outreach_id, said.outcome, at_ms)
    if name == CUSTOMER_ERASED:
        return CustomerForgotten(customer_id, at_ms)
    if name in (HINT_USED, HINT_DISMISSED) and said.agent_id and said.hint_id and _says_why(said):
        return Judgement(customer_id, said.hint_id, at_ms, said.helpful, said.reason or None)
    return None


def _says_why(said: Properties) -> bool:
    return said.helpful is not None or bool(said.reason)


_NOTHING = Properties()
