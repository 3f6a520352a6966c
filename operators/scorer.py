"""The scores of one journey: P(does not complete), by whichever model leads, and how good they have been.

In: what is known at a checkpoint; later the outcome. Out: scores, figures, what has drifted.
Refused: saved state of another format (``StateUnreadable``, by its reader).

Every outcome is scored first, then learnt. The linear model learns all of the first ``ALL_LEARNT`` outcomes and then
those whose attempt a stable hash picks: labels of one silence say nearly the same, and learning costs five times what
predicting does. The tree sees fewer still. After a drift all are learnt again for a while.
"""

from typing import Final

import msgspec

from operators.contenders import Contenders, Duel
from operators.drift import DriftWatch
from operators.models import BaseRates, Features, LinearModel, ModelName, TreeModel, features_of
from operators.prequential import Prequential, PrequentialState
from operators.situations import Known

ALL_LEARNT: Final = 10_000
ONE_IN: Final = 3
TREE_ONE_IN: Final = 48
LEARNT_AFTER_DRIFT: Final = 5_000
"""So many outcomes are all learnt after a drift of the error."""
REMEMBERED: Final = 20_000
"""Features kept at hand; when there are more, they are forgotten and made anew."""


class Prediction(msgspec.Struct, gc=False):
    """What was said at a checkpoint, waiting for its outcome. ``number``: of the checkpoints of its attempt."""

    features: Features
    at_ms: int
    score: float
    base_rate: float
    leader: ModelName
    number: int


class ScorerState(msgspec.Struct, array_like=True, gc=False):
    """What is saved of a scorer: not the tree, nor what watches for drift."""

    weights: dict[str, float] = {}
    rates: dict[str, list[float]] = {}
    figures: PrequentialState = msgspec.field(default_factory=PrequentialState)
    leader: ModelName = "linear"
    duels: dict[ModelName, Duel] = {}
    learnt: int = 0
    sampled_out: int = 0
    learn_all_until: int = ALL_LEARNT
    drifts: dict[str, int] = {}


class Scorer:
    """The models of one question."""

    def __init__(self) -> None:
        self.figures = Prequential()
        self.rates = BaseRates()
        self.linear = LinearModel(self.rates)
        self.tree = TreeModel()
        self.contenders = Contenders("linear")
        self.learnt = 0
        self.sampled_out = 0
        self.drifts: dict[str, int] = {}
        self._learn_all_until = ALL_LEARNT
        self._watch = DriftWatch()
        self._features: dict[Known, Features] = {}

    def predict(self, known: Known, at_ms: int, number: int) -> Prediction:
        """The score of what is known at ``at_ms``."""
        features = self._features.get(known)
        if features is None:
            features = self._remember(known)
        base_rate = self.rates.rate(features.key)
        leader = self.contenders.leader
        linear = leader == "linear"
        score = self.linear.predict_from(features, base_rate) if linear else self._said_by(leader, features)
        return Prediction(features, at_ms, score, base_rate, leader, number)

    def settle(self, predictions: list[Prediction], outcome: bool, chance: int) -> list[str]:
        """The outcome of one attempt's predictions: scored, then learnt. ``chance``: a stable hash of the attempt.

        Names what has drifted.
        """
        figures = self.figures
        for each in predictions:
            figures.score(each.score, each.base_rate, outcome)
        drifted: list[str] = []
        for each in predictions:
            if self.learnt < self._learn_all_until or (chance + each.number) % ONE_IN == 0:
                drifted += self._learn(each, outcome, chance)
            else:
                self.sampled_out += 1
            self.rates.learn(each.features.key, outcome)
        return drifted

    def effects(self, known: Known) -> list[tuple[str, float]]:
        """What each token adds to the log-odds, by the linear model."""
        return self.linear.moved(self._features.get(known) or self._remember(known))

    def state(self) -> ScorerState:
        """What there is to save."""
        return ScorerState(
            self.linear.weights(),
            self.rates.counts,
            self.figures.state,
            "linear" if self.contenders.leader == "tree" else self.contenders.leader,
            {name: duel for name, duel in self.contenders.duels.items() if name != "tree"},
            self.learnt,
            self.sampled_out,
            self._learn_all_until,
            self.drifts,
        )

    def put(self, state: ScorerState) -> None:
        """Goes on from what was saved."""
        self.linear.put(state.weights)
        self.rates.counts = state.rates
        self.figures = Prequential(state.figures)
        self.contenders = Contenders(state.leader, state.duels)
        self.learnt, self.sampled_out = state.learnt, state.sampled_out
        self._learn_all_until = state.learn_all_until
        self.drifts = state.drifts

    def _remember(self, known: Known) -> Features:
        if len(self._features) >= REMEMBERED:
            self._features.clear()
        features = self._features[known] = features_of(known)
        return features

    def _said_by(self, name: ModelName, features: Features) -> float:
        if name == "base":
            return self.rates.rate(features.key)
        return self.linear.predict(features) if name == "linear" else self.tree.predict(features)

    def _learn(self, prediction: Prediction, outcome: bool, chance: int) -> list[str]:
        features = prediction.features
        self.learnt += 1
        leaders = self._said_by(self.contenders.leader, features)
        for name in ("base", "linear"):
            if name != self.contenders.leader:
                self.contenders.seen(name, self._said_by(name, features), leaders, outcome)
        if (chance >> 8) % TREE_ONE_IN == 0:
            self._challenge(features, leaders, outcome)
        self.linear.learn(features, outcome)
        known = features.known
        numbers = {"error": abs(outcome - prediction.score), "age": float(known.age), "steps": float(len(known.trail))}
        return self._notice(self._watch.see(numbers))

    def _challenge(self, features: Features, leaders: float, outcome: bool) -> None:
        """The tree: it says what it thinks, then learns."""
        if self.contenders.leader != "tree":
            self.contenders.seen("tree", self.tree.predict(features), leaders, outcome)
        self.tree.learn(features, outcome)

    def _notice(self, drifted: list[str]) -> list[str]:
        """A drift: counted; the challenger begins anew; if the error drifted, all is learnt for a while."""
        for name in drifted:
            self.drifts[name] = self.drifts.get(name, 0) + 1
            if name == "error":
                self._learn_all_until = self.learnt + LEARNT_AFTER_DRIFT
                if self.contenders.leader != "tree":
                    self.tree = TreeModel()
                    self.contenders.forget("tree")
        return drifted
