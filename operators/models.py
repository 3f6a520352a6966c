"""The models behind the scores: a base rate, a linear model on binned features, and an adaptive tree.

In: ``Features`` of what is known (``features_of``), later the outcome. Out: P(yes), between 0 and 1, exclusive.
Refused: saved weights of another shape (``StateUnreadable``, by their reader).

Every part of what is known is a bin, and each bin is crossed with the step and with the checkpoint, so that the linear
model learns a curve for each of them. Its anchor is the log-odds of the base rate of step and checkpoint: what the
weights learn is only what the features add to it. The base rate forgets slowly, so that a change of season is followed.
"""

import math
from typing import Any, Final, Literal, Protocol

import msgspec
from river import linear_model, optim, tree
from river.utils import VectorDict

from operators.situations import Known

ModelName = Literal["base", "linear", "tree"]
LEARNING_RATE: Final = 0.01
"""Of the linear model; chosen on recorded clients among 0.003, 0.01 and 0.02."""
BASE_RATE_MEMORY: Final = 2_000
"""About so many outcomes of a step and checkpoint make its base rate."""
_LEAST: Final = 0.005
_ANCHOR: Final = "base"
_OLDEST_STEPS: Final = 3


class Features(msgspec.Struct, gc=False):
    """What is known, in the shapes the models want.

    ``key``: step and checkpoint; ``tokens``: crossed bins, for the linear model (1.0 each, and the anchor);
    ``numbers``: for the tree.
    """

    known: Known
    key: str
    tokens: dict[str, float]
    numbers: dict[str, float]


class Model(Protocol):
    """Predicts, then learns."""

    def predict(self, features: Features) -> float:
        """P(yes)."""

    def learn(self, features: Features, outcome: bool) -> None:
        """Learns what it turned out to be."""


def features_of(known: Known) -> Features:
    """The features of what is known at a checkpoint."""
    step, key = known.step or "", f"{known.step or ''}|{known.idle_ms}"
    parts = [f"age{known.age}", *_dwells(known.trail), *known.struggle]
    tokens = {f"{where}|{part}": 1.0 for where in (step, key) for part in parts}
    tokens[_ANCHOR] = 0.0
    numbers = {"age": float(known.age), "idle": known.idle_ms / 1000, "steps": float(len(known.trail))}
    numbers |= {f"dwell{place}": float(each) for place, each in enumerate(reversed(known.trail[-_OLDEST_STEPS:]))}
    numbers |= dict.fromkeys(known.struggle, 1.0)
    numbers[f"step:{step}"] = 1.0
    return Features(known, key, tokens, numbers)


def _dwells(trail: bytes) -> list[str]:
    """The time spent at the last steps, the latest first; ``dwell0_none`` where no step was left behind."""
    if not trail:
        return ["dwell0_none"]
    return [f"dwell{place}_{each}" for place, each in enumerate(reversed(trail[-_OLDEST_STEPS:]))]


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)), with p kept a little away from 0 and 1."""
    kept = min(max(probability, _LEAST), 1.0 - _LEAST)
    return math.log(kept / (1.0 - kept))


class BaseRates:
    """The base rate of each step and checkpoint, older outcomes counting less. ``counts``: outcomes, those of yes."""

    def __init__(self) -> None:
        self.counts: dict[str, list[float]] = {}

    def rate(self, key: str) -> float:
        """P(yes) at a step and checkpoint; a half where nothing is known."""
        found = self.counts.get(key)
        return 0.5 if found is None else (found[1] + 0.5) / (found[0] + 1.0)

    def learn(self, key: str, outcome: bool) -> None:
        """Counts one outcome."""
        found = self.counts.get(key)
        if found is None:
            found = self.counts[key] = [0.0, 0.0]
        elif found[0] >= BASE_RATE_MEMORY:
            found[0] *= 1.0 - 1.0 / BASE_RATE_MEMORY
            found[1] *= 1.0 - 1.0 / BASE_RATE_MEMORY
        found[0] += 1.0
        found[1] += outcome


class LinearModel:
    """River's logistic regression over the tokens, anchored at the base rate."""

    def __init__(self, rates: BaseRates) -> None:
        self._rates = rates
        self._river = linear_model.LogisticRegression(optim.SGD(LEARNING_RATE), l2=0.0, intercept_lr=0.0)
        self.put({_ANCHOR: 1.0})

    def predict(self, features: Features) -> float:
        """P(yes)."""
        return self.predict_from(features, self._rates.rate(features.key))

    def predict_from(self, features: Features, base_rate: float) -> float:
        """P(yes), where the base rate is at hand."""
        features.tokens[_ANCHOR] = log_odds(base_rate)
        found: float = self._river.predict_proba_one(features.tokens)[True]
        return min(max(found, _LEAST), 1.0 - _LEAST)

    def learn(self, features: Features, outcome: bool) -> None:
        """One step of gradient descent."""
        features.tokens[_ANCHOR] = log_odds(self._rates.rate(features.key))
        self._river.learn_one(features.tokens, outcome)

    def moved(self, features: Features) -> list[tuple[str, float]]:
        """What each token, the anchor left out, adds to the log-odds."""
        weights = self._river._weights  # noqa: SLF001 - the public property copies all of them
        return [(token, weights.get(token, 0.0)) for token in features.tokens if token != _ANCHOR]

    def weights(self) -> dict[str, float]:
        """All there is to save."""
        return dict(self._river.weights)

    def put(self, weights: dict[str, float]) -> None:
        """Goes on from saved weights."""
        self._river._weights = VectorDict(weights)  # noqa: SLF001 - River has no other way to put weights back


class TreeModel:
    """River's Hoeffding adaptive tree: slow to learn, but it finds what no single feature says. Never saved."""

    def __init__(self) -> None:
        self._river: Any = tree.HoeffdingAdaptiveTreeClassifier(grace_period=100, seed=1)

    def predict(self, features: Features) -> float:
        """P(yes)."""
        found = float(self._river.predict_proba_one(features.numbers).get(True, 0.0 if self.has_learnt else 0.5))
        return min(max(found, _LEAST), 1.0 - _LEAST)

    def learn(self, features: Features, outcome: bool) -> None:
        """Grows by one example."""
        self._river.learn_one(features.numbers, outcome)

    @property
    def has_learnt(self) -> bool:
        """Whether there is a tree at all."""
        return bool(self._river.n_nodes)
