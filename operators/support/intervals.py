"""Shares of successes with their uncertainty: one share, the difference of two, and what a size can show.

In: counts. Out: intervals, as shares of 1. Refused: more successes than trials, negative counts (``ValueError``).

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
Statistical Association 22 (1927), 209-212; R. G. Newcombe, "Interval estimation for the difference between independent
proportions: comparison of eleven methods", Statistics in Medicine 17 (1998), 873-890, method 10.
"""

import math
from typing import Final, NamedTuple

Z_95: Final = 1.959964
"""Two-sided 95 %: the quantile 0.975 of the normal distribution."""

Z_POWER_80: Final = 0.841621
"""Power 80 %: the quantile 0.8 of the normal distribution."""


class Proportion(NamedTuple):
    """``successes`` of ``trials``."""

    successes: int
    trials: int

    @property
    def share(self) -> float | None:
        """Successes by trials; None without a trial."""
        return self.successes / self.trials if self.trials else None


class Interval(NamedTuple):
    """From ``low`` to ``high``."""

    low: float
    high: float


class ProportionDifference(NamedTuple):
    """``share``: the one's less the other's; ``interval``: of 95 %."""

    share: float
    interval: Interval


def wilson_interval(proportion: Proportion, z: float = Z_95) -> Interval:
    """The score interval of a share (Wilson 1927); 0 to 1 without a trial. Raises ValueError."""
    successes, trials = proportion
    if not 0 <= successes <= trials:
        message = f"proportion: found {successes} successes of {trials}, expected 0 to as many as there are trials"
        raise ValueError(message)
    if trials == 0:
        return Interval(0.0, 1.0)
    share, squared = successes / trials, z * z
    middle = share + squared / (2 * trials)
    reach = z * math.sqrt(share * (1 - share) / trials + squared / (4 * trials * trials))
    scale = 1 + squared / trials
    low = 0.0 if successes == 0 else max(0.0, (middle - reach) / scale)
    high = 1.0 if successes == trials else min(1.0, (middle + reach) / scale)
    return Interval(low, high)


def difference_interval(one: Proportion, other: Proportion, z: float = Z_95) -> ProportionDifference | None:
    """How much more ``one`` has than ``other`` (Newcombe 1998, method 10); None when either has no trial.

    Raises ValueError.
    """
    first, second = wilson_interval(one, z), wilson_interval(other, z)
    if one.share is None or other.share is None:
        return None
    difference = one.share - other.share
    below = math.hypot(one.share - first.low, second.high - other.share)
    above = math.hypot(first.high - one.share, other.share - second.low)
    return ProportionDifference(difference, Interval(difference - below, difference + above))


def smallest_detectable(share: float, trials: float, other_trials: float) -> float | None:
    """The difference that two groups of these sizes show four times in five; None when either is empty.

    Two-sided 95 %, power 80 %, both groups near ``share``: (1.96 + 0.84) x sqrt(p (1 - p) (1/n + 1/m)), the normal
    approximation of any textbook (e.g. J. L. Fleiss, "Statistical methods for rates and proportions").
    """
    if trials <= 0 or other_trials <= 0:
        return None
    return (Z_95 + Z_POWER_80) * math.sqrt(share * (1 - share) * (1 / trials + 1 / other_trials))
