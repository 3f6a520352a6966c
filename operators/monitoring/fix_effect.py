"""Whether a fix worked: the share after it against the share before, with an interval.

In: cases and trials before and after. Out: the difference with Newcombe's 95 % interval, and a verdict. Refused:
nothing; too little after the fix is the verdict ``waiting``.
"""

from typing import Final, Literal

import msgspec

from operators.support.intervals import Proportion, ProportionDifference, difference_interval, wilson_interval

LEAST_MS: Final = 72 * 3_600_000
"""A fix is looked at after three days, so that it has seen more than one kind of day."""
LEAST_TRIALS: Final = 100
NEAR_USUAL: Final = 1.25
"""A share is back to what is usual when it may be less than so many times that."""

FixVerdict = Literal["waiting", "worked", "better", "unproven"]


class Side(msgspec.Struct, array_like=True):
    """Before or after a fix: ``cases`` of ``trials``, and how many cases were usual."""

    cases: int = 0
    trials: int = 0
    usual: float = 0.0

    def add(self, cases: int, trials: int, usual_share: float) -> None:
        """One more hour."""
        self.cases += cases
        self.trials += trials
        self.usual += trials * usual_share

    @property
    def proportion(self) -> Proportion:
        """As a share of successes."""
        return Proportion(self.cases, self.trials)

    @property
    def usual_share(self) -> float | None:
        """The share that was usual in those hours; None without a trial."""
        return self.usual / self.trials if self.trials else None


def effect(before: Side, after: Side) -> ProportionDifference | None:
    """How much larger the share is after than before; None while either has no trial."""
    return difference_interval(after.proportion, before.proportion)


def verdict(before: Side, after: Side, since_ms: int) -> FixVerdict:
    """What can be said ``since_ms`` after the fix.

    ``worked``: it fell, with 95 % confidence, to near what is usual; ``better``: it fell, not that far.
    """
    difference = effect(before, after)
    if difference is None or since_ms < LEAST_MS or after.trials < LEAST_TRIALS:
        return "waiting"
    if difference.interval.high >= 0:
        return "unproven"
    usual_share = after.usual_share or 0.0
    return "worked" if wilson_interval(after.proportion).low <= NEAR_USUAL * usual_share else "better"
