"""The decision of one journey that learns: is this silence an abandonment, and why.

In: the tracker's observations of one journey. Out: the public facts, in which every idle checkpoint is scored. With
``decision: learned`` a break-off is published at a checkpoint already, by the verdict of the journey's learning, and at
``idle_after`` at the latest; with ``fixed`` at ``idle_after``, as where nothing is learnt (``fixed_decision.py``).

It remembers the attempts published before ``idle_after``; the tracker knows those published then.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from operators.learning.breakoff_outcomes import BreakoffOutcome, PendingOutcome
from operators.learning.fixed_decision import ENDS, PLAIN, fact_of
from operators.learning.learner import CheckpointVerdict, JourneyLearner
from operators.learning.learner_snapshot import LearningHead, PendingAttemptRow
from operators.reasons.explanation import what_moved
from operators.reasons.rules import ReasonRules
from operators.records.facts import Fact, Observation
from operators.support.snapshot_codec import ALL, SnapshotCodec, pop_up_to
from operators.tracking.features import attempt_features

FORMAT: Final = "zhiyin-away-2"

LearningOf = Callable[[str], JourneyLearner | None]
"""A journey's learning, made when its first observation comes; None: it does not learn any more."""


class DecisionHead(msgspec.Struct, array_like=True, gc=False):
    """The stored decision's format, its journey, and what it has learnt."""

    format: str
    journey: str | None = None
    learning: LearningHead | None = None


class AwayRow(msgspec.Struct, array_like=True, gc=False):
    """One attempt, stored. None of all: it is over.

    ``away``: published early as abandoned, and away still (None: not published); ``waiting``: for its outcome;
    ``pending_outcome``: its break-off, which waits for its outcomes.
    """

    attempt_id: str
    away: bool | None = None
    waiting: PendingAttemptRow | None = None
    pending_outcome: PendingOutcome | None = None


_HEAD: Final = SnapshotCodec(DecisionHead, FORMAT)
_ROWS: Final = SnapshotCodec(AwayRow, FORMAT)


class LearnedDecision:
    """The decisions about one journey's attempts.

    ``away``: attempts published as abandoned before ``idle_after``, and whether they are still away. It holds as many
    as are not yet over. ``keeps_changes``: whether what changes is noted for ``changes``. Of a journey that has learnt
    and does not any more (``learning`` None), nothing is kept.
    """

    def __init__(self, reasons: ReasonRules, learning_of: LearningOf, *, keeps_changes: bool = False) -> None:
        self._reasons = reasons
        self._learning_of = learning_of
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()
        self._journey: str | None = None
        self.learning: JourneyLearner | None = None
        self.away: dict[str, bool] = {}

    def begin(self, journey: str) -> None:
        """Whose decision it is: before the first observations, unless it was restored."""
        if self._journey is None:
            self._journey = journey
            self.learning = self._learning_of(journey)

    @property
    def learnt(self) -> JourneyLearner:
        """Its learning, once it has begun. Raises LookupError for a journey that does not learn."""
        if self.learning is None:
            raise LookupError(f"journey: found {self._journey!r}, expected one that learns")
        return self.learning

    def decide(self, observations: Sequence[Observation]) -> list[Fact]:
        """The facts that follow, in the order of the observations."""
        if not observations:
            return []
        self.begin(observations[0].journey)
        learning = self.learnt
        verdicts = learning.observe(observations)
        self._changed |= learning.take_changed()
        facts: list[Fact] = []
        for observation, verdict in zip(observations, verdicts, strict=True):
            if observation.kind in PLAIN:
                facts.append(
                    fact_of(PLAIN[observation.kind], observation, score=None if verdict is None else verdict.score)
                )
            if verdict is not None and verdict.is_abandonment:
                self._abandon(observation, verdict, facts)
            elif observation.kind not in PLAIN:
                self._continue_or_end(observation, facts)
        if learning.breakoff_outcomes.waiting:
            learning.breakoff_outcomes.settle_batch(max(observation.at_ms for observation in observations))
        return facts

    def observe(self, outcomes: Sequence[BreakoffOutcome]) -> None:
        """Interactions of customers and agents: the outcomes of the predictions about break-offs."""
        self.learnt.breakoff_outcomes.observe(outcomes)

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
        rows = [self._row(attempt_id) for attempt_id in pop_up_to(self._changed, most)]
        return len(rows), msgspec.msgpack.encode(rows)

    def all_keys(self) -> list[str]:
        """The attempts published early and not over, and those that wait for their outcome."""
        learning = self.learning
        if learning is None:
            return []
        return list(self.away.keys() | learning.waiting.keys() | learning.breakoff_outcomes.waiting.keys())

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are still remembered, packed as in ``changes``."""
        rows = [self._row(key) for key in keys]
        return msgspec.msgpack.encode([row for row in rows if row != AwayRow(row.attempt_id)])

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        stored = _HEAD.decode(head)
        if stored.journey is not None:
            self.begin(stored.journey)
        if self.learning is None:
            return
        pending_attempts: dict[str, PendingAttemptRow] = {}
        pending_outcomes: dict[str, PendingOutcome] = {}
        for row in _ROWS.decode_rows(packed):
            pending_attempts.pop(row.attempt_id, None)
            self.away.pop(row.attempt_id, None)
            pending_outcomes.pop(row.attempt_id, None)
            if row.pending_outcome is not None:
                pending_outcomes[row.attempt_id] = row.pending_outcome
            if row.away is not None:
                self.away[row.attempt_id] = row.away
            if row.waiting is not None:
                pending_attempts[row.attempt_id] = row.waiting
        if stored.learning is not None:
            self.learning.put_head(stored.learning)
            self.learning.put_rows(pending_attempts.items())
            self.learning.breakoff_outcomes.put_rows(pending_outcomes.items())

    def _row(self, attempt_id: str) -> AwayRow:
        learning, away = self.learnt, self.away.get(attempt_id)
        return AwayRow(attempt_id, away, learning.row(attempt_id), learning.breakoff_outcomes.waiting.get(attempt_id))

    def _set_away(self, attempt_id: str, *, away: bool) -> None:
        self.away[attempt_id] = away
        if self._keeps_changes:
            self._changed.add(attempt_id)

    def _forget(self, attempt_id: str) -> bool:
        """Forgets the attempt; whether it had been published early."""
        if self.away.pop(attempt_id, None) is None:
            return False
        if self._keeps_changes:
            self._changed.add(attempt_id)
        return True

    def _continue_or_end(self, observation: Observation, facts: list[Fact]) -> None:
        """The attempt goes on, is over, or is forgotten without a fact."""
        if observation.kind == "erased":
            self._forget(observation.attempt_id)
        elif observation.kind != "active":
            recovered = self._forget(observation.attempt_id) or observation.broken_off
            fact = fact_of(ENDS[observation.kind], observation, recovered=recovered)
            facts.append(fact)
            self.learnt.breakoff_outcomes.ended(fact)
        else:
            was_away = self.away.get(observation.attempt_id)
            if was_away:
                self._set_away(observation.attempt_id, away=False)
            if was_away or observation.broken_off:
                facts.append(fact_of("returned", observation))

    def _abandon(self, observation: Observation, verdict: CheckpointVerdict, facts: list[Fact]) -> None:
        """The attempt is abandoned, unless this silence has been published already."""
        if self.away.get(observation.attempt_id):
            return
        if observation.kind != "silent":
            self._set_away(observation.attempt_id, away=True)
        facts.append(self._abandonment(observation, verdict))

    def _abandonment(self, observation: Observation, verdict: CheckpointVerdict) -> Fact:
        learning = self.learnt
        fact = fact_of(
            "abandoned",
            observation,
            score=verdict.score,
            reasons=self._reasons.rank(observation.signals, observation.step, observation.journey),
            effects=what_moved(learning.effects(verdict.silence)),
            drifting=verdict.drifting,
        )
        return learning.breakoff_outcomes.predict(fact, attempt_features(observation))
