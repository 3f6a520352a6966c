"""The decision of one journey: is this silence an abandonment, and why.

In: the tracker's observations of one journey. Out: the public facts. It remembers which
attempts it has told about, so ``returned`` and ``recovered`` are its words.

The fixed decision tells ``abandoned`` when the tracker says ``silent`` (``idle_after`` has passed); the idle
checkpoints before that become ``idle`` facts. The learned one tells it at a checkpoint already, when the journey's
learning says so, and at ``idle_after`` at the latest. Where there is learning, both score every checkpoint.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from operators.break_offs import Asked, Outcome
from operators.explaining import what_moved
from operators.facts import Fact, FactKind, Observation
from operators.learning import JourneyLearning, Thought
from operators.learning_state import LearningHead, WaitingRow
from operators.reasons import ReasonRules
from operators.situations import known_of
from operators.stored import ALL, StoredRecord, taken

FORMAT: Final = "zhiyin-away-2"

LearningOf = Callable[[str], JourneyLearning | None]
"""A journey's learning, made when its first observation comes; None: it does not learn."""

_PLAIN: dict[str, FactKind] = {"started": "started", "struggled": "struggled", "idle": "idle"}
_ENDS: dict[str, FactKind] = {"completed": "completed", "cancelled": "cancelled", "gone": "expired"}


class DecisionHead(msgspec.Struct, array_like=True, gc=False):
    """The stored decision's format, its journey, and what it has learnt."""

    format: str
    journey: str | None = None
    learning: LearningHead | None = None


class AwayRow(msgspec.Struct, array_like=True, gc=False):
    """One attempt, stored. None of all: it is over.

    ``away``: told as abandoned, and away still (None: not told); ``waiting``: for its outcome; ``asked``: what was
    asked of its break-off.
    """

    attempt_id: str
    away: bool | None = None
    waiting: WaitingRow | None = None
    asked: Asked | None = None


_HEAD: Final = StoredRecord(DecisionHead, FORMAT)
_ROWS: Final = StoredRecord(AwayRow, FORMAT)


class JourneyDecision:
    """The decisions about one journey's attempts.

    ``away``: attempts told as abandoned, and whether they are still away. It holds as many as are
    abandoned and not yet over. ``keeps_changes``: whether what changes is noted for ``changes``.
    """

    def __init__(
        self, reasons: ReasonRules, learning_of: LearningOf = lambda _: None, *, keeps_changes: bool = False
    ) -> None:
        self._reasons = reasons
        self._learning_of = learning_of
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()
        self._journey: str | None = None
        self.learning: JourneyLearning | None = None
        self.away: dict[str, bool] = {}

    def begin(self, journey: str) -> None:
        """Whose decision it is: before the first observations, unless it was restored."""
        if self._journey is None:
            self._journey = journey
            self.learning = self._learning_of(journey)

    def decide(self, observations: Sequence[Observation]) -> list[Fact]:
        """The facts that follow, in the order of the observations."""
        if self._journey is None and observations:
            self.begin(observations[0].journey)
        facts: list[Fact] = []
        for seen, thought in zip(observations, self._thoughts(observations), strict=True):
            kind = _PLAIN.get(seen.kind)
            if kind is not None:
                facts.append(_fact(kind, seen, None if thought is None else thought.score))
            if seen.kind == "silent" or (thought is not None and thought.tell):
                self._tell(seen, thought, facts)
            elif kind is None:
                self._heard_of(seen, facts)
        if self.learning is not None and self.learning.break_offs.waiting and observations:
            self.learning.break_offs.batch_over(max(seen.at_ms for seen in observations))
        return facts

    def hear(self, outcomes: Sequence[Outcome]) -> None:
        """What happened around transactions: what was thought of break-offs is held against it."""
        if self.learning is not None:
            self.learning.break_offs.hear(outcomes)

    def head(self) -> bytes:
        """What has been learnt; nothing else beside the attempts but the format's name."""
        learning = None if self.learning is None else self.learning.head()
        return msgspec.msgpack.encode(DecisionHead(FORMAT, self._journey, learning))

    @property
    def waiting(self) -> int:
        """How many rows ``changes`` would give."""
        return len(self._changed)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        """How many attempts have changed since the last call, and they packed."""
        rows = [self._row(attempt_id) for attempt_id in taken(self._changed, most)]
        return len(rows), msgspec.msgpack.encode(rows)

    def all_keys(self) -> list[str]:
        """The attempts told as abandoned and not over, and those that wait for their outcome."""
        learning = self.learning
        if learning is None:
            return list(self.away)
        return list(self.away.keys() | learning.waiting.keys() | learning.break_offs.waiting.keys())

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are still remembered, packed as in ``changes``."""
        rows = [self._row(key) for key in keys]
        return msgspec.msgpack.encode([row for row in rows if row != AwayRow(row.attempt_id)])

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        stored = _HEAD.unpack(head)
        if stored.journey is not None:
            self.begin(stored.journey)
        waiting: dict[str, WaitingRow] = {}
        asked: dict[str, Asked] = {}
        for row in _ROWS.unpacked(packed):
            waiting.pop(row.attempt_id, None)
            self.away.pop(row.attempt_id, None)
            asked.pop(row.attempt_id, None)
            if row.asked is not None:
                asked[row.attempt_id] = row.asked
            if row.away is not None:
                self.away[row.attempt_id] = row.away
            if row.waiting is not None:
                waiting[row.attempt_id] = row.waiting
        if self.learning is not None and stored.learning is not None:
            self.learning.put_head(stored.learning)
            self.learning.put_rows(waiting.items())
            self.learning.break_offs.put_rows(asked.items())

    def _row(self, attempt_id: str) -> AwayRow:
        learning, away = self.learning, self.away.get(attempt_id)
        if learning is None:
            return AwayRow(attempt_id, away)
        return AwayRow(attempt_id, away, learning.row(attempt_id), learning.break_offs.waiting.get(attempt_id))

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

    def _thoughts(self, observations: Sequence[Observation]) -> Sequence[Thought | None]:
        if self.learning is None:
            return (None,) * len(observations)
        thoughts = self.learning.hear(observations)
        self._changed |= self.learning.take_changed()
        return thoughts

    def _heard_of(self, seen: Observation, facts: list[Fact]) -> None:
        """The attempt goes on, is over, or is forgotten without a word."""
        if seen.kind == "erased":
            self._is_over(seen.attempt_id)
        elif seen.kind != "active":
            fact = _fact(_ENDS[seen.kind], seen, recovered=self._is_over(seen.attempt_id))
            facts.append(fact)
            if self.learning is not None:
                self.learning.break_offs.ended(fact)
        elif self.away.get(seen.attempt_id):
            self._set_away(seen.attempt_id, away=False)
            facts.append(_fact("returned", seen))

    def _tell(self, seen: Observation, thought: Thought | None, facts: list[Fact]) -> None:
        """The attempt is abandoned, unless this silence has been told already."""
        if not self.away.get(seen.attempt_id):
            self._set_away(seen.attempt_id, away=True)
            facts.append(self._abandoned(seen, thought))

    def _abandoned(self, seen: Observation, thought: Thought | None) -> Fact:
        learning = self.learning
        fact = Fact(
            kind="abandoned",
            at_ms=seen.at_ms,
            attempt_id=seen.attempt_id,
            customer_id=seen.customer_id,
            journey=seen.journey,
            transaction_id=seen.transaction_id,
            step=seen.step,
            cause=seen.cause,
            idle_ms=seen.idle_ms,
            score=None if thought is None else thought.score,
            reasons=self._reasons.rank(seen.signals, seen.step, seen.journey),
            signals=seen.signals,
            cell=seen.cell,
            moved=() if learning is None or thought is None else what_moved(learning.effects(thought.silence)),
            drifting=thought is not None and thought.drifting,
        )
        return fact if learning is None else learning.break_offs.told(fact, known_of(seen))


def _fact(kind: FactKind, seen: Observation, score: float | None = None, *, recovered: bool = False) -> Fact:
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
        (),
        seen.signals,
        seen.cell,
    )
