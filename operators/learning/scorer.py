"""The scores of one journey: P(does not complete), by whichever model leads, and how good they have been.

In: what is known at a checkpoint; later the outcome. Out: scores, figures, what has drifted.
Refused: saved state of another format (``StateUnreadable``, by its reader).

The models look at a silence at its first ``LOOKS`` checkpoints. After that its features add nothing new, and only the
base rate moves: the score is the base rate of the checkpoint, shifted by what the features added at the last look.

Every outcome is scored first, then learnt. What the first ``ALL_LEARNT`` looks turned out to be is all learnt; then it
is all of the last, rarest ones, half of those before, a quarter of the first, picked by a stable hash of the attempt:
learning costs many times what predicting does. The challengers see fewer still. After a drift all are learnt again for
a while. While the stream is ahead of the engine (``hurries``), one attempt in ``HURRIED_ONE_IN`` is learnt from, and
all are predicted as ever. Base rates count all.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from operators.learning.champion_challenger import ChampionChallenger, Comparison
from operators.learning.drift import DriftWatch
from operators.learning.models import (
    FARTHEST,
    LEAST,
    MOST,
    BaseRates,
    Features,
    LinearModel,
    ModelName,
    OutcomeCounts,
    TreeModel,
    features_of,
    log_odds,
    probability_of,
    rate,
)
from operators.learning.prequential_metrics import Prequential, PrequentialState
from operators.tracking.features import AttemptFeatures

LOOKS: Final = 3
ALL_LEARNT: Final = 5_000
COMPARED_ONE_IN: Final = 8
TREE_ONE_IN: Final = 64
LEARNT_AFTER_DRIFT: Final = 2_000
"""So many looks are all learnt after a drift of the error."""
HURRIED_ONE_IN: Final = 8
REMEMBERED: Final = 20_000
"""Features kept at hand; when there are more, they are forgotten and made anew."""


class Silence(msgspec.Struct, gc=False):
    """One silence under way. ``known``: at its first checkpoint; ``rates``: of its step, by checkpoint.

    ``looks``: its features at the first checkpoints, as far as they have been needed. ``factor``: what the features
    of the last look make of the base rate's odds.
    """

    known: AttemptFeatures
    rates: list[OutcomeCounts]
    looks: list[Features]
    factor: float = 1.0


class Prediction(msgspec.Struct, gc=False):
    """One prediction that waits for its outcome. ``checkpoint``: its index; ``features``: of the look.

    ``counted``: where such outcomes are counted.
    """

    features: Features
    counted: OutcomeCounts
    checkpoint: int
    at_ms: int
    score: float
    base_rate: float
    leader: ModelName


class ScorerState(msgspec.Struct, array_like=True, gc=False):
    """What is saved of a scorer: not the tree, nor what watches for drift."""

    weights: dict[str, float] = {}
    rates: dict[str, list[OutcomeCounts]] = {}
    figures: PrequentialState = msgspec.field(default_factory=PrequentialState)
    leader: ModelName = "linear"
    comparisons: dict[ModelName, Comparison] = {}
    learnt: int = 0
    sampled_out: int = 0
    learn_all_until: int = ALL_LEARNT
    drifts: dict[str, int] = {}


class Scorer:
    """The models of one question. ``checkpoints_ms``: the silences that are scored, rising."""

    def __init__(self, checkpoints_ms: Sequence[int]) -> None:
        self.figures = Prequential()
        self.rates = BaseRates(len(checkpoints_ms))
        self.linear = LinearModel()
        self.tree = TreeModel()
        self.champion_challenger = ChampionChallenger("linear")
        self.learnt = 0
        self.sampled_out = 0
        self.drifts: dict[str, int] = {}
        self.hurries = False
        self._learn_all_until = ALL_LEARNT
        self._watch = DriftWatch()
        self._looks: dict[AttemptFeatures, list[Features]] = {}
        self._looks_ms = tuple(checkpoints_ms[:LOOKS])

    def silence(self, attempt_features: AttemptFeatures) -> Silence:
        """A silence at its first checkpoint."""
        looks = self._looks.get(attempt_features)
        if looks is None:
            if len(self._looks) >= REMEMBERED:
                self._looks.clear()
            looks = self._looks[attempt_features] = []
        return Silence(attempt_features, self.rates.of(attempt_features.step or ""), looks)

    def features(self, silence: Silence, index: int) -> Features:
        """Those of the look at a checkpoint, or the last before it."""
        looks = silence.looks
        if index >= len(looks):
            index = min(index, len(self._looks_ms) - 1)
            step, _, *rest = msgspec.structs.astuple(silence.known)
            while index >= len(looks):
                looks.append(features_of(AttemptFeatures(step, self._looks_ms[len(looks)], *rest)))
        return looks[index]

    def score(self, silence: Silence, index: int) -> float:
        """P(yes) for a silence that has reached a checkpoint."""
        counts = silence.rates[index]
        yes = counts[1] + 0.5
        base = yes / (counts[0] + 1.0 - yes)
        if index < LOOKS:
            base_odds = math.log(base)
            effect = self._odds(self.champion_challenger.leader, self.features(silence, index), base_odds) - base_odds
            silence.factor = math.exp(min(max(effect, -FARTHEST), FARTHEST))
        odds = base * silence.factor
        score = odds / (1.0 + odds)
        return score if LEAST <= score <= MOST else min(max(score, LEAST), MOST)

    def keeps(self, index: int, chance: int) -> bool:
        """Whether the prediction of a look is to be scored and learnt; if not, it is counted as sampled out.

        ``chance``: a stable hash of the attempt.
        """
        if self._learns(index, chance):
            return True
        self.sampled_out += 1
        return False

    def prediction(self, silence: Silence, index: int, at_ms: int, score: float) -> Prediction:
        """A score that waits for its outcome."""
        counts = silence.rates[index]
        features, base_rate = self.features(silence, index), rate(counts)
        return Prediction(features, counts, index, at_ms, score, base_rate, self.champion_challenger.leader)

    def settle(self, predictions: Sequence[Prediction], outcome: bool, chance: int) -> list[str]:
        """The outcome of one attempt's predictions: scored, then learnt. Names what has drifted."""
        for prediction in predictions:
            self.figures.score(prediction.score, prediction.base_rate, outcome)
        drifted: list[str] = []
        for prediction in predictions:
            if prediction.checkpoint < LOOKS and self._learns(prediction.checkpoint, chance):
                drifted += self._learn(prediction, outcome, chance)
            elif self.hurries:
                self.sampled_out += 1
        return drifted

    def effects(self, silence: Silence) -> Iterable[tuple[str, float]]:
        """What each token of a silence adds to the log-odds, by the linear model."""
        return self.linear.moved(self.features(silence, LOOKS))

    def state(self) -> ScorerState:
        """What there is to save."""
        return ScorerState(
            self.linear.weights(),
            self.rates.steps,
            self.figures.state,
            "linear" if self.champion_challenger.leader == "tree" else self.champion_challenger.leader,
            {name: each for name, each in self.champion_challenger.comparisons.items() if name != "tree"},
            self.learnt,
            self.sampled_out,
            self._learn_all_until,
            self.drifts,
        )

    def put(self, state: ScorerState) -> None:
        """Goes on from what was saved."""
        self.linear.put(state.weights)
        self.rates.put(state.rates)
        self.figures = Prequential(state.figures)
        self.champion_challenger = ChampionChallenger(state.leader, state.comparisons)
        self.learnt, self.sampled_out = state.learnt, state.sampled_out
        self._learn_all_until = state.learn_all_until
        self.drifts = state.drifts

    def _learns(self, index: int, chance: int) -> bool:
        if self.hurries and (chance >> _HURRIED_BITS) % HURRIED_ONE_IN:
            return False
        return self.learnt < self._learn_all_until or _is_picked(index, chance)

    def _odds(self, name: ModelName, features: Features, base_odds: float) -> float:
        if name == "linear":
            return self.linear.predict(features, base_odds)
        return base_odds if name == "base" else self.tree.predict(features.known, base_odds)

    def _learn(self, prediction: Prediction, outcome: bool, chance: int) -> list[str]:
        features = prediction.features
        base_odds = log_odds(rate(prediction.counted))
        self.learnt += 1
        if (chance >> 8) % TREE_ONE_IN == 0:
            self._compare("tree", features, base_odds, outcome)
            self.tree.learn(features.known, outcome)
        if self.learnt % COMPARED_ONE_IN == 0:
            self._compare(
                "linear" if self.champion_challenger.leader == "base" else "base", features, base_odds, outcome
            )
        self.linear.learn(features, base_odds, outcome)
        return self._notice(self._watch.see(abs(outcome - prediction.score), features.known))

    def _compare(self, challenger: ModelName, features: Features, base_odds: float, outcome: bool) -> None:
        """A challenger and the leader predict, before either has learnt this outcome."""
        leader = self.champion_challenger.leader
        if challenger != leader:
            leader_probability = probability_of(self._odds(leader, features, base_odds))
            probability = probability_of(self._odds(challenger, features, base_odds))
            self.champion_challenger.compare(challenger, probability, leader_probability, outcome)

    def _notice(self, drifted: list[str]) -> list[str]:
        """A drift: counted; if it is the error's, the challenger begins anew, and all is learnt for a while."""
        for name in drifted:
            self.drifts[name] = self.drifts.get(name, 0) + 1
            if name == "error":
                self._learn_all_until = self.learnt + LEARNT_AFTER_DRIFT
                if self.champion_challenger.leader != "tree":
                    self.tree = TreeModel()
                    self.champion_challenger.forget("tree")
        return drifted


_HURRIED_BITS: Final = 16
"""Of the hash, above those that other samples are drawn by."""


def _is_picked(index: int, chance: int) -> bool:
    """Whether a look is among those learnt: every one of the last, half of those before it, a quarter ..."""
    return chance % (1 << (LOOKS - 1 - index)) == 0
