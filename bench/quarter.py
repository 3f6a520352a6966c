"""A quarter of simulated customers with planted problems and fixes, as events in order of time.

In: a catalogue, a seed, how many transactions an hour begin, the problems. Out: an hour's events at a time, with
their times. Refused: nothing. Weeks, days and nights differ by themselves: fewer customers at night, more breaking
off at night and at weekends; none of that is a problem.
"""

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from operators.records import events
from operators.records.catalogue import Catalogue, Journey
from operators.records.events import Context, Event, Properties

HOUR_MS: Final = 3_600_000
BEGINS_MS: Final = 1_767_571_200_000
"""Monday 2026-01-05, 00:00 UTC."""
DAYS: Final = 91
CHANNELS: Final = (("web", 0.4), ("app", 0.4), ("wechat", 0.2))
_WEEKEND: Final = 5
_EVENING: Final = range(18, 23)
_COME_BACK: Final = 0.3
_NIGHT: Final = range(6)


class PlantedProblem(NamedTuple):
    """What is wrong at a step from a day on until it is fixed (None: never). Factors multiply odds, or dwell times.

    ``when``: all week, at weekends or in the evening only; ``channel``: None for all.
    """

    says: str
    journey: str
    step: str
    from_day: int
    fixed_day: int | None = None
    loss: float = 1.0
    slow: float = 1.0
    failure: float = 1.0
    when: str = "always"
    channel: str | None = None

    def holds(self, hour: int, channel: str) -> bool:
        """Whether it is there in the hour counted from the beginning."""
        day, hour_of_day = divmod(hour, 24)
        if day < self.from_day or (self.fixed_day is not None and day >= self.fixed_day):
            return False
        if self.channel not in (None, channel):
            return False
        if self.when == "weekend":
            return day % 7 >= _WEEKEND
        return self.when == "always" or hour_of_day in _EVENING

    @property
    def first_hour(self) -> int:
        """The first hour in which it is there."""
        return next(hour for hour in range(self.from_day * 24, DAYS * 24) if self.holds(hour, self.channel or "web"))


PROBLEMS: Final = (
    PlantedProblem("a slow step", "policy_loan", "e_signature", 30, slow=1.8),
    PlantedProblem("a broken SMS provider, fixed", "policy_loan", "sms_code", 35, 45, loss=2.5, failure=4.0),
    PlantedProblem("a changed form, fixed", "claim", "treatment", 40, 52, loss=1.8, failure=3.0),
    PlantedProblem("at weekends only", "premium_payment", "payment", 33, loss=3.0, when="weekend"),
    PlantedProblem("in one channel only", "new_application", "id_photo", 50, loss=2.5, failure=3.0, channel="app"),
    PlantedProblem("in the evening only", "claim", "face_check", 55, loss=2.5, when="evening"),
    PlantedProblem("a quote that takes longer", "renewal", "quote", 45, slow=1.6),
    PlantedProblem("more give up, nothing else", "beneficiary_change", "beneficiary_form", 60, loss=2.0),
    PlantedProblem("failures people get over, fixed", "surrender", "bank_card", 48, 58, failure=3.0),
    PlantedProblem("codes that come late", "contact_details_change", "sms_code", 62, slow=2.0),
    PlantedProblem("a short journey", "callback_survey", "policy_summary", 65, loss=2.0),
    PlantedProblem("one channel, loss only", "policy_loan", "bank_card", 70, loss=3.0, channel="wechat"),
)


class UsualShare(NamedTuple):
    """How a step is without problems: chances of breaking off and of a failure, the median stay in ms."""

    loss: float
    failure: float
    dwell_ms: float


class Quarter:
    """The customers; all chance comes from ``seed``. ``an_hour``: transactions that begin, over all journeys."""

    def __init__(self, catalogue: Catalogue, seed: int, an_hour: float, problems: Sequence[PlantedProblem]) -> None:
        self._random = Random(seed)
        self._an_hour = an_hour
        self._problems = {(each.journey, each.step): each for each in problems}
        self._journeys: list[tuple[str, Journey]] = list(catalogue.journeys.items())
        self._usual = {
            (name, step.id): UsualShare(
                self._random.uniform(0.02, 0.08),
                self._random.uniform(0.02, 0.08),
                self._random.uniform(8_000, 30_000),
            )
            for name, journey in self._journeys
            for step in journey.steps
        }
        self._visits = 0
        self._waiting: list[tuple[int, int, Event]] = []
        self._number = 0

    def hours(self, count: int = DAYS * 24) -> Iterator[tuple[list[Event], list[int]]]:
        """Each hour's events in order of time, with their times in epoch ms."""
        for hour in range(count):
            for _ in range(self._poisson(self._an_hour * _volume(hour))):
                self._visit(hour)
            end_ms = BEGINS_MS + (hour + 1) * HOUR_MS
            self._waiting.sort()
            due = [each for each in self._waiting if each[0] < end_ms]
            del self._waiting[: len(due)]
            yield [each[2] for each in due], [each[0] for each in due]

    def _visit(self, hour: int) -> None:
        name, journey = self._random.choice(self._journeys)
        channel = self._random.choices([each for each, _ in CHANNELS], [share for _, share in CHANNELS])[0]
        self._visits += 1
        at_ms = BEGINS_MS + hour * HOUR_MS + self._random.randrange(HOUR_MS)
        whose = f"c-{self._visits}"
        context = Context(channel)

        def say(word: str, step: str | None, more: Properties | None = None) -> None:
            properties = more or Properties(journey=name, step=step)
            self._number += 1
            event = Event(event=word, user_id=whose, properties=properties, context=context)
            self._waiting.append((at_ms, self._number, event))

        say(events.STARTED, journey.steps[0].id)
        for step in journey.steps:
            say(events.STEP_VIEWED, step.id)
            if step.final:
                return
            hour_now = (at_ms - BEGINS_MS) // HOUR_MS
            usual = self._now(name, step.id, hour_now, channel)
            limit_ms = 0.8 * journey.idle_after_ms(step)
            if self._random.random() < usual.failure:
                at_ms += round(min(limit_ms, self._stay_ms(usual) / 2))
                more = Properties(journey=name, step=step.id, error_code="failed", code="invalid", field="amount")
                say(self._random.choice((events.STEP_FAILED, events.FIELD_ERROR)), step.id, more)
            if self._random.random() < usual.loss:
                if self._random.random() < _COME_BACK:
                    at_ms += round(journey.idle_after_ms(step) * self._random.uniform(1.2, 4.0))
                    say(events.STEP_VIEWED, step.id)
                else:
                    return
            at_ms += round(min(limit_ms, self._stay_ms(usual)))

    def _now(self, journey: str, step: str, hour: int, channel: str) -> UsualShare:
        usual = self._usual[journey, step]
        odds = (1.25 if hour // 24 % 7 >= _WEEKEND else 1.0) * (1.2 if hour % 24 in _NIGHT else 1.0)
        problem = self._problems.get((journey, step))
        if problem is None or not problem.holds(hour, channel):
            return UsualShare(_with_odds(usual.loss, odds), usual.failure, usual.dwell_ms)
        return UsualShare(
            _with_odds(usual.loss, odds * problem.loss),
            _with_odds(usual.failure, problem.failure),
            usual.dwell_ms * problem.slow,
        )

    def _stay_ms(self, usual: UsualShare) -> float:
        return usual.dwell_ms * self._random.lognormvariate(0.0, 0.6)

    def _poisson(self, mean: float) -> int:
        """Knuth's method, in parts that exp can hold."""
        total = 0
        while mean > 0:
            part, mean = min(mean, 30.0), mean - 30.0
            limit, product = math.exp(-part), self._random.random()
            while product > limit:
                total += 1
                product *= self._random.random()
        return total


def _volume(hour: int) -> float:
    """How busy an hour is: quiet nights, a third less at weekends; 1 on average of a weekday's."""
    by_day = 1 + 0.8 * math.sin((hour % 24 - 8) / 24 * 2 * math.pi)
    return by_day * (0.67 if hour // 24 % 7 >= _WEEKEND else 1.0)


def _with_odds(share: float, factor: float) -> float:
    odds = share / (1 - share) * factor
    return odds / (1 + odds)
