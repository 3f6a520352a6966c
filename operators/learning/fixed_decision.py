"""The fixed decision: a silence is an abandonment once ``idle_after`` has passed, and why.

In: the tracker's observations. Out: the public facts. It remembers nothing: the tracker's observation of an
attempt holds whether it counted as broken off. So each shard of customers decides for itself, whatever the journey.
"""

from collections.abc import Iterable
from typing import Final

from operators.reasons.rules import ReasonRules
from operators.records.facts import Fact, FactKind, FeatureEffect, Observation, ObservationKind, RankedReason

PLAIN: Final[dict[ObservationKind, FactKind]] = {"started": "started", "struggled": "struggled", "idle": "idle"}
ENDS: Final[dict[ObservationKind, FactKind]] = {"completed": "completed", "cancelled": "cancelled", "gone": "expired"}


class FixedDecision:
    """The facts about attempts whose journey does not learn."""

    def __init__(self, reasons: ReasonRules) -> None:
        self._reasons = reasons

    def decide(self, observations: Iterable[Observation]) -> list[Fact]:
        """The facts that follow, in the order of the observations."""
        facts: list[Fact] = []
        for observation in observations:
            kind = observation.kind
            if kind in PLAIN:
                facts.append(fact_of(PLAIN[kind], observation))
            elif kind in ENDS:
                facts.append(fact_of(ENDS[kind], observation, recovered=observation.broken_off))
            elif kind == "silent":
                reasons = self._reasons.rank(observation.signals, observation.step, observation.journey)
                facts.append(fact_of("abandoned", observation, reasons=reasons))
            elif observation.broken_off and kind == "active":
                facts.append(fact_of("returned", observation))
        return facts


def fact_of(
    kind: FactKind,
    observation: Observation,
    *,
    score: float | None = None,
    recovered: bool = False,
    reasons: tuple[RankedReason, ...] = (),
    effects: tuple[FeatureEffect, ...] = (),
    drifting: bool = False,
) -> Fact:
    """The public fact of an observation."""
    return Fact(
        kind,
        observation.at_ms,
        observation.attempt_id,
        observation.customer_id,
        observation.journey,
        observation.transaction_id,
        observation.step,
        observation.cause,
        observation.idle_ms,
        score,
        recovered,
        reasons,
        observation.signals,
        observation.segment,
        effects,
        drifting,
    )
