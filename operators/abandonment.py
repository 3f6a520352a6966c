"""The decision of one journey: is this silence an abandonment, and why.

In: the tracker's observations of one journey. Out: the public facts. It remembers which
attempts it has told about, so ``returned`` and ``recovered`` are its words.

The fixed decision tells ``abandoned`` when the tracker says ``silent`` (``idle_after`` has
passed); the idle checkpoints before that become ``idle`` facts.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from operators.facts import Fact, FactKind, Observation
from operators.reasons import ReasonRules
from operators.stored import ALL, taken, unpack, unpacked

FORMAT: Final = "zhiyin-away-1"

_PLAIN: dict[str, FactKind] = {"started": "started", "struggled": "struggled", "idle": "idle"}
_ENDS: dict[str, FactKind] = {"completed": "completed", "cancelled": "cancelled", "gone": "expired"}


class DecisionHead(msgspec.Struct, array_like=True, gc=False):
    """The stored decision's format."""

    format: str


class AwayRow(msgspec.Struct, array_like=True, gc=False):
    """One attempt told as abandoned, stored; ``away`` None: it is over."""

    attempt_id: str
    away: bool | None = None


class JourneyDecision:
    """The decisions about one journey's attempts.

    ``away``: attempts told as abandoned, and whether they are still away. It holds as many as are
    abandoned and not yet over. ``keeps_changes``: whether what changes is noted for ``changes``.
    """

    def __init__(self, reasons: ReasonRules, *, keeps_changes: bool = False) -> None:
        self._reasons = reasons
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()
        self.away: dict[str, bool] = {}

    def decide(self, observations: Sequence[Observation]) -> list[Fact]:
        """The facts that follow, in the order of the observations."""
        facts: list[Fact] = []
        for seen in observations:
            kind = seen.kind
            if kind in _PLAIN:
                facts.append(_fact(_PLAIN[kind], seen))
            elif kind == "silent":
                self._set_away(seen.attempt_id, away=True)
                facts.append(self._abandoned(seen))
            elif kind == "active":
                if self.away.get(seen.attempt_id):
                    self._set_away(seen.attempt_id, away=False)
                    facts.append(_fact("returned", seen))
            elif kind == "erased":
                self._is_over(seen.attempt_id)
            else:
                recovered = self._is_over(seen.attempt_id)
                facts.append(_fact(_ENDS[kind], seen, recovered=recovered))
        return facts

    def head(self) -> bytes:
        """Nothing beside the attempts but the format's name."""
        return msgspec.msgpack.encode(DecisionHead(FORMAT))

    @property
    def waiting(self) -> int:
        """How many rows ``changes`` would give."""
        return len(self._changed)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        """How many attempts have changed since the last call, and they packed."""
        changed = taken(self._changed, most)
        rows = [AwayRow(attempt_id, self.away.get(attempt_id)) for attempt_id in changed]
        return len(rows), msgspec.msgpack.encode(rows)

    def all_keys(self) -> list[str]:
        """The attempts told as abandoned and not over."""
        return list(self.away)

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are not over yet, packed as in ``changes``."""
        return msgspec.msgpack.encode([AwayRow(key, self.away[key]) for key in keys if key in self.away])

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        unpack(head, DecisionHead, FORMAT)
        for row in unpacked(packed, AwayRow, FORMAT):
            if row.away is None:
                self.away.pop(row.attempt_id, None)
            else:
                self.away[row.attempt_id] = row.away

    def _set_away(self, attempt_id: str, *, away: bool) -> None:
        self.away[attempt_id] = away
        if self._keeps_changes:
            self._changed.add(attempt_id)

    def _is_over(self, attempt_id: str) -> bool:
        """Forgets the attempt; whether it had been told as abandoned."""
        if self.away.pop(attempt_id, None) is None:
            return False
        if self._keeps_changes:
            self._changed.add(attempt_id)
        return True

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
            cell=seen.cell,
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
        cell=seen.cell,
    )
