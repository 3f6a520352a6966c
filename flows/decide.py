"""The deciding step: a journey's observations become facts; and what the arbitration of hints understands."""

from collections.abc import Iterable

from bytewax.operators import StatefulBatchLogic

from flows.remembering import Remembering
from operators.abandonment import JourneyDecision
from operators.arbitration import Contact, HintFeedback
from operators.events import (
    CONTACT_ENDED,
    CONTACT_STARTED,
    HINT_DISMISSED,
    HINT_USED,
    OUTREACH_CLAIMED,
    OUTREACH_ENDED,
    OUTREACH_RELEASED,
)
from operators.facts import Around, Fact, Observation, stable_id


class DecideLogic(StatefulBatchLogic[list[Observation], list[Fact], bytes]):
    """One journey's decision: lists of observations in, lists of facts out."""

    def __init__(self, decision: JourneyDecision, remembering: Remembering) -> None:
        self._decision = decision
        self._remembering = remembering

    def on_batch(self, values: list[list[Observation]]) -> tuple[Iterable[list[Fact]], bool]:
        """Decides list by list."""
        self._remembering.call(f"decide-{stable_id(values[0][0].journey)}")
        decided = [self._decision.decide(observations) for observations in values]
        self._remembering.write_ahead()
        return [facts for facts in decided if facts], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The place in the journal of which attempts have been told, and which of them are still away."""
        return self._remembering.snapshot()


def arbitrable(given: Fact | Around) -> Fact | Contact | HintFeedback | None:
    """What the arbitration understands of it; None: nothing."""
    if isinstance(given, Fact):
        return given
    event, properties = given.event, given.event.properties
    if event.event in (CONTACT_STARTED, CONTACT_ENDED):
        channel = properties.channel if properties is not None else None
        return Contact(given.customer_id, event.event == CONTACT_STARTED, given.at_ms, channel)
    if event.event in (OUTREACH_CLAIMED, OUTREACH_RELEASED, OUTREACH_ENDED):
        return Contact(given.customer_id, event.event == OUTREACH_CLAIMED, given.at_ms, "phone")
    if event.event in (HINT_USED, HINT_DISMISSED) and properties is not None and properties.hint_id:
        state = "used" if event.event == HINT_USED else "dismissed"
        return HintFeedback(properties.hint_id, given.customer_id, state, properties.helpful, given.at_ms)
    return None
