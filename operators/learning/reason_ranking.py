"""Which of the rules' reasons an agent would confirm: learnt from what agents said of the reasons they were shown.

In: the reasons of a break-off as the rules rank them; later the word of an agent on it. Out: the reasons ranked
anew, with calibrated confidences. Refused: nothing.

Each candidate of the rules is a yes-or-no question, anchored at the rules' confidence and asked of: which reason, at
which step, from which evidence, beside which rivals. The confidences of all candidates sum to at most 1; what is left
is that of ``unknown``, which comes first when the best stays below ``min_confidence``, as with the rules. Until the
regression leads, the rules' own word is told, letter for letter.

An agent who names the reason judges all candidates; one who says right or wrong judges the one that was shown. A
reason that was not shown is not wrong for that: nothing is learnt of it.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from operators.learning.outcome_model import OutcomeModel, OutcomePrediction
from operators.reasons.rules import rounded_down
from operators.records.catalogue import UNKNOWN
from operators.records.facts import Evidence, RankedReason
from operators.tracking.features import AttemptFeatures

MOST_CANDIDATES: Final = 8
_TENTHS: Final = 10


class Candidate(msgspec.Struct, array_like=True, gc=False):
    """One reason of the rules, waiting for an agent's word."""

    code: str
    tokens: list[str]
    said: OutcomePrediction


class Ranking(msgspec.Struct, frozen=True, gc=False):
    """The reasons, best first, and the candidates behind them."""

    reasons: tuple[RankedReason, ...]
    candidates: list[Candidate]


class ReasonRanking:
    """One journey's ranking. ``min_confidence``: below it the reason is ``unknown``."""

    def __init__(self, min_confidence: float) -> None:
        self.model = OutcomeModel("reason")
        self._min_confidence = min_confidence

    def ranked(self, reasons: Sequence[RankedReason], step: str | None) -> Ranking:
        """The rules' ``reasons`` at ``step``, as agents' words make them."""
        rules = [each for each in reasons if each.code != UNKNOWN][:MOST_CANDIDATES]
        tokens = [_tokens(each, step, rules) for each in rules]
        said = [self.model.predict(mine, each.confidence) for each, mine in zip(rules, tokens, strict=True)]
        if not self.model.leads or not rules:
            return Ranking(tuple(reasons), _candidates(rules, tokens, said))
        whole = max(1.0, math.fsum(each.told for each in said))
        said = [msgspec.structs.replace(each, told=each.told / whole) for each in said]
        return Ranking(self._told(rules, said), _candidates(rules, tokens, said))

    def judged(
        self, candidates: Sequence[Candidate], known: AttemptFeatures, shown: str, right: bool, named: str | None
    ) -> bool:
        """An agent's word: the reason ``named``, or whether the one ``shown`` was right. Whether the error drifted."""
        drifted = False
        for each in candidates:
            if named is not None:
                drifted |= self.model.learn(each.tokens, known, each.said, each.code == named)
            elif each.code == shown:
                drifted |= self.model.learn(each.tokens, known, each.said, right)
        return drifted

    def effect(self, candidates: Sequence[Candidate], code: str) -> float:
        """What agents' words add to the log-odds of a reason; 0 while the rules lead."""
        tokens = next((each.tokens for each in candidates if each.code == code), ())
        return math.fsum(effect for _, effect in self.model.effects(tokens))

    def _told(self, rules: Sequence[RankedReason], said: Sequence[OutcomePrediction]) -> tuple[RankedReason, ...]:
        ranked = [
            msgspec.structs.replace(rule, confidence=rounded_down(each.told))
            for rule, each in zip(rules, said, strict=True)
        ]
        ranked.sort(key=_surest_first)
        if ranked[0].confidence < self._min_confidence:
            rest = 1.0 - math.fsum(each.told for each in said)
            ranked.insert(0, RankedReason(UNKNOWN, rounded_down(max(0.0, rest))))
        return tuple(ranked)


def _candidates(
    rules: Sequence[RankedReason], tokens: list[list[str]], said: Sequence[OutcomePrediction]
) -> list[Candidate]:
    return [Candidate(rule.code, mine, each) for rule, mine, each in zip(rules, tokens, said, strict=True)]


def _tokens(rule: RankedReason, step: str | None, rules: Sequence[RankedReason]) -> list[str]:
    """What is known of a candidate. The rules' order is part of it: before which rivals it stands, and after which."""
    code = rule.code
    place = rules.index(rule)
    tokens = [code, f"{code}|at={step or ''}", f"{code}|sure{int(rule.confidence * _TENTHS)}"]
    tokens += [f"{code}|{_sign(each)}" for each in rule.evidence]
    tokens += [
        f"{code}|{'after' if at < place else 'before'}={each.code}" for at, each in enumerate(rules) if at != place
    ]
    return list(dict.fromkeys(tokens))


def _sign(evidence: Evidence) -> str:
    return f"{evidence.signal}={evidence.code or evidence.field or ''}"


def _surest_first(ranked: RankedReason) -> float:
    return -ranked.confidence
