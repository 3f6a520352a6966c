"""What is known of a silent attempt at a checkpoint, what was predicted of it, and what came of it.

In: an observation of the tracker (``idle``, ``silent``). Out: a ``Situation``, all of whose parts are binned,
so that equal situations have equal scores. Nothing in it comes from later than the checkpoint.
Refused: nothing.
"""

import math
from typing import Final, Literal

import msgspec

from operators.facts import Observation, Signal

Question = Literal["unfinished", "away", "contact"]
"""``unfinished``: the attempt never completes. ``away``: nothing more comes of it after this silence (it neither
goes on nor ends). ``contact``: the customer contacts us within a day of the break-off."""
QUESTIONS: Final[tuple[Question, ...]] = ("unfinished", "away", "contact")

BINS_AN_OCTAVE: Final = 2
_SECOND_MS: Final = 1_000
_HOUR_MS: Final = 3_600_000
_DAY_HOURS: Final = 24
_WEEK_DAYS: Final = 7
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday."""
_LARGEST_BIN: Final = 255
_MANY: Final = 3


class Situation(msgspec.Struct, frozen=True, array_like=True, gc=False):
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


class Scored(msgspec.Struct, frozen=True, gc=False):
    """One prediction whose outcome is known now; made before it was learnt, and before any later one was.

    ``score``: P(yes) as told (by ``leader``, the model that led then); ``baseline``: the base rate of step and
    checkpoint at that time; ``at_ms``: of the checkpoint; ``settled_ms``: when the outcome was known.
    """

    question: Question
    journey: str
    situation: Situation
    score: float
    baseline: float
    outcome: bool
    at_ms: int
    settled_ms: int
    leader: str


def situation_of(seen: Observation) -> Situation:
    """What is known at ``seen``, an ``idle`` or ``silent`` observation."""
    last_ms = seen.at_ms - seen.idle_ms
    hours = last_ms // _HOUR_MS
    return Situation(
        seen.step,
        seen.idle_ms,
        time_bin(last_ms - seen.started_ms),
        hours % _DAY_HOURS,
        (hours // _DAY_HOURS + _EPOCH_WEEKDAY) % _WEEK_DAYS,
        seen.trail,
        _struggle(seen.signals) if seen.signals else (),
    )


def time_bin(span_ms: int) -> int:
    """The bin of a span: 0 below a second, then ``BINS_AN_OCTAVE`` for each doubling; at most 255."""
    if span_ms < _SECOND_MS:
        return 0
    return min(_LARGEST_BIN, 1 + int(BINS_AN_OCTAVE * math.log2(span_ms / _SECOND_MS)))


def bin_begins_ms(number: int) -> int:
    """The least span of a bin, in ms, rounded."""
    return 0 if number == 0 else round(_SECOND_MS * 2.0 ** ((number - 1) / BINS_AN_OCTAVE))


def _struggle(signals: tuple[Signal, ...]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for each in signals:
        counts[each.kind] = counts.get(each.kind, 0) + each.count
    return tuple(f"{kind}{min(count, _MANY)}" for kind, count in sorted(counts.items()))
