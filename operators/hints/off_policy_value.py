"""What wordings are worth by the log of hints, whatever chose them, and what makes a choice the hint's own.

In: a hint's id, a wording, a log of ``WordingReward``. Out: a number to draw with, a name, an ``Estimate``.
"""

import math
from collections.abc import Iterable
from typing import Final

import msgspec
import xxhash

from operators.hints.hint import WordingReward
from operators.records.catalogue import Words
from operators.records.facts import stable_id

_HASHES: Final = float(1 << 64)


class Estimate(msgspec.Struct, frozen=True):
    """What a wording would be worth if every hint had it. ``count``: hints in the log."""

    value: float
    standard_error: float
    count: int


def drawn(hint_id: str) -> float:
    """A number from 0 to 1 that belongs to the hint for ever."""
    return xxhash.xxh3_64_intdigest(f"wording\0{hint_id}".encode("utf-8", "surrogatepass")) / _HASHES


def inverse_propensity(log: Iterable[WordingReward], variant: int) -> Estimate:
    """What one variant is worth by the log of any policy, without bias.

    It is the mean of reward / propensity over all hints, counting 0 where another variant was shown.

    Horvitz and Thompson, "A generalization of sampling without replacement from a finite universe", JASA 47, 1952.
    """
    worths = [entry.reward / entry.propensity if entry.variant == variant else 0.0 for entry in log]
    count = len(worths)
    if count == 0:
        return Estimate(math.nan, math.nan, 0)
    mean = math.fsum(worths) / count
    variance = math.fsum((worth - mean) ** 2 for worth in worths) / max(1, count - 1)
    return Estimate(mean, math.sqrt(variance / count), count)


def arm_of(words: Words) -> str:
    """One wording's name: a changed text is another wording."""
    return stable_id("wording", words.zh, words.en)[:16]
