"""What one journey's silences teach: scores at checkpoints, when to publish an abandonment, outcomes that come late.

In: the tracker's observations of one journey. Out: a ``CheckpointVerdict`` for each silence that reached a checkpoint;
figures. Refused: saved state of another format (``StateUnreadable``).

Observations of a batch are taken in the order of event time, each attempt's own in their order of arrival: a batch
brings an attempt's return before another's earlier silence, and what is learnt must not run ahead of what is predicted.

A prediction waits for its outcome: completed, or not (cancelled, gone, or silent for ``label_timeout`` of event time).
What waits is bounded by that, and by ``MOST_WAITING`` attempts: beyond, the oldest is dropped, and counted.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from operators.learning.breakoff_outcomes import BreakoffOutcomes
from operators.learning.checkpoint_policy import CheckpointPolicy, PublishingPoint, step_of
from operators.learning.interfaces import MODEL_FORMAT, LearningFigures, WatchScored, quality_of
from operators.learning.learner_snapshot import (
    LearningHead,
    LearningState,
    PendingAttemptRow,
    pending_attempt,
    pending_attempt_row,
)
from operators.learning.models import count_each
from operators.learning.prequential_metrics import Prequential
from operators.learning.scorer import ALL_LEARNT, LOOKS, Prediction, Scorer, Silence
from operators.records.catalogue import Catalogue
from operators.records.facts import Observation
from operators.support.snapshot_codec import SnapshotCodec
from operators.support.timestamps import duration_ms
from operators.tracking.features import (
    AttemptFeatures,
    PredictionQuestion,
    ScoredPrediction,
    attempt_features,
    checkpoint_features,
)

MOST_WAITING: Final = 100_000
AWAY_ONE_IN: Final = 8
"""Of so many attempts, beyond the first labels, the checkpoint policy's prediction is scored."""
DRIFT_NOTED_MS: Final = 86_400_000
"""So long after a drift of the error, facts are marked."""
_CHANCE_HEX: Final = 8
_MODEL: Final = SnapshotCodec(LearningState, MODEL_FORMAT)


class CheckpointVerdict(msgspec.Struct, frozen=True, gc=False):
    """The verdict on a silence at a checkpoint. ``score``: P(does not complete); ``is_abandonment``: publish it as one.

    ``drifting``: the scores' error has changed lately.
    """

    silence: Silence
    score: float
    is_abandonment: bool
    drifting: bool


class PendingAttempt:
    """One attempt whose outcome is not known yet.

    ``chance``: a stable hash of it. ``due_ms``: when its silence is long enough to be settled (None: it goes on).
    ``kind``, ``point``, ``silence``: of the present silence as checkpoint policy and scorer see it;
    ``reached``: how many checkpoints it has reached; ``published``: whether it was published as an abandonment.
    ``past``: the steps of the silences before, with the checkpoints they reached. ``shown``: every prediction, where
    somebody watches; ``predictions``: those to be scored and learnt, whoever watches.
    """

    __slots__ = ("chance", "due_ms", "kind", "past", "point", "predictions", "published", "reached", "shown", "silence")

    def __init__(self, chance: int) -> None:
        self.chance = chance
        self.due_ms: int | None = None
        self.kind: str | None = None
        self.point: PublishingPoint | None = None
        self.silence: Silence | None = None
        self.reached = 0
        self.published = False
        self.past: list[tuple[str, int]] = []
        self.predictions: list[Prediction] = []
        self.shown: list[Prediction] = []


class JourneyLearner:
    """The learning of one journey. ``watch_scored``: shown scored predictions; ``keeps_changes``: rows are noted."""

    def __init__(
        self, name: str, catalogue: Catalogue, watch_scored: WatchScored | None = None, *, keeps_changes: bool = False
    ) -> None:
        journey = catalogue.journeys[name]
        checkpoints_ms = catalogue.checkpoints_ms(journey)
        idle_after_ms = {"": journey.idle_after_ms(None)}
        idle_after_ms |= {step.id: journey.idle_after_ms(step) for step in journey.steps}
        self.name = name
        self.scorer = Scorer((*checkpoints_ms, max(idle_after_ms.values())))
        self.away_figures = Prequential()
        self.checkpoint_policy = CheckpointPolicy(
            {
                step: (*(checkpoint_ms for checkpoint_ms in checkpoints_ms if checkpoint_ms < limit_ms), limit_ms)
                for step, limit_ms in idle_after_ms.items()
            },
            catalogue.precision_of(journey),
        )
        self.breakoff_outcomes = BreakoffOutcomes(catalogue, DRIFT_NOTED_MS, keeps_changes=keeps_changes)
        self.waiting: dict[str, PendingAttempt] = {}
        self.dropped = 0
        self._changed: set[str] = set()
        self._checkpoints_ms = checkpoints_ms
        self._last_index = len(checkpoints_ms)
        self._index_by_idle_ms = {checkpoint_ms: index for index, checkpoint_ms in enumerate(checkpoints_ms)}
        self._decides = catalogue.is_learned(journey)
        self._patience_ms = max(duration_ms(catalogue.label_timeout), *idle_after_ms.values())
        self._due: list[tuple[int, str]] = []
        self._now_ms = 0
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        self._drift_until_ms = 0
        self._watch_scored = watch_scored
        self._scored: list[ScoredPrediction] = []
        self._keeps_changes = keeps_changes

    def observe(self, observations: Sequence[Observation]) -> list[CheckpointVerdict | None]:
        """The verdict on each, in their order; None where there is none."""
        verdicts: list[CheckpointVerdict | None] = [None] * len(observations)
        due = self._due
        for at_ms, index in _in_order(observations):
            if due and due[0][0] < at_ms:
                self._time_out(at_ms)
            observation = observations[index]
            kind = observation.kind
            if kind in _SILENCES:
                verdicts[index] = self._observe_silence(observation, is_last=kind == "silent")
            elif kind != "erased":
                self._continue_or_end(observation)
            elif self.waiting.pop(observation.attempt_id, None) is not None:
                self._mark_changed(observation.attempt_id)
        if observations:
            self._time_out(max(observation.at_ms for observation in observations))
        if self._scored and self._watch_scored is not None:
            scored, self._scored = self._scored, []
            self._watch_scored(self.name, scored)
        return verdicts

    def hurry(self, *, hurries: bool) -> None:
        """Whether the stream is ahead: then less is learnt of it, and all is predicted."""
        self.scorer.hurries = hurries

    def effects(self, silence: Silence) -> Iterable[tuple[str, float]]:
        """What each feature of a silence adds to the log-odds of not completing."""
        return self.scorer.effects(silence)

    def take_changed(self) -> set[str]:
        """The attempts whose rows have changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed | self.breakoff_outcomes.take_changed()

    def figures(self) -> LearningFigures:
        """Where it stands."""
        scorer, break_offs = self.scorer, self.breakoff_outcomes
        quality = [quality_of("unfinished", scorer.champion_challenger.leader, scorer.figures)]
        if self._decides:
            quality.append(quality_of("away", "ladder", self.away_figures))
        return LearningFigures(
            self.name,
            (*quality, *break_offs.quality()),
            scorer.learnt + break_offs.learnt,
            scorer.sampled_out,
            self.dropped + break_offs.dropped,
            sum(len(attempt.predictions) for attempt in self.waiting.values()) + break_offs.pending,
            scorer.drifts | break_offs.drifts,
            self._first_ms,
            self._last_ms,
            drifting=self._now_ms < max(self._drift_until_ms, break_offs.drift_until_ms),
        )

    def saved(self) -> bytes:
        """The models, the checkpoint policy and their figures."""
        return msgspec.msgpack.encode(self._state())

    def take_up(self, saved: bytes) -> None:
        """Goes on from what ``saved`` gave. Raises StateUnreadable."""
        self._put(_MODEL.decode(saved))

    def head(self) -> LearningHead:
        """What a snapshot holds beside what is waiting."""
        return LearningHead(self._state(), self._now_ms, self._drift_until_ms)

    def put_head(self, head: LearningHead) -> None:
        """Takes up what ``head`` gave."""
        self._put(head.state)
        self._now_ms, self._drift_until_ms = head.now_ms, head.drift_until_ms

    def row(self, attempt_id: str) -> PendingAttemptRow | None:
        """One waiting attempt, for the journal; None: it does not wait."""
        attempt = self.waiting.get(attempt_id)
        return None if attempt is None else pending_attempt_row(attempt)

    def put_rows(self, rows: Iterable[tuple[str, PendingAttemptRow]]) -> None:
        """Takes up attempts that waited."""
        for attempt_id, row in rows:
            attempt = self.waiting[attempt_id] = PendingAttempt(int(attempt_id[:_CHANCE_HEX], 16))
            pending_attempt(row, attempt, self.scorer)
            if attempt.kind is not None and self._decides:
                attempt.point = self.checkpoint_policy.publishing_point(attempt.kind)
            if attempt.due_ms is not None:
                self._due.append((attempt.due_ms, attempt_id))
        self._due.sort()

    def _state(self) -> LearningState:
        return LearningState(
            MODEL_FORMAT,
            self.scorer.state(),
            self.checkpoint_policy.state,
            self.away_figures.state,
            self.dropped,
            self._first_ms,
            self._last_ms,
            self.breakoff_outcomes.state(),
        )

    def _put(self, state: LearningState) -> None:
        self.scorer.put(state.scorer)
        self.checkpoint_policy.restore(state.checkpoint_policy)
        self.away_figures = Prequential(state.away_figures)
        self.dropped, self._first_ms, self._last_ms = state.dropped, state.first_ms, state.last_ms
        self.breakoff_outcomes.put(state.breakoff_outcomes)

    def _observe_silence(self, observation: Observation, *, is_last: bool) -> CheckpointVerdict:
        """A silence has reached a checkpoint, or ``idle_after``."""
        attempt_id, at_ms = observation.attempt_id, observation.at_ms
        attempt = self.waiting.get(attempt_id)
        if attempt is None or attempt.kind is None:
            attempt = self._begin_silence(observation, attempt)
        if self._keeps_changes:
            self._changed.add(attempt_id)
        self._now_ms = at_ms
        index = self._last_index if is_last else self._index_by_idle_ms[observation.idle_ms]
        silence = attempt.silence
        if silence is None:
            silence = attempt.silence = self.scorer.silence(attempt_features(observation))
        score = self.scorer.score(silence, index)
        is_abandoned = is_last
        if not is_last:
            attempt.reached = index + 1
            if index < LOOKS and self.scorer.keeps(index, attempt.chance):
                attempt.predictions.append(self.scorer.prediction(silence, index, at_ms, score))
            if self._watch_scored is not None:
                attempt.shown.append(self.scorer.prediction(silence, index, at_ms, score))
            point = attempt.point
            is_abandoned = point is not None and index >= point.publish_at
        if is_abandoned:
            attempt.published = True
        return CheckpointVerdict(silence, score, is_abandoned, at_ms < self._drift_until_ms)

    def _begin_silence(self, observation: Observation, attempt: PendingAttempt | None) -> PendingAttempt:
        """The first checkpoint of a silence."""
        attempt = attempt or self._add_pending(observation.attempt_id)
        attempt.kind = kind = self.checkpoint_policy.kind(observation.step or "", observation.trail)
        attempt.point = self.checkpoint_policy.publishing_point(kind) if self._decides else None
        attempt.due_ms = due_ms = observation.at_ms - observation.idle_ms + self._patience_ms
        heapq.heappush(self._due, (due_ms, observation.attempt_id))
        return attempt

    def _continue_or_end(self, observation: Observation) -> None:
        """An attempt goes on, or is over."""
        attempt = self.waiting.get(observation.attempt_id)
        if attempt is None:
            return
        self._now_ms = max(self._now_ms, observation.at_ms)
        if attempt.kind is not None:
            silence_ms = observation.idle_ms if observation.kind == "active" else None
            self._end_silence(attempt, attempt.kind, silence_ms, observation.at_ms)
        if observation.kind == "active":
            self._mark_changed(observation.attempt_id)
        else:
            self._settle(
                observation.attempt_id, attempt, outcome=observation.kind != "completed", now_ms=observation.at_ms
            )

    def _end_silence(self, attempt: PendingAttempt, kind: str, silence_ms: int | None, now_ms: int) -> None:
        """A silence is over (``silence_ms``: how long it was), or counts as one for good (None)."""
        stayed_away = silence_ms is None
        if attempt.point is not None:
            self._score_away(attempt, attempt.point, stayed_away, now_ms)
            self.checkpoint_policy.record_silence(kind, silence_ms)
            if attempt.published:
                self.checkpoint_policy.record_verdict(wrong=not stayed_away)
        attempt.past.append((step_of(kind), attempt.reached))
        attempt.kind = attempt.due_ms = attempt.point = attempt.silence = None
        attempt.reached, attempt.published = 0, False

    def _score_away(self, attempt: PendingAttempt, point: PublishingPoint, stayed_away: bool, now_ms: int) -> None:
        """Scores the checkpoint policy on all of a silence that is over: long ones end otherwise than short ones."""
        if self.away_figures.state.labels < ALL_LEARNT or attempt.chance % AWAY_ONE_IN == 0:
            for probability in point.stays_away[: attempt.reached]:
                self.away_figures.score(probability, probability, stayed_away)
        if self._watch_scored is not None and attempt.silence is not None and attempt.due_ms is not None:
            last_ms = attempt.due_ms - self._patience_ms
            for index in range(attempt.reached):
                features = self._features_at(attempt.silence.known, index)
                at_ms = last_ms + self._checkpoints_ms[index]
                scores = point.stays_away[index], point.stays_away[index]
                self._record_scored("away", features, at_ms, scores, stayed_away, now_ms, "ladder")

    def _settle(self, attempt_id: str, attempt: PendingAttempt, *, outcome: bool, now_ms: int) -> None:
        """The outcome of all that was predicted of an attempt."""
        del self.waiting[attempt_id]
        self._mark_changed(attempt_id)
        if self._first_ms is None:
            self._first_ms = now_ms
        self._last_ms = now_ms
        if self._watch_scored is not None:
            for prediction in attempt.shown:
                features = self._features_at(prediction.features.known, prediction.checkpoint)
                scores = prediction.score, prediction.base_rate
                self._record_scored(
                    "unfinished", features, prediction.at_ms, scores, outcome, now_ms, prediction.leader
                )
        drifted = self.scorer.settle(attempt.predictions, outcome, attempt.chance)
        for step, reached in attempt.past:
            count_each(self.scorer.rates.of(step), reached, outcome)
        if "error" in drifted:
            self._drift_until_ms = now_ms + DRIFT_NOTED_MS

    def _features_at(self, features: AttemptFeatures, index: int) -> AttemptFeatures:
        return msgspec.structs.replace(features, idle_ms=self._checkpoints_ms[index])

    def _record_scored(
        self,
        question: PredictionQuestion,
        features: AttemptFeatures,
        at_ms: int,
        scores: tuple[float, float],
        outcome: bool,
        now_ms: int,
        leader: str,
    ) -> None:
        checkpoint = checkpoint_features(features, at_ms)
        self._scored.append(ScoredPrediction(question, self.name, checkpoint, *scores, outcome, at_ms, now_ms, leader))

    def _time_out(self, now_ms: int) -> None:
        """Attempts that have been silent for so long that they count as given up."""
        while self._due and self._due[0][0] < now_ms:
            due_ms, attempt_id = heapq.heappop(self._due)
            attempt = self.waiting.get(attempt_id)
            if attempt is not None and attempt.due_ms == due_ms and attempt.kind is not None:
                self._end_silence(attempt, attempt.kind, None, due_ms)
                self._settle(attempt_id, attempt, outcome=True, now_ms=due_ms)

    def _add_pending(self, attempt_id: str) -> PendingAttempt:
        """An attempt's first silence; the oldest makes room where there is none."""
        if len(self.waiting) >= MOST_WAITING:
            oldest = next(iter(self.waiting))
            self.dropped += len(self.waiting.pop(oldest).predictions)
            self._mark_changed(oldest)
        attempt = self.waiting[attempt_id] = PendingAttempt(int(attempt_id[:_CHANCE_HEX], 16))
        return attempt

    def _mark_changed(self, attempt_id: str) -> None:
        if self._keeps_changes:
            self._changed.add(attempt_id)


_SILENCES: Final = frozenset(("idle", "silent"))
_IGNORED: Final = frozenset(("started", "struggled"))
_BY_TIME: Final = frozenset(("idle", "silent", "gone"))
"""What time alone brings."""


def _in_order(observations: Sequence[Observation]) -> list[tuple[int, int]]:
    """Instant and index of those that count, by event time; an attempt's own stay in order, however late one came.

    At the same instant events come before silences, as they do where the watermark decides; then by attempt.
    """
    newest: dict[str, int] = {}
    order: list[tuple[int, str, int]] = []
    for index, observation in enumerate(observations):
        kind = observation.kind
        if kind in _IGNORED:
            continue
        attempt_id = observation.attempt_id
        instant = 2 * observation.at_ms + (kind in _BY_TIME)
        before = newest.get(attempt_id, instant)
        if before > instant:  # noqa: PLR1730 - ``max`` is a call, an observation each
            instant = before
        newest[attempt_id] = instant
        order.append((instant, attempt_id, index))
    order.sort()
    return [(instant >> 1, index) for instant, _, index in order]
