"""A house of simulated customers and agents: the engine's decisions, with agents who answer and who call.

In: a catalogue, worlds (how customers behave, and for how many visits), agents. Out: each break-off as it was told,
with what the rules alone would have said and the truth. Refused: nothing. All chance comes from one seed.

Agents meet customers later and speak of the reasons they were shown: some name the reason they found, some only say
right or wrong, and some of what they say is mistaken. They call some of those who broke off; whether that was of use
is planted by the true reason.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Final

import msgspec

from flows.steps.outcomes import outcome_of
from operators.hints.builder import HintMaker, hint_id
from operators.learning.breakoff_outcomes import BreakoffOutcome, Judgement
from operators.learning.interfaces import WatchScored
from operators.learning.learned_decision import LearnedDecision
from operators.learning.learner import JourneyLearner
from operators.learning.models import import_river
from operators.outreach.call_list_entry import outreach_id
from operators.outreach.call_list_state import CallOutcome
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import Catalogue
from operators.records.events import Event, Properties
from operators.records.facts import Fact
from operators.tracking.plan import journey_plans
from operators.tracking.tracker import ShardTracker
from zhiyin.simulate.population import MIX, Mix, Simulation, merged
from zhiyin.simulate.visit import SimulatedEvent, Truth, Visit

BATCH: Final = 256
ARRIVALS_AN_HOUR: Final = 400
_HOUR_MS: Final = 3_600_000
_CALL_AFTER_MS: Final = 1_200_000


class World(msgspec.Struct, frozen=True):
    """How customers behave for so many visits."""

    visits: int
    mix: Mix = MIX


class Agents(msgspec.Struct, frozen=True):
    """What agents do.

    ``answer``: the share of break-offs they speak of; ``name``: of those, how many name the reason (the others
    say right or wrong); ``mistaken``: the share of what they say that is not so; ``call``: the share of break-offs
    that are called about; ``of_use``: by the true reason, how often a call is (the others are declined).
    """

    answer: float = 0.5
    name: float = 0.3
    mistaken: float = 0.1
    call: float = 0.0
    of_use: Mapping[str, float] = {}


class BrokenOff(msgspec.Struct, frozen=True):
    """One break-off of which the truth is known.

    ``rules``: as the rules alone would have told it; ``needs``: the hint's need by the rule, and as it was told;
    ``helps``: whether a call would be of use.
    """

    fact: Fact
    rules: Fact
    truth: Truth
    needs: tuple[float, float]
    helps: bool

    @property
    def right(self) -> tuple[bool, bool]:
        """Whether the first reason is the true one: by the rules, and as told."""
        first, told = self.rules.reasons[0], self.fact.reasons[0]
        return first.code == self.truth.reason, told.code == self.truth.reason


class SimulatedCompany:
    """One engine's decisions and its agents. ``watch_scored``: shown the scored predictions of silences.

    ``begins_ms``: when each world began, as far as they have.
    """

    def __init__(
        self, catalogue: Catalogue, agents: Agents, seed: int, watch_scored: WatchScored | None = None
    ) -> None:
        import_river()
        self._catalogue = catalogue
        self._agents = agents
        self._random = Random(seed)
        self._watch_scored = watch_scored
        self._rules = ReasonRules(catalogue)
        self._hints = HintMaker(catalogue)
        self._shard = ShardTracker(journey_plans(catalogue))
        self._to_come: list[tuple[int, int, BreakoffOutcome]] = []
        self._truths: dict[str, Truth] = {}
        self.begins_ms: list[int] = []
        self.decisions = {name: self._decision(name) for name in catalogue.journeys}

    def live(self, worlds: Sequence[World]) -> Iterator[BrokenOff]:
        """Break-offs as they are told, world after world."""
        happening = (each for each in merged(self._visits(worlds)) if isinstance(each, SimulatedEvent))
        while batch := list(islice(happening, BATCH)):
            yield from self._batch(batch)

    def learning(self, journey: str) -> JourneyLearner:
        """What a journey has learnt."""
        learning = self.decisions[journey].learning
        if learning is None:
            raise KeyError(journey)
        return learning

    def _visits(self, worlds: Sequence[World]) -> Iterator[Visit]:
        """Those of a world begin to arrive when all of the world before have; these may still be under way."""
        begins_ms = 0
        for place, world in enumerate(worlds):
            simulation = Simulation(self._catalogue, self._random, world.mix, run=str(place))
            self.begins_ms.append(begins_ms)
            last_ms = begins_ms
            for visit in simulation.visits(world.visits, world.visits * _HOUR_MS // ARRIVALS_AN_HOUR):
                self._truths[visit.truth.transaction_id] = visit.truth
                events = [msgspec.structs.replace(each, at_ms=begins_ms + each.at_ms) for each in visit.events]
                last_ms = events[0].at_ms
                yield Visit(tuple(events), visit.truth)
            begins_ms = last_ms + 1

    def _batch(self, batch: Sequence[SimulatedEvent]) -> Iterator[BrokenOff]:
        self._shard.take([_event(each) for each in batch], [each.at_ms for each in batch])
        self._shard.settle()
        observed, around = self._shard.collect(), self._shard.collect_interactions()
        for journey, decision in self.decisions.items():
            facts = decision.decide([each for each in observed if each.journey == journey])
            yield from self._told(fact for fact in facts if fact.kind == "abandoned")
        self._hear([outcome for each in around if (outcome := outcome_of(each)) is not None])
        while self._to_come and self._to_come[0][0] <= batch[-1].at_ms:
            self._hear([heapq.heappop(self._to_come)[-1]])

    def _hear(self, outcomes: Sequence[BreakoffOutcome]) -> None:
        for decision in self.decisions.values():
            decision.observe(outcomes)

    def _told(self, facts: Iterable[Fact]) -> Iterator[BrokenOff]:
        for fact in facts:
            truth = self._truths.get(fact.transaction_id or "")
            if truth is not None and truth.reason is not None and truth.step == fact.step:
                reasons = self._rules.rank(fact.signals, fact.step, fact.journey)
                rules = msgspec.structs.replace(fact, reasons=reasons, need=None)
                needs = self._hints.make(rules, fact.at_ms, None).need, self._hints.make(fact, fact.at_ms, None).need
                helps = self._random.random() < self._agents.of_use.get(truth.reason, 0.0)
                self._speak(fact, truth.reason)
                self._call(fact, truth, helps=helps)
                yield BrokenOff(fact, rules, truth, needs, helps)

    def _speak(self, fact: Fact, reason: str) -> None:
        """An agent sees the hint, and may speak of it within the hour."""
        agents, random = self._agents, self._random
        if random.random() >= agents.answer:
            return
        at_ms = fact.at_ms + random.randrange(60_000, _HOUR_MS)
        is_mistaken = random.random() < agents.mistaken
        if random.random() < agents.name:
            others = [code for code in self._catalogue.reasons if code != reason]
            named = random.choice(others) if is_mistaken else reason
            self._later(Judgement(fact.customer_id, hint_id(fact), at_ms, named=named))
        else:
            right = (fact.reasons[0].code == reason) != is_mistaken
            self._later(Judgement(fact.customer_id, hint_id(fact), at_ms, right))

    def _call(self, fact: Fact, truth: Truth, *, helps: bool) -> None:
        """An agent may call who has not come back by himself."""
        if not truth.returned and self._random.random() < self._agents.call:
            entry = outreach_id(fact.attempt_id, fact.at_ms, 0)
            outcome = "solved" if helps else "declined"
            self._later(CallOutcome(fact.customer_id, entry, outcome, fact.at_ms + _CALL_AFTER_MS))

    def _later(self, outcome: Judgement | CallOutcome) -> None:
        heapq.heappush(self._to_come, (outcome.at_ms, self._random.getrandbits(62), outcome))

    def _decision(self, journey: str) -> LearnedDecision:
        decision = LearnedDecision(self._rules, lambda name: JourneyLearner(name, self._catalogue, self._watch_scored))
        decision.begin(journey)
        return decision


def _event(each: SimulatedEvent) -> Event:
    return Event(
        type=each.type,
        event=each.event,
        message_id=each.message_id,
        user_id=each.customer_id,
        timestamp=datetime.fromtimestamp(each.at_ms / 1000, UTC),
        properties=msgspec.convert(each.properties, Properties),
    )
