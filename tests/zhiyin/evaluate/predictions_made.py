"""Predictions for tests: drawn from a world whose chances are known."""

import math
import random
from collections.abc import Iterator

from operators.tracking.features import CheckpointFeatures, PredictionQuestion, ScoredPrediction

BEGIN_MS = 1_700_000_000_000
MINUTE_MS = 60_000
STEPS = ("apply", "face_check", "confirm")


def scored(
    count: int, seed: int = 1, question: PredictionQuestion = "unfinished", journey: str = "loan"
) -> Iterator[ScoredPrediction]:
    """The chance hangs on the step and on the time spent at the step before; what is said knows both, nearly."""
    chance = random.Random(seed)
    for number in range(count):
        step, dwell = chance.randrange(3), chance.randrange(12)
        truth = 1 / (1 + math.exp(-(0.8 * (step - 1) + 0.4 * (dwell - 6))))
        at_ms = BEGIN_MS + number * MINUTE_MS
        known = CheckpointFeatures(
            STEPS[step], chance.choice((30_000, 60_000)), 9, 8, number % 7, bytes((dwell,)), ("hesitation1",)
        )
        yield ScoredPrediction(
            question,
            journey,
            known,
            min(0.99, max(0.01, truth + chance.uniform(-0.02, 0.02))),
            (0.35, 0.5, 0.65)[step],
            chance.random() < truth,
            at_ms,
            at_ms + 10 * MINUTE_MS,
            "linear",
        )
