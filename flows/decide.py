"""The deciding step: a journey's observations become facts; and what the arbitration of hints understands."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from bytewax.operators import StatefulBatchLogic

from flows.customers import REWRITE_EVERY_MS
from flows.outcomes import Outcomes
from flows.remembering import Journals, Remembering
from operators.abandonment import JourneyDecision
from operators.arbitration import Contact, HintFeedback
from operators.break_offs import Forgotten
from operators.catalogue import Catalogue
from operators.events import (
    CONTACT_ENDED,
    CONTACT_STARTED,
    HINT_DISMISSED,
    HINT_USED,
    OUTREACH_CLAIMED,
    OUTREACH_ENDED,
    OUTREACH_RELEASED,
    Properties,
)
from operators.facts import Around, Fact, Observation, stable_id
from operators.learning import JourneyLearning
from operators.learning_contract import LearningKeeper, WatchScored
from operators.models import import_river
from operators.reasons import ReasonRules

_REWRITE_EVERY: Final = timedelta(milliseconds=REWRITE_EVERY_MS)


class Learns(msgspec.Struct, frozen=True):
    """Who hears of what is learnt: of scored predictions, and of the learning itself (None: nobody).

    ``hurries``: whether the stream is ahead of the engine now, so that less is learnt.
    """

    watch_scored: WatchScored | None = None
    keeper: LearningKeeper | None = None
    hurries: Callable[[], bool] = lambda: False


class DecideLogic(StatefulBatchLogic[list[Observation] | Outcomes, list[Fact], bytes]):
    """One journey's decision: lists of observations in, lists of facts out; outcomes are heard."""

    def __init__(self, decision: JourneyDecision, remembering: Remembering, learns: Learns, *, resumed: bool) -> None:
        self._decision = decision
        self._remembering = remembering
        self._keeper = learns.keeper
        self._hurries = learns.hurries
        self._resumed = resumed
        self._has_begun = False

    def on_batch(self, values: list[list[Observation] | Outcomes]) -> tuple[Iterable[list[Fact]], bool]:
        """Decides list by list."""
        first = values[0]
        journey = first.journey if isinstance(first, Outcomes) else first[0].journey
        self._remembering.call(f"decide-{stable_id(journey)}")
        if not self._has_begun:
            self._begin(journey)
        if self._decision.learning is not None:
            self._decision.learning.hurry(hurries=self._hurries())
        decided = [self._decide(each) for each in values]
        self._remembering.write_ahead()
        if self._keeper is not None and self._decision.learning is not None:
            self._keeper(journey, self._decision.learning)
        return [facts for facts in decided if facts], StatefulBatchLogic.RETAIN

    def _decide(self, given: list[Observation] | Outcomes) -> list[Fact]:
        if not isinstance(given, Outcomes):
            return self._decision.decide(given)
        self._decision.hear(given.heard)
        if any(isinstance(each, Forgotten) for each in given.heard):
            self._remembering.rewrite_soon()
        return []

    def on_notify(self) -> tuple[Iterable[list[Fact]], bool]:
        """Awake, so that there is a snapshot: who was forgotten must leave the journal."""
        return (), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """Soon, while the journal is written anew."""
        return datetime.now(UTC) + _REWRITE_EVERY if self._remembering.is_rewriting else None

    def snapshot(self) -> bytes:
        """The place in the journal of which attempts have been told, and which of them are still away."""
        return self._remembering.snapshot()

    def _begin(self, journey: str) -> None:
        self._has_begun = True
        self._decision.begin(journey)
        if self._keeper is not None and self._decision.learning is not None:
            self._keeper.begin(journey, self._decision.learning, resumed=self._resumed)


def deciding(
    catalogue: Catalogue, journals: Journals | None, learns: Learns, *, checkpoints: bool
) -> Callable[[bytes | None], DecideLogic]:
    """What makes the decision of each journey; it learns where the catalogue says so."""
    reasons = ReasonRules(catalogue)
    keeps = journals is not None
    if any(catalogue.learns(journey, checkpoints=checkpoints) for journey in catalogue.journeys.values()):
        import_river()

    def learning_of(journey: str) -> JourneyLearning | None:
        if not catalogue.learns(catalogue.journeys[journey], checkpoints=checkpoints):
            return None
        return JourneyLearning(journey, catalogue, learns.watch_scored, keeps_changes=keeps)

    def decide(resumed: bytes | None) -> DecideLogic:
        decision = JourneyDecision(reasons, learning_of, keeps_changes=keeps)
        remembering = Remembering(decision, journals, resumed)
        return DecideLogic(decision, remembering, learns, resumed=bool(resumed))

    return decide


def arbitrable(given: Fact | Around) -> Fact | Contact | HintFeedback | None:
    """What the arbitration understands of it; None: nothing."""
    if isinstance(given, Fact):
        return None if given.kind == "struggled" else given
    event, properties = given.event, given.event.properties
    if event.event in (CONTACT_STARTED, CONTACT_ENDED):
        said = properties or Properties()
        started = event.event == CONTACT_STARTED
        return Contact(given.customer_id, started, given.at_ms, said.channel, said.agent_id or None)
    if event.event in (OUTREACH_CLAIMED, OUTREACH_RELEASED, OUTREACH_ENDED):
        return Contact(given.customer_id, event.event == OUTREACH_CLAIMED, given.at_ms, "phone")
    if event.event in (HINT_USED, HINT_DISMISSED) and properties is not None and properties.hint_id:
        state = "used" if event.event == HINT_USED else "dismissed"
        return HintFeedback(properties.hint_id, given.customer_id, state, properties.helpful, given.at_ms)
    return None
