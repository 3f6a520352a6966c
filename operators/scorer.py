"""The scores of one journey: P(does not complete), by whichever model leads, and how good they have been.

In: what is known at a checkpoint; later the outcome. Out: scores, figures, what has drifted.
Refused: saved state of another format (``StateUnreadable``, by its reader).

The models look at a silence at its first ``LOOKS`` checkpoints. After that its features say nothing new, and only the
base rate moves: the score is the base rate of the checkpoint, shifted by what the features added at the last look.

Every outcome is scored first, then learnt. What the first ``ALL_LEARNT`` looks turned out to be is all learnt; then it
is one look a silence, picked by a stable hash of the attempt: the looks at one silence say nearly the same, and
learning costs many times what predicting does. The challengers see fewer still. After a drift all are learnt again for
a while. Base rates count all.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from operators.contenders import Contenders, Duel
from operators.drift import DriftWatch
from operators.models import (
    BaseRates,
    Counted,
    Features,
    LinearModel,
    ModelName,
    TreeModel,
    features_of,
    log_odds,
    probability_of,
    rate,
)
from operators.prequential import Prequential, PrequentialState
from operators.situations import Known

LOOKS: Final = 3
ALL_LEARNT: Final = 5_000
COMPARED_ONE_IN: Final = 8
TREE_ONE_IN: Final = 64
LEARNT_AFTER_DRIFT: Final = 5_000
"""So many looks are all learnt after a drift of the error."""
REMEMBERED: Final = 20_000
"""Features kept at hand; when there are more, they are forgotten and made anew."""


class Silence(msgspec.Struct, gc=False):
    """One silence under way. ``features``, ``shift``: of the last look, and what they add to the base rate's log-odds.

    ``rates``: of its step, by checkpoint.
    """

    features: Features
    shift: float
    rates: list[Counted]


class Prediction(msgspec.Struct, gc=False):
    """What was said at a checkpoint, waiting for its outcome. ``place``: of the checkpoint; ``features``: of the look.

    ``counted``: where such outcomes are counted.
    """

    features: Features
    counted: Counted
    place: int
    at_ms: int
    score: float
    base_rate: float
    leader: ModelName


class ScorerState(msgspec.Struct, array_like=True, gc=False):
    """What is saved of a scorer: not the tree, nor what watches for drift."""

    weights: dict[str, float] = {}
    rates: dict[str, list[Counted]] = {}
    figures: PrequentialState = msgspec.field(default_factory=PrequentialState)
    leader: ModelName = "linear"
    duels: dict[ModelName, Duel] = {}
    learnt: int = 0
    sampled_out: int = 0
    learn_all_until: int = ALL_LEARNT
    drifts: dict[str, int] = {}


class Scorer:
    """The models of one question. ``places``: how many checkpoints there are."""

    def __init__(self, places: int) -> None:
        self.figures = Prequential()
        self.rates = BaseRates(places)
        self.linear = LinearModel()
        self.tree = TreeModel()
        self.contenders = Contenders("linear")
        self.learnt = 0
        self.sampled_out = 0
        self.drifts: dict[str, int] = {}
        self._learn_all_until = ALL_LEARNT
        self._watch = DriftWatch()
        self._features: dict[Known, Features] = {}

    def look(self, known: Known, place: int) -> Silence:
        """A silence at one of its first checkpoints."""
        features = self._features.get(known)
        if features is None:
            features = self._remember(known)
        rates = self.rates.of(known.step or "")
        base_odds = log_odds(rate(rates[place]))
        return Silence(features, self._odds(self.contenders.leader, features, base_odds) - base_odds, rates)

    def score(self, silence: Silence, place: int) -> float:
        """P(yes) for a silence at a checkpoint."""
        counted = silence.rates[place]
        yes = counted[1] + 0.5
        odds = math.log(yes / (counted[0] + 1.0 - yes)) + silence.shift
        return probability_of(odds)

    def keeps(self, place: int, chance: int) -> bool:
        """Whether the prediction of a look is to be scored and learnt; if not, it is counted as sampled out.

        ``chance``: a stable hash of the attempt.
        """
        if self.learnt < self._learn_all_until or place == chance % LOOKS:
            return True
        self.sampled_out += 1
        return False

    def prediction(self, silence: Silence, place: int, at_ms: int, score: float) -> Prediction:
        """A score that waits for its outcome."""
        counted = silence.rates[place]
        return Prediction(silence.features, counted, place, at_ms, score, rate(counted), self.contenders.leader)

    def settle(self, predictions: Sequence[Prediction], outcome: bool, chance: int) -> list[str]:
        """The outcome of one attempt's predictions: scored, then learnt. Names what has drifted."""
        for each in predictions:
            self.figures.score(each.score, each.base_rate, outcome)
        drifted: list[str] = []
        for each in predictions:
            if each.place < LOOKS and (self.learnt < self._learn_all_until or each.place == chance % LOOKS):
                drifted += self._learn(each, outcome, chance)
        return drifted

    def effects(self, known: Known) -> list[tuple[str, float]]:
        """What each token adds to the log-odds, by the linear model."""
        return list(self.linear.moved(self._features.get(known) or self._remember(known)))

    def state(self) -> ScorerState:
        """What there is to save."""
        return ScorerState(
            self.linear.weights(),
            self.rates.steps,
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
        self.rates.put(state.rates)
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
            self._compare("linear" if self.contenders.leader == "base" else "base", features, base_odds, outcome)
        self.linear.learn(features, base_odds, outcome)
        return self._notice(self._watch.see(abs(outcome - prediction.score), features.known))

    def _compare(self, challenger: ModelName, features: Features, base_odds: float, outcome: bool) -> None:
        """A challenger and the leader say what they think, before either has learnt this outcome."""
        leader = self.contenders.leader
        if challenger != leader:
            leaders = probability_of(self._odds(leader, features, base_odds))
            said = probability_of(self._odds(challenger, features, base_odds))
            self.contenders.seen(challenger, said, leaders, outcome)

    def _notice(self, drifted: list[str]) -> list[str]:
        """A drift: counted; if it is the error's, the challenger begins anew, and all is learnt for a while."""
        for name in drifted:
            self.drifts[name] = self.drifts.get(name, 0) + 1
            if name == "error":
                self._learn_all_until = self.learnt + LEARNT_AFTER_DRIFT
                if self.contenders.leader != "tree":
                    self.tree = TreeModel()
                    self.contenders.forget("tree")
        return drifted
