"""What is known of a silent attempt at a checkpoint, what was predicted of it, and what came of it.

In: an observation of the tracker (``idle``, ``silent``). Out: ``AttemptFeatures``, all of whose parts are binned, so
that equal situations have equal scores. Nothing in it comes from later than the checkpoint. Refused: nothing.
"""

from typing import Final, Literal

import msgspec

from operators.records.facts import Observation, Signal

PredictionQuestion = Literal["unfinished", "away"]
"""``unfinished``: the attempt never completes. ``away``: nothing more comes of it after this silence (it neither
goes on nor ends)."""
QUESTIONS: Final[tuple[PredictionQuestion, ...]] = ("unfinished", "away")

_SECOND_MS: Final = 1_000
_HOUR_MS: Final = 3_600_000
_DAY_HOURS: Final = 24
_WEEK_DAYS: Final = 7
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday."""
_MANY: Final = 3


class CheckpointFeatures(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An attempt at a checkpoint. ``step``: None before any; ``idle_ms``: the checkpoint.

    ``age``: bin (``time_bin``) of the time from its start to its last event. ``hour``, ``weekday`` (Monday 0): UTC, of
    the last event. ``trail``: one byte for each step left behind, oldest first: the bin of the time spent there.
    ``struggle``: kinds of signals so far, each with how often (``step_failed3`` is three or more).
    """

    step: str | None
    idle_ms: int
    age: int
    hour: int
    weekday: int
    trail: bytes
    struggle: tuple[str, ...] = ()


class ScoredPrediction(msgspec.Struct, frozen=True, gc=False):
    """One prediction whose outcome is known now; made before it was learnt, and before any later one was.

    ``score``: P(yes) as published (by ``leader``, the model that led then); ``baseline``: the base rate of step and
    checkpoint at that time; ``at_ms``: of the checkpoint; ``settled_ms``: when the outcome was known.
    """

    question: PredictionQuestion
    journey: str
    features: CheckpointFeatures
    score: float
    baseline: float
    outcome: bool
    at_ms: int
    settled_ms: int
    leader: str


class AttemptFeatures(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What predictions are made from: a ``CheckpointFeatures`` without the time of day."""

    step: str | None
    idle_ms: int
    age: int
    trail: bytes
    struggle: tuple[str, ...] = ()


def attempt_features(observation: Observation) -> AttemptFeatures:
    """What is known at ``observation``, an ``idle`` or ``silent`` one."""
    idle_ms = observation.idle_ms
    age = time_bin(observation.at_ms - idle_ms - observation.started_ms)
    struggle = _struggle(observation.signals) if observation.signals else ()
    return AttemptFeatures(observation.step, idle_ms, age, observation.trail, struggle)


def checkpoint_features(features: AttemptFeatures, at_ms: int) -> CheckpointFeatures:
    """``features`` at the instant ``at_ms``, with the hour and weekday of the last event."""
    hours = (at_ms - features.idle_ms) // _HOUR_MS
    return CheckpointFeatures(
        features.step,
        features.idle_ms,
        features.age,
        hours % _DAY_HOURS,
        (hours // _DAY_HOURS + _EPOCH_WEEKDAY) % _WEEK_DAYS,
        features.trail,
        features.struggle,
    )


def time_bin(span_ms: int) -> int:
    """The bin of a span: 0 below a second, then two for each doubling: 1 s, 1.5 s, 2 s, 3 s, 4 s, 6 s ..."""
    seconds = span_ms // _SECOND_MS
    if seconds <= 1:
        return max(0, seconds)
    octave = seconds.bit_length()
    return 2 * octave - 2 + (seconds >> (octave - 2) & 1)


def bin_begins_ms(number: int) -> int:
    """The least span of a bin, in ms."""
    if number <= 1:
        return number * _SECOND_MS
    octave, half = divmod(number, 2)
    return (1 << octave) * _SECOND_MS * (2 + half) // 2


def _struggle(signals: tuple[Signal, ...]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for signal in signals:
        counts[signal.kind] = counts.get(signal.kind, 0) + signal.count
    return tuple(f"{kind}{min(count, _MANY)}" for kind, count in sorted(counts.items()))
