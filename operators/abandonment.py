"""The decision of one journey: is this silence an abandonment, and why.

In: the tracker's observations of one journey. Out: the public facts. It remembers which
attempts it has told about, so ``returned`` and ``recovered`` are its words.

The fixed decision tells ``abandoned`` when the tracker says ``silent`` (``idle_after`` has
passed); the idle checkpoints before that become ``idle`` facts.
"""

from collections.abc import Sequence

from operators.facts import Fact, FactKind, Observation
from operators.reasons import ReasonRules

_PLAIN: dict[str, FactKind] = {"started": "started", "struggled": "struggled", "idle": "idle"}
_ENDS: dict[str, FactKind] = {"completed": "completed", "cancelled": "cancelled", "gone": "expired"}


class JourneyDecision:
    """The decisions about one journey's attempts.

    ``away``: attempts told as abandoned, and whether they are still away. It holds as many as are
    abandoned and not yet over.
    """

    def __init__(self, reasons: ReasonRules) -> None:
        self._reasons = reasons
        self.away: dict[str, bool] = {}

    def decide(self, observations: Sequence[Observation]) -> list[Fact]:
        """The facts that follow, in the order of the observations."""
        facts: list[Fact] = []
        for seen in observations:
            kind = seen.kind
            if kind in _PLAIN:
                facts.append(_fact(_PLAIN[kind], seen))
            elif kind == "silent":
                self.away[seen.attempt_id] = True
                facts.append(self._abandoned(seen))
            elif kind == "active":
                if self.away.get(seen.attempt_id):
                    self.away[seen.attempt_id] = False
                    facts.append(_fact("returned", seen))
            else:
                recovered = self.away.pop(seen.attempt_id, None) is not None
                facts.append(_fact(_ENDS[kind], seen, recovered=recovered))
        return facts

    def _abandoned(self, seen: Observation) -> Fact:
        return Fact(
            kind="abandoned",
            at_ms=seen.at_ms,
            attempt_id=seen.attempt_id,
            customer_id=seen.customer_id,
            journey=seen.journey,
            transaction_id=seen.transaction_id,
            step=seen.step,
            cause=seen.cause,
            idle_ms=seen.idle_ms,
            reasons=self._reasons.rank(seen.signals, seen.step, seen.journey),
            signals=seen.signals,
        )


def _fact(kind: FactKind, seen: Observation, *, recovered: bool = False) -> Fact:
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
        None,
        recovered,
        (),
        seen.signals,
    )
