"""The deciding steps: observations become facts; and what the arbitration of hints understands.

What is not learnt from is decided where it was tracked, by customer shard; what is, by journey.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from bytewax.operators import StatefulBatchLogic

from flows.steps.customer_step import REWRITE_EVERY_MS
from flows.steps.journaled_state import JournaledState, Journals
from flows.steps.messages import TrackerOutput
from flows.steps.outcomes import OutcomeInputs, outcomes_by_journey
from operators.hints.arbitration import Contact, HintFeedback
from operators.learning.breakoff_outcomes import CustomerForgotten
from operators.learning.fixed_decision import FixedDecision
from operators.learning.interfaces import LearningKeeper, WatchScored
from operators.learning.learned_decision import LearnedDecision
from operators.learning.learner import JourneyLearner
from operators.learning.models import import_river
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import Catalogue
from operators.records.events import (
    CONTACT_ENDED,
    CONTACT_STARTED,
    HINT_DISMISSED,
    HINT_USED,
    OUTREACH_CLAIMED,
    OUTREACH_ENDED,
    OUTREACH_RELEASED,
    Properties,
)
from operators.records.facts import Fact, Interaction, Observation, stable_id

_REWRITE_EVERY: Final = timedelta(milliseconds=REWRITE_EVERY_MS)


class Learns(msgspec.Struct, frozen=True):
    """Who receives what is learnt: scored predictions, and the learning itself (None: nobody).

    ``hurries``: whether the stream is ahead of the engine now, so that less is learnt.
    """

    watch_scored: WatchScored | None = None
    keeper: LearningKeeper | None = None
    hurries: Callable[[], bool] = lambda: False


class DecideLogic(StatefulBatchLogic[list[Observation] | OutcomeInputs, list[Fact], bytes]):
    """One journey's decision: lists of observations in, lists of facts out; outcomes are observed."""

    def __init__(self, decision: LearnedDecision, state: JournaledState, learns: Learns, *, resumed: bool) -> None:
        self._decision = decision
        self._state = state
        self._keeper = learns.keeper
        self._hurries = learns.hurries
        self._resumed = resumed
        self._has_begun = False

    def on_batch(self, values: list[list[Observation] | OutcomeInputs]) -> tuple[Iterable[list[Fact]], bool]:
        """Decides list by list."""
        first = values[0]
        journey = first.journey if isinstance(first, OutcomeInputs) else first[0].journey
        self._state.open(f"decide-{stable_id(journey)}")
        if not self._has_begun:
            self._begin(journey)
        learning = self._decision.learnt
        learning.hurry(hurries=self._hurries())
        decided = [self._decide(batch) for batch in values]
        self._state.write_ahead()
        if self._keeper is not None:
            self._keeper(journey, learning)
        return [facts for facts in decided if facts], StatefulBatchLogic.RETAIN

    def _decide(self, inputs: list[Observation] | OutcomeInputs) -> list[Fact]:
        if not isinstance(inputs, OutcomeInputs):
            return self._decision.decide(inputs)
        self._decision.observe(inputs.outcomes)
        if any(isinstance(outcome, CustomerForgotten) for outcome in inputs.outcomes):
            self._state.rewrite_soon()
        return []

    def on_notify(self) -> tuple[Iterable[list[Fact]], bool]:
        """Awake, so that there is a snapshot: who was forgotten must leave the journal."""
        return (), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """Soon, while the journal is written anew."""
        return datetime.now(UTC) + _REWRITE_EVERY if self._state.is_rewriting else None

    def snapshot(self) -> bytes:
        """The position in the journal of the attempts that wait, and what has been learnt."""
        return self._state.snapshot()

    def _begin(self, journey: str) -> None:
        self._has_begun = True
        self._decision.begin(journey)
        if self._keeper is not None:
            self._keeper.begin(journey, self._decision.learnt, resumed=self._resumed)


def deciding(
    catalogue: Catalogue, journals: Journals | None, learns: Learns, *, checkpoints: bool
) -> Callable[[bytes | None], DecideLogic]:
    """What makes the decision of each journey that learns."""
    reasons = ReasonRules(catalogue)
    keeps_changes = journals is not None
    learning = catalogue.learning_journeys(checkpoints=checkpoints)
    if learning:
        import_river()

    def learning_of(journey: str) -> JourneyLearner | None:
        if journey not in learning:
            return None
        return JourneyLearner(journey, catalogue, learns.watch_scored, keeps_changes=keeps_changes)

    def decide(resumed: bytes | None) -> DecideLogic:
        decision = LearnedDecision(reasons, learning_of, keeps_changes=keeps_changes)
        state = JournaledState(decision, journals, resumed)
        if resumed and decision.learning is None:
            state.rewrite_soon()  # It learns no more: nothing of its customers may stay in the files.
        return DecideLogic(decision, state, learns, resumed=bool(resumed))

    return decide


def by_learning_journey(
    learning: Sequence[str],
) -> Callable[[tuple[str, TrackerOutput]], Iterable[tuple[str, list[Observation] | OutcomeInputs]]]:
    """What was tracked, for the journeys that learn: observations, and interactions."""
    journeys = frozenset(learning)

    def by_journey(keyed: tuple[str, TrackerOutput]) -> Iterable[tuple[str, list[Observation] | OutcomeInputs]]:
        if not learning:
            return ()
        grouped: dict[str, list[Observation]] = {}
        for observation in keyed[1].observations:
            if observation.journey in journeys:
                grouped.setdefault(observation.journey, []).append(observation)
        return *grouped.items(), *outcomes_by_journey(keyed[1], learning)

    return by_journey


def deciding_fixed(
    catalogue: Catalogue, learning: Sequence[str]
) -> Callable[[tuple[str, TrackerOutput]], Iterable[tuple[str, list[Fact]]]]:
    """What decides about the journeys that don't learn, beside the tracker: lists of facts, by journey."""
    decision = FixedDecision(ReasonRules(catalogue))
    journeys = frozenset(learning)

    def decide(keyed: tuple[str, TrackerOutput]) -> Iterable[tuple[str, list[Fact]]]:
        observations = keyed[1].observations
        if journeys:
            observations = [observation for observation in observations if observation.journey not in journeys]
        grouped: dict[str, list[Fact]] = {}
        for fact in decision.decide(observations):
            grouped.setdefault(fact.journey, []).append(fact)
        return grouped.items()

    return decide


def arbitrable(item: Fact | Interaction) -> Fact | Contact | HintFeedback | None:
    """What the arbitration understands of it; None: nothing."""
    if isinstance(item, Fact):
        return None if item.kind == "struggled" else item
    event, properties = item.event, item.event.properties
    if event.event in (CONTACT_STARTED, CONTACT_ENDED):
        details = properties or Properties()
        started = event.event == CONTACT_STARTED
        return Contact(item.customer_id, started, item.at_ms, details.channel, details.agent_id or None)
    if event.event in (OUTREACH_CLAIMED, OUTREACH_RELEASED, OUTREACH_ENDED):
        return Contact(item.customer_id, event.event == OUTREACH_CLAIMED, item.at_ms, "phone")
    if event.event in (HINT_USED, HINT_DISMISSED) and properties is not None and properties.hint_id:
        state = "used" if event.event == HINT_USED else "dismissed"
        return HintFeedback(properties.hint_id, item.customer_id, state, properties.helpful, item.at_ms)
    return None
