"""The models behind the scores: a base rate, a linear model on binned features, and an adaptive tree.

In: ``Features`` of what is known (``features_of``), later the outcome. Out: log-odds of yes.
Refused: saved weights of another shape (``StateUnreadable``, by their reader).

Every part of what is known is a bin, and each bin is crossed with the step and with the checkpoint, so that the linear
model learns a curve for each of them. Its anchor is the log-odds of the base rate of step and checkpoint: what the
weights learn is only what the features add to it. The base rate forgets slowly, so that a change of season is followed.

River is imported by what needs it: it takes seconds, and a process that learns nothing starts without it.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final, Literal

import msgspec

from operators.tracking.features import AttemptFeatures

ModelName = Literal["base", "linear", "tree"]
LEARNING_RATE: Final = 0.01
"""Of the linear model; chosen on recorded clients among 0.003, 0.01 and 0.02."""
BASE_RATE_MEMORY: Final = 2_000
"""About so many outcomes of a step and checkpoint make its base rate."""
LEAST: Final = 0.005
"""No probability is published nearer to 0 or 1 than this."""
MOST: Final = 1.0 - LEAST
_ANCHOR: Final = "base"
_OLDEST_STEPS: Final = 3
_BINS: Final = 256
_AGES: Final = tuple(f"age{number}" for number in range(_BINS))
_DWELLS: Final = tuple(tuple(f"dwell{index}_{number}" for number in range(_BINS)) for index in range(_OLDEST_STEPS))
FARTHEST: Final = math.log((1.0 - LEAST) / LEAST)
_KEPT: Final = 1.0 - 1.0 / BASE_RATE_MEMORY

OutcomeCounts = list[float]
"""Outcomes of one step at one checkpoint, older ones counting less: how many, and how many of them yes."""


class Features(msgspec.Struct, gc=False):
    """What is known, and its crossed bins (1.0 each, and the anchor)."""

    known: AttemptFeatures
    tokens: dict[str, float]


def features_of(attempt_features: AttemptFeatures) -> Features:
    """The features of what is known at a checkpoint."""
    step = attempt_features.step or ""
    parts = (_AGES[attempt_features.age], *_dwells(attempt_features.trail), *attempt_features.struggle)
    tokens = dict.fromkeys(map(_names(step).__getitem__, parts), 1.0)
    tokens.update(dict.fromkeys(map(_names(f"{step}|{attempt_features.idle_ms}").__getitem__, parts), 1.0))
    tokens[_ANCHOR] = 0.0
    return Features(attempt_features, tokens)


def numbers_of(attempt_features: AttemptFeatures) -> dict[str, float]:
    """The same as numbers, for a tree."""
    numbers = {
        "age": float(attempt_features.age),
        "idle": attempt_features.idle_ms / 1000,
        "steps": float(len(attempt_features.trail)),
    }
    numbers |= {
        f"dwell{index}": float(dwell) for index, dwell in enumerate(reversed(attempt_features.trail[-_OLDEST_STEPS:]))
    }
    numbers |= dict.fromkeys(attempt_features.struggle, 1.0)
    numbers[f"step:{attempt_features.step or ''}"] = 1.0
    return numbers


class _Names(dict[str, str]):
    """The tokens of one prefix by their parts, each made once: a look has a dozen, and the same come again."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __missing__(self, part: str) -> str:
        token = self[part] = f"{self._prefix}|{part}"
        return token


_names: Final = cache(_Names)
"""By step, and by step and checkpoint: as many as the catalogue has."""


def _dwells(trail: bytes) -> list[str]:
    """The time spent at the last steps, the latest first; ``dwell0_none`` where no step was left behind."""
    if not trail:
        return ["dwell0_none"]
    return [names[dwell] for names, dwell in zip(_DWELLS, reversed(trail), strict=False)]


def log_odds(probability: float) -> float:
    """ln(p / (1 - p)); ``probability`` exclusive of 0 and 1."""
    return math.log(probability / (1.0 - probability))


def probability_of(odds: float) -> float:
    """The probability of some log-odds, kept ``LEAST`` away from 0 and 1."""
    return 1.0 / (1.0 + math.exp(-min(max(odds, -FARTHEST), FARTHEST)))


class BaseRates:
    """The outcomes of each step at each of ``checkpoint_count`` checkpoints. ``steps``: by step, then by checkpoint."""

    def __init__(self, checkpoint_count: int) -> None:
        self.checkpoint_count = checkpoint_count
        self.steps: dict[str, list[OutcomeCounts]] = {}

    def of(self, step: str) -> list[OutcomeCounts]:
        """A step's counts, to be looked at (``rate``) and added to (``count``)."""
        counts = self.steps.get(step)
        if counts is None:
            counts = self.steps[step] = [[0.0, 0.0] for _ in range(self.checkpoint_count)]
        return counts

    def put(self, steps: dict[str, list[OutcomeCounts]]) -> None:
        """Goes on from saved counts; those of other checkpoints are no use."""
        self.steps = {step: counts for step, counts in steps.items() if len(counts) == self.checkpoint_count}


def rate(counts: OutcomeCounts) -> float:
    """P(yes), a half where nothing is known."""
    return (counts[1] + 0.5) / (counts[0] + 1.0)


def count(counts: OutcomeCounts, outcome: bool) -> None:
    """Adds one outcome."""
    if counts[0] >= BASE_RATE_MEMORY:
        counts[0] *= _KEPT
        counts[1] *= _KEPT
    counts[0] += 1.0
    counts[1] += outcome


def count_each(counts: Sequence[OutcomeCounts], limit: int, outcome: bool) -> None:
    """Adds one outcome to each of the first ``limit``."""
    for checkpoint_counts in counts[:limit]:
        if checkpoint_counts[0] >= BASE_RATE_MEMORY:
            checkpoint_counts[0] *= _KEPT
            checkpoint_counts[1] *= _KEPT
        checkpoint_counts[0] += 1.0
        checkpoint_counts[1] += outcome


def import_river() -> None:
    """Before the first observation, which would wait for it."""
    from river import linear_model, tree  # noqa: F401 - it is there from now on


class LinearModel:
    """A logistic regression over the tokens, anchored at the log-odds of the base rate.

    Its parts are River's: the sparse vector of weights, the loss, and stochastic gradient descent. Put together here,
    for ``LogisticRegression.learn_one`` takes twice as long for the same weights to the last bit, and
    ``predict_proba_one`` makes a dictionary of two for the one number that is wanted.
    """

    def __init__(self, learning_rate: float = LEARNING_RATE) -> None:
        from river import optim
        from river.utils import VectorDict

        self._vector: Any = VectorDict
        self._optimizer: Any = optim.SGD(learning_rate)
        self._loss: Any = optim.losses.Log()
        self._weights: Any = VectorDict({_ANCHOR: 1.0})

    def predict(self, features: Features, base_odds: float) -> float:
        """Log-odds of yes."""
        tokens = features.tokens
        tokens[_ANCHOR] = base_odds
        odds: float = self._weights.dot(tokens)
        return odds

    def learn(self, features: Features, base_odds: float, outcome: bool) -> None:
        """One step of gradient descent."""
        slope = self._loss.gradient(outcome, self.predict(features, base_odds))
        self._optimizer.step(self._weights, self._vector.from_scaled(features.tokens, slope))

    def moved(self, features: Features) -> Iterable[tuple[str, float]]:
        """What each token, the anchor left out, adds to the log-odds."""
        return [(token, self._weights.get(token, 0.0)) for token in features.tokens if token != _ANCHOR]

    def weights(self) -> dict[str, float]:
        """All there is to save."""
        saved: dict[str, float] = self._weights.to_dict()
        return saved

    def put(self, weights: dict[str, float]) -> None:
        """Goes on from saved weights."""
        self._weights = self._vector(weights)


class TreeModel:
    """River's Hoeffding adaptive tree: slow to learn, but it finds what no single feature shows. Never saved."""

    def __init__(self) -> None:
        from river import tree

        self._river: Any = tree.HoeffdingAdaptiveTreeClassifier(grace_period=100, seed=1)

    def predict(self, attempt_features: AttemptFeatures, base_odds: float) -> float:
        """Log-odds of yes; those of the base rate before it has learnt anything."""
        probability = self._river.predict_proba_one(numbers_of(attempt_features)).get(True)
        return base_odds if probability is None else log_odds(min(max(probability, LEAST), 1.0 - LEAST))

    def learn(self, attempt_features: AttemptFeatures, outcome: bool) -> None:
        """Grows by one example."""
        self._river.learn_one(numbers_of(attempt_features), outcome)
