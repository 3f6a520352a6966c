"""The watch over one journey's steps: each hour against its past, each channel against the others.

In: an hour's shares by scope, a week's. Out: pain points with the action that happened to them. Refused: nothing;
an hour without customers changes nothing.

Watched are, of each step but final ones, three shares, each over everybody, by channel and by customer group:
``loss`` (stays that end in a break-off), ``slow`` (stays longer than a length that at most a third of them had
when the step was first known) and ``failure`` (stays with a failed step or a field error).
"""

from collections.abc import Iterable, Iterator, Mapping
from statistics import NormalDist
from typing import Final, NamedTuple

import msgspec

from operators.monitoring.journey_map import DAY_MS, HOUR_MS
from operators.monitoring.pain_points import (
    PainMetric,
    PainPoint,
    PainPointAction,
    Symptom,
    boundaries,
    opened,
    reopen,
    verify,
)
from operators.monitoring.sequential_testing import Hour, Watch, log_limit, new_watch
from operators.monitoring.step_shares import ALL, Shares
from operators.records.catalogue import Catalogue, Journey
from operators.support.dwell_sketch import EDGES_MS
from operators.support.intervals import Proportion, wilson_interval

METRICS: Final[tuple[PainMetric, ...]] = ("loss", "slow", "failure")
SLOW_SHARE: Final = 1 / 3
_KNOWN_STAYS: Final = 200
_HOT: Final = 4.6
"""Log of 100: evidence that makes a channel a suspect once its step is a pain point."""
NEIGHBOURS_TIMES: Final = 1.5
_NEIGHBOURS_TRIALS: Final = 200

StreamKey = tuple[str, PainMetric, str]
PainPointStep = tuple[PainPoint, PainPointAction]


class PainThresholds(NamedTuple):
    """``limit``: log of the e-detector's; ``neighbours_z``: of neighbours' intervals; ``learn_ms``: only watched."""

    limit: float
    neighbours_z: float
    learn_ms: int


def pain_thresholds(catalogue: Catalogue) -> PainThresholds:
    """Half of the false alarms that are allowed a week go to the past, half to the neighbours."""
    monitoring = catalogue.monitoring
    scopes = len(monitoring.channels) + 1 + (len(monitoring.groups) + 1 if monitoring.groups else 0)
    steps = sum(not step.final for journey in catalogue.journeys.values() for step in journey.steps)
    streams = steps * len(METRICS) * (1 + scopes)
    allowed = monitoring.false_alarms_a_week / 2
    share = allowed / 7 / (steps * 2 * scopes)
    return PainThresholds(
        log_limit(streams, allowed), NormalDist().inv_cdf(1 - min(0.5, share) / 2), monitoring.learn_days * DAY_MS
    )


class Slowness(msgspec.Struct, array_like=True):
    """What counts as slow at a step: from the edge with this index on; None until enough stays are known."""

    ranges: list[int]
    edge: int | None = None

    def learn(self, ranges: list[int]) -> None:
        """One more hour, while it is not known yet."""
        self.ranges = [mine + theirs for mine, theirs in zip(self.ranges, ranges, strict=True)]
        total = sum(self.ranges)
        if total >= _KNOWN_STAYS:
            slow = (edge for edge in range(len(EDGES_MS)) if sum(self.ranges[edge + 1 :]) <= SLOW_SHARE * total)
            self.edge = next(slow, len(EDGES_MS) - 1)


class JourneyWatch:
    """All streams and pain points of one journey (None: one that is gone).

    ``changed``: keys of what has changed since this was cleared.
    """

    def __init__(self, name: str, journey: Journey | None, thresholds: PainThresholds) -> None:
        self._name = name
        self._boundaries = {} if journey is None else boundaries(journey)
        self._thresholds = thresholds
        self.streams: dict[StreamKey, Watch] = {}
        self.slowness: dict[str, Slowness] = {}
        self.points: dict[str, PainPoint] = {}
        self.changed: set[StreamKey | str] = set()

    @property
    def steps(self) -> Iterable[str]:
        """The steps that are watched, in order."""
        return self._boundaries.keys()

    def see_hour(self, start_ms: int, shares: Mapping[str, Shares]) -> list[PainPointStep]:
        """Weighs one hour that is over; its shares by scope."""
        outputs: list[PainPointStep] = []
        for step in self.steps:
            self._learn_slowness(step, shares)
            hours = dict(self._hours(step, start_ms, shares))
            for key, hour in hours.items():
                self._stream(key, start_ms).see(hour)
            outputs += self._judge(step, start_ms + HOUR_MS, hours)
            self._learn(step, hours)
        return outputs

    def see_week(self, now_ms: int, shares: Mapping[str, Shares]) -> list[PainPointStep]:
        """Compares each channel and group with all others over the last days; their shares by scope."""
        outputs: list[PainPointStep] = []
        for kind in ("channel:", "group:"):
            names = [scope for scope in shares if scope.startswith(kind)]
            for name in names if len(names) > 1 else ():
                others = Shares()
                for other in names:
                    if other != name:
                        others.merge(shares[other])
                outputs += self._beside(now_ms, name, shares[name], others)
        return outputs

    def start_again(self, point: PainPoint, from_ms: int) -> None:
        """After a report: only hours from ``from_ms`` on may speak against the step; dismissed, it is learned anew."""
        keys = [key for key in self.streams if key[0] == point.step]
        for key in keys:
            if point.state == "dismissed":
                self.streams[key] = new_watch()
                self.streams[key].start_again(from_ms + self._thresholds.learn_ms)
            else:
                self.streams[key].start_again(from_ms)
            self.changed.add(key)

    def _hours(self, step: str, start_ms: int, shares: Mapping[str, Shares]) -> Iterator[tuple[StreamKey, Hour]]:
        slowness = self.slowness.get(step)
        edge = slowness.edge if slowness is not None else None
        for scope, share in shares.items():
            for metric in METRICS:
                proportion = share.slow(step, edge) if metric == "slow" else share.of(metric, step)
                if proportion.trials:
                    yield (step, metric, scope), Hour(start_ms, *proportion)

    def _judge(self, step: str, now_ms: int, hours: Mapping[StreamKey, Hour]) -> Iterable[PainPointStep]:
        point = self.points.get(step)
        if point is not None:
            self._measure(point, now_ms, hours)
            action = verify(point, now_ms)
            if action is not None:
                yield point, action
        for key in hours:
            watch = self.streams[key]
            if watch.log_evidence >= self._thresholds.limit:
                excursion = watch.excursion
                share = excursion.expected / excursion.trials
                symptom = Symptom(
                    key[1],
                    key[2],
                    "past",
                    excursion.cases / excursion.trials,
                    share,
                    excursion.trials,
                    excursion.since_ms,
                )
                yield from self._raise(symptom, step, now_ms)
        if point is not None and point.is_active:
            self._narrow(point)

    def _raise(self, symptom: Symptom, step: str, now_ms: int) -> Iterable[PainPointStep]:
        """A symptom: of a pain point that is known, or one that opens, or opens again."""
        point = self.points.get(step)
        self.changed.add(step)
        if point is not None and point.is_active:
            others = [
                other for other in point.symptoms if (other.metric, other.scope) != (symptom.metric, symptom.scope)
            ]
            is_first = len(others) < len(point.symptoms) and point.symptoms[0] not in others
            point.symptoms = [symptom, *others] if is_first else [*others, symptom]
            return
        if point is None:
            point = self.points[step] = opened(self._name, step, self._boundaries[step], symptom, now_ms)
            action: PainPointAction = "opened"
        else:
            reopen(point, symptom, now_ms)
            action = "reopened"
        self._look_back(point)
        self._narrow(point)
        yield point, action

    def _look_back(self, point: PainPoint) -> None:
        """What was lost, and how it was, before it was noticed."""
        symptom = point.symptoms[0]
        main = self.streams.get((point.step, symptom.metric, symptom.scope))
        if main is not None and symptom.against == "past":
            excursion = main.excursion
            point.before.cases, point.before.trials = excursion.cases, excursion.trials
            point.before.usual = excursion.expected
        loss = self.streams.get((point.step, "loss", symptom.scope))
        if loss is not None:
            point.lost = max(0.0, loss.excursion.cases - loss.excursion.expected)

    def _measure(self, point: PainPoint, now_ms: int, hours: Mapping[StreamKey, Hour]) -> None:
        """One more hour of a pain point."""
        symptom = point.symptoms[0]
        key: StreamKey = (point.step, symptom.metric, symptom.scope)
        loss_key: StreamKey = (point.step, "loss", symptom.scope)
        point.seen_ms = now_ms
        self.changed.add(point.step)
        hour = hours.get(key)
        if hour is not None:
            share = self._usual_share(key, hour) if symptom.against == "past" else symptom.usual
            if point.is_active:
                point.before.add(hour.cases, hour.trials, share)
            elif point.fixed_ms is not None and hour.start_ms >= point.fixed_ms:
                point.after.add(hour.cases, hour.trials, share)
        loss = hours.get(loss_key)
        if loss is not None and point.is_active:
            beside = symptom.against == "neighbours" and symptom.metric == "loss"
            point.lost += loss.cases - loss.trials * (symptom.usual if beside else self._usual_share(loss_key, loss))

    def _usual_share(self, key: StreamKey, hour: Hour) -> float:
        return self.streams[key].baseline.usual(hour.start_ms).share

    def _narrow(self, point: PainPoint) -> None:
        """It is one channel's or group's when that alone shows it."""
        metric = point.symptoms[0].metric
        for kind in ("channel:", "group:"):
            watches = {key[2]: watch for key, watch in self.streams.items() if key[:2] == (point.step, metric)}
            known = [scope for scope in watches if scope.startswith(kind)]
            hot = [scope for scope in known if watches[scope].log_evidence >= _HOT]
            if len(known) > 1 and len(hot) == 1:
                point.scope = hot[0]
                return
        scopes = {symptom.scope for symptom in point.symptoms}
        point.scope = scopes.pop() if len(scopes) == 1 else ALL

    def _learn(self, step: str, hours: Mapping[StreamKey, Hour]) -> None:
        """A step that hurts, or is only said to be fixed, does not become what is usual."""
        point = self.points.get(step)
        if point is not None and (point.is_active or point.state == "fixed"):
            return
        for key, hour in hours.items():
            watch = self.streams[key]
            if watch.log_evidence < self._thresholds.limit / 2:
                watch.baseline.learn(hour)

    def _learn_slowness(self, step: str, shares: Mapping[str, Shares]) -> None:
        slowness = self.slowness.setdefault(step, Slowness([0] * (len(EDGES_MS) + 1)))
        ranges = shares[ALL].ranges(step)
        if slowness.edge is None and ranges is not None:
            slowness.learn(ranges)
            self.changed.add(step)

    def _stream(self, key: StreamKey, start_ms: int) -> Watch:
        watch = self.streams.get(key)
        if watch is None:
            watch = self.streams[key] = new_watch()
            watch.from_ms = start_ms + self._thresholds.learn_ms
        self.changed.add(key)
        return watch

    def _beside(self, now_ms: int, scope: str, own: Shares, others: Shares) -> Iterable[PainPointStep]:
        for step in self.steps:
            point = self.points.get(step)
            if point is not None:
                continue
            for metric in ("loss", "failure"):
                proportion, usual = own.of(metric, step), others.of(metric, step)
                if is_beyond(proportion, usual, self._thresholds.neighbours_z):
                    share = (proportion.share or 0.0, usual.share or 0.0)
                    symptom = Symptom(metric, scope, "neighbours", *share, proportion.trials, now_ms - 7 * DAY_MS)
                    yield from self._raise(symptom, step, now_ms)
                    break


def is_beyond(proportion: Proportion, neighbours: Proportion, z: float) -> bool:
    """Whether a share is surely more than half as much again as its neighbours': their intervals at ``z`` say so."""
    if min(proportion.trials, neighbours.trials) < _NEIGHBOURS_TRIALS:
        return False
    return wilson_interval(proportion, z).low > NEIGHBOURS_TIMES * wilson_interval(neighbours, z).high
