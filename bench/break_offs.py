"""What learning is worth where the truth is planted: simulated customers, agents who answer and are sometimes mistaken.

In: how many visits, how many seeds. Out: how often the first reason is the true one, by the rules and as told, where
the rules are right and where signs mislead them; how well the call list is ordered, by the rule's need and as told;
how soon a planted drift is noticed, and what it costs. Refused: nothing.

Figures are of the last two fifths of the visits, after some days of learning; each seed is one sample.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Final

import msgspec

from bench.figures import Figure, figure
from bench.inputs import SHIPPED_CATALOGUE
from bench.scale import Scale
from bench.simulated_house import Agents, BrokenOff, SimulatedCompany, World
from config import load_catalogue
from operators.learning.champion_challenger import log_loss
from operators.records.catalogue import Catalogue
from operators.tracking.features import ScoredPrediction
from zhiyin.simulate.population import Mix

JOURNEYS: Final = ("policy_loan", "claim", "new_application")
MISLED: Final = Mix(symptoms=0.8)
"""Of every other reason, four in five break-offs carry the signs of another reason too, and more of them."""
OF_USE: Final = (0.15, 0.8)
"""How often a call is of use, by turns of the reasons' names."""
CONTACT_WITHIN: Final = "2h"
BEFORE, AFTER = Mix(comes_back=0.9), Mix()
"""The planted drift: of those who broke off, nine in ten came back; from then on a third."""
SETTLED_MS: Final = 4 * 3_600_000
"""Twice the label time-out: before it the first outcomes arrive, quick ones alone at first, which is a change too."""
_LAST: Final = 0.6
_LABELS: Final = 1_000
_HOUR_MS: Final = 3_600_000


class Drift(msgspec.Struct, frozen=True):
    """A planted drift of one journey. ``false``: alarms before it, the first hours left out (``SETTLED_MS``).

    ``labels``, ``hours``: from its beginning until it is noticed (None: never); ``losses``: the log loss of the last
    thousand outcomes before it, of the first thousand after it, and of the last thousand.
    """

    false: int
    labels: int | None
    hours: float | None
    losses: tuple[float, float, float]


def measure(scale: Scale) -> Iterator[Figure]:
    """All figures."""
    seeds = range(1, scale.repeats + 1)
    visits = scale.simulated_visits
    for says, mix in (("signs as the rules have them", Mix()), ("misleading signs", MISLED)):
        lives = [lived(visits, mix, Agents(), seed) for seed in seeds]
        yield figure(f"first reason is true, {says}: rules", [share_right(each, 0) for each in lives], "")
        yield figure(f"first reason is true, {says}: told", [share_right(each, 1) for each in lives], "")
        yield figure(f"confidence is off, {says}: rules", [off_by(each, 0) for each in lives], "")
        yield figure(f"confidence is off, {says}: told", [off_by(each, 1) for each in lives], "")
    lives = [lived(visits, Mix(), callers(catalogue()), seed) for seed in seeds]
    yield figure("call list, AUC: need by the rule", [need_auc(each, 0) for each in lives], "")
    yield figure("call list, AUC: need as told", [need_auc(each, 1) for each in lives], "")
    yield from _drift_figures([drifted(visits, seed) for seed in seeds])


def catalogue(journeys: Sequence[str] = JOURNEYS) -> Catalogue:
    """The shipped one, with some of its journeys."""
    shipped = load_catalogue(SHIPPED_CATALOGUE, quiet_hours=False)
    kept = {name: shipped.journeys[name] for name in journeys}
    return msgspec.structs.replace(shipped, journeys=kept, contact_within=CONTACT_WITHIN)


def callers(shipped: Catalogue) -> Agents:
    """Agents who also call every other one."""
    of_use = {code: OF_USE[place % 2] for place, code in enumerate(sorted(shipped.reasons))}
    return Agents(call=0.5, of_use=of_use)


def lived(visits: int, mix: Mix, agents: Agents, seed: int) -> list[BrokenOff]:
    """The last break-offs of one life."""
    broken_off = list(SimulatedCompany(catalogue(), agents, seed).live([World(visits, mix)]))
    return broken_off[int(_LAST * len(broken_off)) :]


def share_right(broken_off: Sequence[BrokenOff], told: int) -> float:
    """Top-1 accuracy of the rules (0), or as told (1); ``unknown`` is true where nothing was planted."""
    return fmean(each.right[told] for each in broken_off)


def off_by(broken_off: Sequence[BrokenOff], told: int) -> float:
    """Expected calibration error of the first reason's confidence, ten bins."""
    bins: dict[int, list[float]] = {}
    for each in broken_off:
        confidence = (each.rules, each.fact)[told].reasons[0].confidence
        bins.setdefault(min(int(confidence * 10), 9), []).append(confidence - each.right[told])
    return sum(abs(math.fsum(each)) for each in bins.values()) / len(broken_off)


def need_auc(broken_off: Sequence[BrokenOff], told: int) -> float:
    """P(who can be helped stands before who can't), ties a half, among those who stayed away."""
    away = [(each.needs[told], each.helps) for each in broken_off if not each.truth.returned]
    yes, no = [need for need, helps in away if helps], [need for need, helps in away if not helps]
    before = sum((one > other) + (one == other) / 2 for one in yes for other in no)
    return before / (len(yes) * len(no))


def drifted(visits: int, seed: int, before: Mix = BEFORE, after: Mix = AFTER) -> Drift:
    """One journey's life in two worlds, ``visits`` in each."""
    losses: list[tuple[int, float]] = []

    def scored(_: str, predictions: Sequence[ScoredPrediction]) -> None:
        told = [each for each in predictions if each.question == "unfinished"]
        losses.extend((each.settled_ms, log_loss(each.score, each.outcome)) for each in told)

    house = SimulatedCompany(catalogue(JOURNEYS[:1]), Agents(answer=0.0), seed, scored)
    scorer = house.learning(JOURNEYS[0]).scorer
    alarms: list[tuple[int, int]] = []
    for each in house.live([World(visits, before), World(visits, after)]):
        if scorer.drifts.get("error", 0) > len(alarms):
            alarms.append((each.fact.at_ms, len(losses)))
    changed_ms = house.begins_ms[1]
    first = sum(settled_ms < changed_ms for settled_ms, _ in losses)
    parts = losses[first - _LABELS : first], losses[first : first + _LABELS], losses[-_LABELS:]
    means = tuple(fmean(loss for _, loss in part) for part in parts)
    false = sum(SETTLED_MS <= at_ms < changed_ms for at_ms, _ in alarms)
    at_ms, labels = next((alarm for alarm in alarms if alarm[0] >= changed_ms), (None, first))
    hours = None if at_ms is None else (at_ms - changed_ms) / _HOUR_MS
    return Drift(false, None if at_ms is None else labels - first, hours, (means[0], means[1], means[2]))


def _drift_figures(drifts: Sequence[Drift]) -> Iterator[Figure]:
    noticed = [each for each in drifts if each.labels is not None and each.hours is not None]
    yield figure("planted drift: noticed", [each.labels is not None for each in drifts], "")
    yield figure("planted drift: false alarms before it", [each.false for each in drifts], "")
    if noticed:
        yield figure("planted drift: outcomes until noticed", [each.labels or 0 for each in noticed], "")
        yield figure("planted drift: event time until noticed", [each.hours or 0.0 for each in noticed], "h")
    for place, when in enumerate(("before", "of the first 1,000 after", "of the last 1,000")):
        yield figure(f"planted drift: log loss {when}", [each.losses[place] for each in drifts], "")
