"""The fixed decision: a silence is an abandonment once ``idle_after`` has passed, and why.

In: the tracker's observations. Out: the public facts. It remembers nothing: what the tracker saw of an attempt says
whether it had been told as broken off. So each shard of customers decides for itself, whatever the journey.
"""

from collections.abc import Iterable
from typing import Final

from operators.reasons.rules import ReasonRules
from operators.records.facts import Fact, FactKind, FeatureEffect, Observation, ObservationKind, RankedReason

PLAIN: Final[dict[ObservationKind, FactKind]] = {"started": "started", "struggled": "struggled", "idle": "idle"}
ENDS: Final[dict[ObservationKind, FactKind]] = {"completed": "completed", "cancelled": "cancelled", "gone": "expired"}


class FixedDecision:
    """What is told of attempts whose journey does not learn."""

    def __init__(self, reasons: ReasonRules) -> None:
        self._reasons = reasons

    def decide(self, observations: Iterable[Observation]) -> list[Fact]:
        """The facts that follow, in the order of the observations."""
        facts: list[Fact] = []
        for seen in observations:
            kind = seen.kind
            if kind in PLAIN:
                facts.append(fact_of(PLAIN[kind], seen))
            elif kind in ENDS:
                facts.append(fact_of(ENDS[kind], seen, recovered=seen.broken_off))
            elif kind == "silent":
                reasons = self._reasons.rank(seen.signals, seen.step, seen.journey)
                facts.append(fact_of("abandoned", seen, reasons=reasons))
            elif seen.broken_off and kind == "active":
                facts.append(fact_of("returned", seen))
        return facts


def fact_of(
    kind: FactKind,
    seen: Observation,
    *,
    score: float | None = None,
    recovered: bool = False,
    reasons: tuple[RankedReason, ...] = (),
    moved: tuple[FeatureEffect, ...] = (),
    drifting: bool = False,
) -> Fact:
    """What was seen, as it is told."""
    return Fact(
        kind,
        seen.at_ms,
        seen.attempt_id,
        seen.customer_id,
        seen.journey,
        seen.transaction_id,
        seen.step,
        seen.cause,
        seen.idle_ms,
        score,
        recovered,
        reasons,
        seen.signals,
        seen.segment,
        moved,
        drifting,
    )
