"""Why a transaction broke off: the catalogue's rules weighed over the signals of the attempt.

In: the signals gathered on the way and the step where it broke off. Out: reasons, best first,
each with a confidence and the evidence for it; ``unknown`` comes first when the best is not sure
enough. Refused: nothing; a signal that no rule speaks for is no evidence.

A signal counts for a reason once, by the heaviest of its rules that fits:
``weight * (1 + 1/2 + 1/4 + ...)``, a term for each time it came, halved when it came at an earlier
step than the one where the attempt broke off. ``confidence = score / (all scores + PRIOR)``: the
prior stands for all that leaves no trace, and is what ``unknown`` has. A rage click says that
somebody is annoyed, never why: it counts only beside another signal for the same reason.
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from operators.records.catalogue import UNKNOWN, Catalogue, Reason, Speaks
from operators.records.facts import Evidence, RankedReason, Signal

PRIOR: Final = 1.0
"""The score of what leaves no trace. Chosen: one signal of weight 1 gives a confidence of one half."""

EARLIER_STEP: Final = 0.5
"""What a signal at an earlier step is worth."""

_NO_EXPLANATION: Final = frozenset(("rage_click", "at_step"))
"""Annoyance and whereabouts: no rage click counts unless something else speaks beside them."""

_DECIMALS: Final = 10_000
_REMEMBERED_RANKINGS: Final = 4_096
"""Most attempts break off with a few signals that others have had too; ranking them costs more than remembering."""


class Rule(msgspec.Struct, frozen=True, gc=False):
    """One ``Speaks`` of one reason, ready to be matched. ``prefixes``: codes that ended in ``*``."""

    reason: str
    weight: float
    codes: frozenset[str]
    prefixes: tuple[str, ...]
    steps: frozenset[str]
    fields: frozenset[str]

    def fits(self, step: str | None, code: str | None, field: str | None) -> bool:
        """Whether it speaks of such a signal."""
        if self.steps and step not in self.steps:
            return False
        if self.fields and field not in self.fields:
            return False
        if not self.codes and not self.prefixes:
            return True
        return code is not None and (code in self.codes or code.startswith(self.prefixes))


class ReasonRules:
    """The rules of a catalogue, sorted once by the signal they speak of."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._min_confidence = catalogue.hints.min_confidence
        self._rules = _rules(catalogue.reasons)
        self._priority = {code: reason.priority for code, reason in catalogue.reasons.items()}
        self._ranked = lru_cache(_REMEMBERED_RANKINGS)(self._rank)
        self._order = {
            name: {step.id: index for index, step in enumerate(journey.steps)}
            for name, journey in catalogue.journeys.items()
        }

    def rank(self, signals: Iterable[Signal], step: str | None, journey: str | None = None) -> tuple[RankedReason, ...]:
        """The reasons for a break-off at ``step``, best first; never empty.

        Without a ``journey`` the order of its steps is not known, and any other step counts as earlier.
        """
        return self._ranked(tuple(signals), step, journey)

    def _rank(self, signals: tuple[Signal, ...], step: str | None, journey: str | None) -> tuple[RankedReason, ...]:
        order = self._order.get(journey) if journey is not None else None
        evidence = _evidence(self._rules, signals, step, order)
        return _ranked(evidence, self._priority, self._min_confidence)


def rank_reasons(
    reasons: Mapping[str, Reason], signals: Iterable[Signal], step: str | None, min_confidence: float
) -> tuple[RankedReason, ...]:
    """As ``ReasonRules.rank``, for reasons without a catalogue around them."""
    priority = {code: reason.priority for code, reason in reasons.items()}
    return _ranked(_evidence(_rules(reasons), signals, step, None), priority, min_confidence)


def _rules(reasons: Mapping[str, Reason]) -> dict[str, tuple[Rule, ...]]:
    by_signal: dict[str, list[Rule]] = {}
    for code, reason in reasons.items():
        if code != UNKNOWN:
            for speaks in reason.evidence:
                by_signal.setdefault(speaks.signal, []).append(_rule(code, speaks))
    return {signal: tuple(sorted(rules, key=_heaviest_first)) for signal, rules in by_signal.items()}


def _rule(reason: str, speaks: Speaks) -> Rule:
    return Rule(
        reason,
        speaks.weight,
        frozenset(code for code in speaks.codes if not code.endswith("*")),
        tuple(code[:-1] for code in speaks.codes if code.endswith("*")),
        frozenset(speaks.steps),
        frozenset(speaks.fields),
    )


def _heaviest_first(rule: Rule) -> float:
    return -rule.weight


def _evidence(
    rules: Mapping[str, tuple[Rule, ...]],
    signals: Iterable[Signal],
    step: str | None,
    order: Mapping[str, int] | None,
) -> dict[str, list[Evidence]]:
    """What speaks for each reason."""
    by_reason: dict[str, list[Evidence]] = {}
    for signal in signals:
        factor = _repeated(signal.count) * (EARLIER_STEP if _is_earlier(signal.step, step, order) else 1.0)
        for reason, weight in _weights_by_reason(rules.get(signal.kind, ()), signal.step, signal.code, signal.field):
            evidence = Evidence(signal.kind, signal.step, signal.code, signal.field, signal.count, weight * factor)
            by_reason.setdefault(reason, []).append(evidence)
    if step is not None:
        for reason, weight in _weights_by_reason(rules.get("at_step", ()), step, None, None):
            by_reason.setdefault(reason, []).append(Evidence("at_step", step, None, None, 1, weight))
    return by_reason


def _weights_by_reason(
    rules: Iterable[Rule], step: str | None, code: str | None, field: str | None
) -> Iterable[tuple[str, float]]:
    """The reasons that a signal speaks for, each with the weight of its heaviest rule."""
    weights: dict[str, float] = {}
    for rule in rules:
        if rule.reason not in weights and rule.fits(step, code, field):
            weights[rule.reason] = rule.weight
    return weights.items()


def _repeated(count: int) -> float:
    """``1 + 1/2 + 1/4 + ...`` with ``count`` terms: repetition convinces, but ever less."""
    return 2.0 - 2.0 ** (1 - min(count, 60))


def _is_earlier(signal_step: str | None, step: str | None, order: Mapping[str, int] | None) -> bool:
    if signal_step == step:
        return False
    if order is None:
        return True
    return order.get(signal_step or "", -1) < order.get(step or "", -1)


def _ranked(
    evidence: Mapping[str, list[Evidence]], priority: Mapping[str, int], min_confidence: float
) -> tuple[RankedReason, ...]:
    evidence = {reason: kept for reason, items in evidence.items() if (kept := _without_lone_rage_clicks(items))}
    scores = {reason: math.fsum(item.weight for item in kept) for reason, kept in evidence.items()}
    total = math.fsum(scores.values()) + PRIOR
    best_first = sorted(scores, key=lambda reason: (-scores[reason], -priority.get(reason, 0), reason))
    ranked = [
        RankedReason(
            reason, rounded_down(scores[reason] / total), tuple(sorted(evidence[reason], key=_strongest_first))
        )
        for reason in best_first
    ]
    if not best_first or scores[best_first[0]] / total < min_confidence:
        ranked.insert(0, RankedReason(UNKNOWN, rounded_down(PRIOR / total)))
    return tuple(ranked)


def _without_lone_rage_clicks(evidence: list[Evidence]) -> list[Evidence]:
    """Without the rage clicks where they are the only thing the customer did."""
    if any(item.signal not in _NO_EXPLANATION for item in evidence):
        return evidence
    return [item for item in evidence if item.signal != "rage_click"]


def _strongest_first(evidence: Evidence) -> tuple[float, str, str, str, str]:
    return -evidence.weight, evidence.signal, evidence.step or "", evidence.code or "", evidence.field or ""


def rounded_down(confidence: float) -> float:
    """To four decimals: the confidences never add up to more than 1."""
    return math.floor(confidence * _DECIMALS) / _DECIMALS
