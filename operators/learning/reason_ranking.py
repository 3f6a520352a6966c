"""Which of the rules' reasons an agent would confirm: learnt from agents' judgements of the reasons they were shown.

In: the reasons of a break-off as the rules rank them; later an agent's judgement of it. Out: the reasons ranked
anew, with calibrated confidences. Refused: nothing.

Each candidate of the rules is a yes-or-no question, anchored at the rules' confidence, of: which reason, at
which step, from which evidence, beside which rivals. The confidences of all candidates sum to at most 1; what is left
is that of ``unknown``, which comes first when the best stays below ``min_confidence``, as with the rules. Until the
regression leads, the rules' own ranking is published unchanged.

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
    """One reason of the rules, waiting for an agent's judgement."""

    code: str
    tokens: list[str]
    prediction: OutcomePrediction


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
        """The rules' ``reasons`` at ``step``, as agents' judgements make them."""
        rules = [reason for reason in reasons if reason.code != UNKNOWN][:MOST_CANDIDATES]
        tokens = [_tokens(rule, step, rules) for rule in rules]
        predictions = [
            self.model.predict(of_rule, rule.confidence) for rule, of_rule in zip(rules, tokens, strict=True)
        ]
        if not self.model.leads or not rules:
            return Ranking(tuple(reasons), _candidates(rules, tokens, predictions))
        total = max(1.0, math.fsum(prediction.published for prediction in predictions))
        predictions = [
            msgspec.structs.replace(prediction, published=prediction.published / total) for prediction in predictions
        ]
        return Ranking(self._reranked(rules, predictions), _candidates(rules, tokens, predictions))

    def judged(
        self, candidates: Sequence[Candidate], features: AttemptFeatures, shown: str, right: bool, named: str | None
    ) -> bool:
        """A judgement: the reason ``named``, or whether the one ``shown`` was right. Whether the error drifted."""
        drifted = False
        for candidate in candidates:
            if named is not None:
                drifted |= self.model.learn(candidate.tokens, features, candidate.prediction, candidate.code == named)
            elif candidate.code == shown:
                drifted |= self.model.learn(candidate.tokens, features, candidate.prediction, right)
        return drifted

    def effect(self, candidates: Sequence[Candidate], code: str) -> float:
        """What agents' judgements add to the log-odds of a reason; 0 while the rules lead."""
        tokens = next((candidate.tokens for candidate in candidates if candidate.code == code), ())
        return math.fsum(effect for _, effect in self.model.effects(tokens))

    def _reranked(
        self, rules: Sequence[RankedReason], predictions: Sequence[OutcomePrediction]
    ) -> tuple[RankedReason, ...]:
        ranked = [
            msgspec.structs.replace(rule, confidence=rounded_down(prediction.published))
            for rule, prediction in zip(rules, predictions, strict=True)
        ]
        ranked.sort(key=_surest_first)
        if ranked[0].confidence < self._min_confidence:
            rest = 1.0 - math.fsum(prediction.published for prediction in predictions)
            ranked.insert(0, RankedReason(UNKNOWN, rounded_down(max(0.0, rest))))
        return tuple(ranked)


def _candidates(
    rules: Sequence[RankedReason], tokens: list[list[str]], predictions: Sequence[OutcomePrediction]
) -> list[Candidate]:
    return [
        Candidate(rule.code, of_rule, prediction)
        for rule, of_rule, prediction in zip(rules, tokens, predictions, strict=True)
    ]


def _tokens(rule: RankedReason, step: str | None, rules: Sequence[RankedReason]) -> list[str]:
    """What is known of a candidate. The rules' order is part of it: before which rivals it stands, and after which."""
    code = rule.code
    position = rules.index(rule)
    tokens = [code, f"{code}|at={step or ''}", f"{code}|sure{int(rule.confidence * _TENTHS)}"]
    tokens += [f"{code}|{_evidence_token(evidence)}" for evidence in rule.evidence]
    tokens += [
        f"{code}|{'after' if index < position else 'before'}={rival.code}"
        for index, rival in enumerate(rules)
        if index != position
    ]
    return list(dict.fromkeys(tokens))


def _evidence_token(evidence: Evidence) -> str:
    return f"{evidence.signal}={evidence.code or evidence.field or ''}"


def _surest_first(ranked: RankedReason) -> float:
    return -ranked.confidence
