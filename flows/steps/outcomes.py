"""Interactions, for the journeys whose break-offs it may tell something about.

In: what a customer shard tracked. Out: contacts, calls, judgements of agents and erasures as
``operators/learning/breakoff_outcomes.py`` understands them, one list a journey. Refused: nothing; what it does not
understand is left out.

Only a hint's journey is ever named in an event. A contact or a call is about all of the customer's break-offs, so
each journey receives it; those that do not wait for the customer pass over it.
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
    """What one journey receives, in order of arrival."""

    journey: str
    outcomes: list[BreakoffOutcome]


def outcomes_by_journey(tracked: TrackerOutput, journeys: Sequence[str]) -> Iterable[tuple[str, OutcomeInputs]]:
    """A list a journey that receives anything."""
    grouped: dict[str, OutcomeInputs] = {}
    for interaction in tracked.interactions:
        outcome = outcome_of(interaction)
        if outcome is not None:
            named = interaction.event.properties.journey if interaction.event.properties is not None else None
            is_named = isinstance(outcome, Judgement) and named in journeys
            for journey in [candidate for candidate in journeys if candidate == named or not is_named]:
                grouped.setdefault(journey, OutcomeInputs(journey, [])).outcomes.append(outcome)
    return grouped.items()


def outcome_of(interaction: Interaction) -> BreakoffOutcome | None:
    """What break-offs can learn of it; None: nothing."""
    name, properties = interaction.event.event, interaction.event.properties or _NO_PROPERTIES
    customer_id, at_ms = interaction.customer_id, interaction.at_ms
    if name == CONTACT_STARTED:
        return Contact(customer_id, True, at_ms, properties.channel, properties.agent_id)
    if name == OUTREACH_CLAIMED:
        return Contact(customer_id, True, at_ms, CALLED)
    if name == OUTREACH_ENDED and properties.outreach_id and properties.outcome:
        return CallOutcome(customer_id, properties.outreach_id, properties.outcome, at_ms)
    if name == CUSTOMER_ERASED:
        return CustomerForgotten(customer_id, at_ms)
    if (
        name in (HINT_USED, HINT_DISMISSED)
        and properties.agent_id
        and properties.hint_id
        and _has_judgement(properties)
    ):
        return Judgement(customer_id, properties.hint_id, at_ms, properties.helpful, properties.reason or None)
    return None


def _has_judgement(properties: Properties) -> bool:
    return properties.helpful is not None or bool(properties.reason)


_NO_PROPERTIES = Properties()
