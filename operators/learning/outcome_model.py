"""One yes-or-no question about break-offs: what is predicted before anything is learnt, and what outcomes teach.

In: tokens of what is known at a break-off with the probability of the base (a rule, or a base rate); later the
outcome. Out: predictions, their figures, what has drifted. Refused: saved state of another shape (by its reader).

The base leads until the regression, anchored at it, is better in log loss by the margin of ``champion_challenger``; the
lead can be lost again. Both are scored with what they predicted at the break-off, whatever was learnt since. Outcomes
are few here, hundreds where silences are hundreds of thousands: the regression learns faster, and there is no tree.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from operators.learning.champion_challenger import ChampionChallenger, Comparison
from operators.learning.drift import DriftWatch
from operators.learning.interfaces import BreakOffQuestion, Quality, quality_of
from operators.learning.models import LEAST, Features, LinearModel, ModelName, log_odds, probability_of
from operators.learning.prequential_metrics import Prequential, PrequentialState
from operators.tracking.features import AttemptFeatures

LEARNING_RATE: Final = 0.02
"""Of the regression; chosen on simulated customers among 0.01, 0.02, 0.05 and 0.1."""


class OutcomePrediction(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The predictions of one question at a break-off. ``published``: what was published, by whichever model led."""

    base: float
    linear: float
    published: float


class OutcomeModelState(msgspec.Struct, array_like=True, gc=False):
    """What is saved of a model: not what watches for drift."""

    weights: dict[str, float] = {}
    leader: ModelName = "base"
    comparisons: dict[ModelName, Comparison] = {}
    figures: PrequentialState = msgspec.field(default_factory=PrequentialState)
    learnt: int = 0
    drifts: int = 0


class OutcomeModel:
    """The models of one question."""

    def __init__(self, question: BreakOffQuestion) -> None:
        self.question = question
        self._linear = LinearModel(LEARNING_RATE)
        self._champion_challenger = ChampionChallenger("base")
        self._figures = Prequential()
        self._watch = DriftWatch()
        self.learnt = 0
        self.drifts = 0

    @property
    def leads(self) -> bool:
        """Whether the regression leads, and its prediction is published."""
        return self._champion_challenger.leader == "linear"

    def predict(self, tokens: Sequence[str], base: float) -> OutcomePrediction:
        """What base and regression predict now; ``base`` is kept within what any model may predict."""
        base = min(max(base, LEAST), 1.0 - LEAST)
        linear = probability_of(self._linear.predict(_features(tokens), log_odds(base)))
        return OutcomePrediction(base, linear, linear if self.leads else base)

    def learn(
        self, tokens: Sequence[str], features: AttemptFeatures, prediction: OutcomePrediction, outcome: bool
    ) -> bool:
        """The outcome of a prediction: scored, then learnt. Whether the error has drifted."""
        self._figures.score(prediction.published, prediction.base, outcome)
        if self.leads:
            self._champion_challenger.compare("base", prediction.base, prediction.linear, outcome)
        else:
            self._champion_challenger.compare("linear", prediction.linear, prediction.base, outcome)
        self._linear.learn(_features(tokens, features), log_odds(prediction.base), outcome)
        self.learnt += 1
        if "error" not in self._watch.see(abs(outcome - prediction.published), features):
            return False
        self._drifted()
        return True

    def effects(self, tokens: Sequence[str]) -> Iterable[tuple[str, float]]:
        """What each token adds to the log-odds of yes; nothing while the base leads."""
        return self._linear.moved(_features(tokens)) if self.leads else ()

    def quality(self) -> Quality:
        """How good the published predictions have been."""
        return quality_of(self.question, self._champion_challenger.leader, self._figures)

    def state(self) -> OutcomeModelState:
        """What there is to save."""
        contest = self._champion_challenger
        return OutcomeModelState(
            self._linear.weights(),
            contest.leader,
            contest.comparisons,
            self._figures.state,
            self.learnt,
            self.drifts,
        )

    def put(self, state: OutcomeModelState) -> None:
        """Goes on from what was saved."""
        if state.weights:
            self._linear.put(state.weights)
        self._champion_challenger = ChampionChallenger(state.leader, state.comparisons)
        self._figures = Prequential(state.figures)
        self.learnt, self.drifts = state.learnt, state.drifts

    def _drifted(self) -> None:
        """Counted; what happened before counts no more in the comparison, and a challenger begins anew."""
        self.drifts += 1
        self._champion_challenger.forget("base" if self.leads else "linear")
        if not self.leads:
            self._linear = LinearModel(LEARNING_RATE)


_NO_FEATURES: Final = AttemptFeatures(None, 0, 0, b"")


def _features(tokens: Sequence[str], features: AttemptFeatures = _NO_FEATURES) -> Features:
    return Features(features, dict.fromkeys(tokens, 1.0))
