"""What monitoring makes of a simulated quarter: which planted problems it finds, when, and what it raises for nothing.

In: a catalogue, a quarter, the problems in it. Out: a ``WatchedQuarter``: each problem with what became of it, and the
false alarms. The events go through the tracker, the decision and the monitors as in the engine, without its dataflow.
Refused: nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from bench.quarter import BEGINS_MS, HOUR_MS, PlantedProblem, Quarter
from operators.learning.fixed_decision import FixedDecision
from operators.monitoring.journey_monitor import JourneyMonitor, PainPointChanged
from operators.monitoring.pain_detection import pain_thresholds
from operators.monitoring.pain_points import PainPointState, PainPointUpdate, pain_point_document
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import Catalogue
from operators.tracking.plan import journey_plans
from operators.tracking.tracker import ShardTracker
from operators.tracking.transitions import Transition, fact_transitions

DAY_HOURS: Final = 24


class Opening(msgspec.Struct, frozen=True):
    """A pain point opened or reopened, ``hour`` hours after the beginning."""

    journey: str
    step: str
    hour: float
    word: str
    scope: str


class QuarterOutcome(msgspec.Struct, frozen=True):
    """What became of a planted problem. ``hours``: from its first hour to its finding, None when it was missed."""

    problem: PlantedProblem
    hours: float | None
    scope: str
    state: PainPointState | None
    fix: dict[str, object] | None


class WatchedQuarter(msgspec.Struct):
    """A quarter that was watched. ``openings``: all, in order; ``false_alarms``: those of no planted problem."""

    events: int
    openings: list[Opening]
    outcomes: list[QuarterOutcome]
    false_alarms: list[Opening]
    weeks: float

    @property
    def false_alarms_a_week(self) -> float:
        """Over the weeks in which pain points could be raised."""
        return len(self.false_alarms) / self.weeks


class WatchedCompany:
    """Tracker, decisions and monitors of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        reasons, rules = ReasonRules(catalogue), pain_thresholds(catalogue)
        self._shard = ShardTracker(
            journey_plans(catalogue, checkpoints=False), reports_struggles=False, keeps_transitions=True
        )
        self._decision = FixedDecision(reasons)
        self.monitors = {name: JourneyMonitor(catalogue.journeys, rules) for name in catalogue.journeys}
        for name, monitor in self.monitors.items():
            monitor.open(name)

    def live(self, quarter: Quarter, hours: int, fixes: dict[int, list[PlantedProblem]]) -> WatchedQuarter:
        """Goes through the hours; ``fixes``: what is reported as fixed, by hour."""
        watched = WatchedQuarter(0, [], [], [], 0.0)
        for hour, (events, times_ms) in enumerate(quarter.hours(hours)):
            watched.events += len(events)
            self._shard.take(events, times_ms)
            self._shard.settle()
            for name, moves in self._moves().items():
                self.monitors[name].take(moves)
            for problem in fixes.get(hour, ()):
                self._report(problem, BEGINS_MS + hour * HOUR_MS)
            self._listen(watched)
        return watched

    def _moves(self) -> dict[str, list[Transition]]:
        grouped: defaultdict[str, list[Transition]] = defaultdict(list)
        grouped.update(self._shard.collect_transitions())
        for fact in self._decision.decide(self._shard.collect()):
            grouped[fact.journey] += fact_transitions((fact,))
        return grouped

    def _report(self, problem: PlantedProblem, at_ms: int) -> None:
        monitor = self.monitors[problem.journey]
        point = monitor.watch.points.get(problem.step)
        if point is not None:
            monitor.report(PainPointUpdate(problem.journey, point.id, "fixed", at_ms, "bench"))

    def _listen(self, watched: WatchedQuarter) -> None:
        for name, monitor in self.monitors.items():
            for word in monitor.pop_outputs():
                if isinstance(word, PainPointChanged) and word.action in ("opened", "reopened"):
                    hour = (word.at_ms - BEGINS_MS) / HOUR_MS
                    watched.openings.append(Opening(name, word.point.step, hour, word.action, word.point.scope))


def watch_quarter(
    catalogue: Catalogue, problems: Sequence[PlantedProblem], seed: int, an_hour: float, days: int
) -> WatchedQuarter:
    """A quarter, or its first ``days``, watched from its first hour."""
    fixes: defaultdict[int, list[PlantedProblem]] = defaultdict(list)
    for problem in problems:
        if problem.fixed_day is not None:
            fixes[problem.fixed_day * DAY_HOURS].append(problem)
    house = WatchedCompany(catalogue)
    watched = house.live(Quarter(catalogue, seed, an_hour, problems), days * DAY_HOURS, fixes)
    begun = [each for each in problems if each.from_day < days]
    watched.outcomes = [_outcome(each, watched.openings, house, days) for each in begun]
    watched.false_alarms = [
        each for each in watched.openings if not any(_is_of(each, problem, days) for problem in begun)
    ]
    watched.weeks = (days - catalogue.monitoring.learn_days) / 7
    return watched


def _is_of(opening: Opening, problem: PlantedProblem, days: int) -> bool:
    if (opening.journey, opening.step) != (problem.journey, problem.step):
        return False
    until = (problem.fixed_day if problem.fixed_day is not None else days) * DAY_HOURS
    return problem.first_hour <= opening.hour <= until


def _outcome(problem: PlantedProblem, openings: Sequence[Opening], house: WatchedCompany, days: int) -> QuarterOutcome:
    found = next((each for each in openings if _is_of(each, problem, days)), None)
    point = house.monitors[problem.journey].watch.points.get(problem.step)
    if found is None or point is None:
        return QuarterOutcome(problem, None, "", None, None)
    fix = pain_point_document(point)["fix"]
    return QuarterOutcome(problem, found.hour - problem.first_hour, point.scope, point.state, fix)
