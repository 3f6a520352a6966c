"""Customers with planted reasons: who comes when, what stops them, and how it ends.

In: a catalogue, a seeded random source, how many customers arrive in how much time.
Out: ``Visit`` records in order of arrival, and their events merged in order of time;
the same seed gives the same stream. Times are milliseconds since the stream began.
Refused: nothing; a reason whose evidence fits no step of a journey is never planted there.
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from random import Random
from typing import Final

import msgspec

from operators.records import events
from operators.records.catalogue import UNKNOWN, Catalogue, Reason, Speaks, Step
from zhiyin.simulate.planted_signals import planted_steps
from zhiyin.simulate.visit import SimulatedCustomer, SimulatedEvent, Story, Visit


class Mix(msgspec.Struct, frozen=True):
    """How often what happens: shares of visits, shares of broken-off visits, chances a step."""

    breaks_off: float = 0.42
    cancels: float = 0.03
    without_cause: float = 0.15
    comes_back: float = 0.35
    makes_contact: float = 0.15
    second_sign: float = 0.35
    """Chance of a second kind of sign for the same reason."""
    stumbles: float = 0.10
    """Chance a step of a sign that has nothing to do with how it ends."""
    contact_for: Mapping[str, float] = {}
    """Instead of ``makes_contact``, by the true reason."""
    symptoms: float = 0.0
    """Chance that a reason which has a symptom leaves the signs of that other reason too, and more of them."""


MIX: Final = Mix()
REASON_WEIGHTS: Final[Mapping[str, float]] = {
    "face_check": 1.6,
    "sms_code": 1.4,
    "payment": 1.3,
    "id_photo": 1.2,
    "missing_document": 1.0,
    "health_declaration": 0.8,
    "e_signature": 0.7,
    "beneficiary_form": 0.7,
    "system_error": 0.5,
    "form_trouble": 0.5,
    "second_thoughts": 0.5,
}
"""How often a reason is the true one, against the others; 1.0 where it is not named."""


class Cause(msgspec.Struct, frozen=True):
    """A reason that may be planted: at which step (its index) of which journey, by which signs."""

    reason: str
    journey: str
    place: int
    signs: tuple[Speaks, ...]
    silence_ms: int
    """How long silence there must last to count as broken off."""


class Simulation:
    """The customers of one catalogue; all chance comes from ``random``.

    ``run`` stands in every message and transaction id: of one's own, the same customers do the same
    things anew and are not taken for duplicates.
    """

    def __init__(self, catalogue: Catalogue, random: Random, mix: Mix = MIX, run: str = "") -> None:
        self._random = random
        self._mix = mix
        self._journeys = tuple(catalogue.journeys)
        self._planted_steps = {
            name: planted_steps(journey, catalogue.struggle) for name, journey in catalogue.journeys.items()
        }
        self._causes = {name: causes(catalogue, name) for name in self._journeys}
        self._run = run or f"{random.getrandbits(40):010x}"
        self._messages = 0
        self._visits = 0

    def visits(self, customers: int, arrive_over_ms: int, rounds: int = 1, opening: int = 0) -> Iterator[Visit]:
        """Every customer once a round, in random order at random times; for ever when ``rounds`` is 0.

        The first ``opening`` visits break off at once, where silence is noticed soonest, and stay away.
        """
        for number in self._random.sample(range(customers), min(opening, customers)):
            yield self._opening_visit(number)
        begins_ms = 0.0
        finished = 0
        while rounds == 0 or finished < rounds:
            for number in self._random.sample(range(customers), customers):
                begins_ms += self._random.expovariate(customers / arrive_over_ms)
                yield self._visit(number, round(begins_ms))
            finished += 1

    def _visit(self, number: int, begins_ms: int) -> Visit:
        journey = self._random.choice(self._journeys)
        story = self._story(number, journey, begins_ms)
        story.begin()
        chance = self._random.random()
        if chance < self._mix.breaks_off:
            return self._broken_off(story, journey)
        if chance < self._mix.breaks_off + self._mix.cancels:
            story.walk_to(self._random.randrange(len(story.places)))
            return story.ended(events.CANCELLED)
        story.walk_to(len(story.places) - 1)
        return story.ended(events.COMPLETED)

    def _broken_off(self, story: Story, journey: str) -> Visit:
        cause = self._cause(journey)
        index = self._random.randrange(max(1, len(story.places) - 1)) if cause is None else cause.place
        story.walk_to(index)
        return self._stopped(story, cause)

    def _opening_visit(self, number: int) -> Visit:
        known = [cause for group in self._causes.values() for cause in group]
        soonest = min((cause.silence_ms for cause in known), default=0)
        cause = self._random.choice([candidate for candidate in known if candidate.silence_ms == soonest] or [None])
        story = self._story(number, self._journeys[0] if cause is None else cause.journey, 0)
        story.stand_at(0 if cause is None else cause.place)
        self._break_off(story, cause)
        return story.visit()

    def _break_off(self, story: Story, cause: Cause | None) -> None:
        if cause is not None:
            story.struggle(self._signs(cause))
        story.break_off(UNKNOWN if cause is None else cause.reason)

    def _stopped(self, story: Story, cause: Cause | None) -> Visit:
        self._break_off(story, cause)
        silence_ms = story.place.silence_ms
        reason = UNKNOWN if cause is None else cause.reason
        if self._random.random() < self._mix.contact_for.get(reason, self._mix.makes_contact):
            story.make_contact(round(silence_ms * self._random.uniform(1.2, 3.0)))
        if self._random.random() < self._mix.comes_back:
            story.come_back(round(silence_ms * self._random.uniform(1.3, 5.0)))
            story.walk_to(len(story.places) - 1)
            return story.ended(events.COMPLETED)
        return story.visit()

    def _signs(self, cause: Cause) -> tuple[Speaks, ...]:
        """One or two of the cause's signs, the heavier the likelier."""
        first = self._random.choices(cause.signs, [sign.weight for sign in cause.signs])[0]
        others = [sign for sign in cause.signs if sign is not first]
        signs: tuple[Speaks, ...] = (first,)
        if others and self._random.random() < self._mix.second_sign:
            signs = (self._random.choice(others), first)
        symptom = self._symptom(cause) if self._mix.symptoms else None
        if symptom is not None and self._random.random() < self._mix.symptoms:
            return (*signs, *symptom.signs)
        return signs

    def _symptom(self, cause: Cause) -> Cause | None:
        """What a cause is mistaken for: of the causes at one step every other one has the next for a symptom."""
        here = [other for other in self._causes[cause.journey] if other.place == cause.place]
        at = here.index(cause)
        return here[at + 1] if at % 2 == 0 and at + 1 < len(here) else None

    def _cause(self, journey: str) -> Cause | None:
        """A cause by the table of weights; None: nothing to be seen."""
        known = self._causes[journey]
        if not known or self._random.random() < self._mix.without_cause:
            return None
        reasons = list(dict.fromkeys(cause.reason for cause in known))
        reason = self._random.choices(reasons, [REASON_WEIGHTS.get(name, 1.0) for name in reasons])[0]
        return self._random.choice([cause for cause in known if cause.reason == reason])

    def _story(self, number: int, journey: str, begins_ms: int) -> Story:
        self._visits += 1
        customer = SimulatedCustomer(f"c-{number:06d}", journey, f"t-{self._run}-{self._visits:06d}")
        return Story(
            customer, self._planted_steps[journey], begins_ms, self._random, self._next_message, self._mix.stumbles
        )

    def _next_message(self) -> str:
        self._messages += 1
        return f"m-{self._run}-{self._messages:08x}"


def causes(catalogue: Catalogue, journey: str) -> tuple[Cause, ...]:
    """Every reason that can be planted in ``journey``, at every step (but the final ones) its evidence fits.

    A reason whose evidence names steps happens at those alone.
    """
    definition = catalogue.journeys[journey]
    return tuple(
        Cause(code, journey, index, signs, definition.idle_after_ms(step))
        for code, reason in catalogue.reasons.items()
        for index, step in enumerate(definition.steps)
        if code != UNKNOWN and not step.final and _at_home(reason, step) and (signs := _signs_at(reason, step))
    )


def _at_home(reason: Reason, step: Step) -> bool:
    named = {name for speaks in reason.evidence for name in speaks.steps}
    return not named or step.id in named


def _signs_at(reason: Reason, step: Step) -> tuple[Speaks, ...]:
    """The evidence of ``reason`` that can be left at ``step`` and points to nothing else."""
    return tuple(
        sign
        for sign in reason.evidence
        if (not sign.steps or step.id in sign.steps)
        and sign.signal != "at_step"
        and (sign.steps or sign.codes or sign.fields)
    )


def merged(visits: Iterable[Visit]) -> Iterator[SimulatedEvent | Visit]:
    """The events of ``visits`` (in order of their beginnings) in order of time; each visit stands before its first."""
    waiting: list[tuple[int, int, SimulatedEvent]] = []
    count = 0
    for visit in visits:
        begins_ms = visit.events[0].at_ms
        while waiting and waiting[0][0] < begins_ms:
            yield heappop(waiting)[2]
        yield visit
        for event in visit.events:
            count += 1
            heappush(waiting, (event.at_ms, count, event))
    while waiting:
        yield heappop(waiting)[2]
