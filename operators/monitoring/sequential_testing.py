"""Whether a share is beyond its own past: what is usual in this hour of the week, and a test that bounds false alarms.

In: for one stream (a step's loss, say) and each hour, how many of how many. Out: what was expected, and whether
the evidence against "as usual" has reached a limit. Refused: nothing.

What is usual is learned by hour of the week, each week counting three quarters of the next; an hour with little
behind it leans on its six-hour block of the week, and that on everything. The prediction for an hour is a
beta-binomial: it knows how little it knows, and that hours differ by themselves (``MOST_STRENGTH``).

The test: each hour gives the ratio of the likelihood under worse odds (half as much again, two and a half times,
five times; their mean) to that under usual odds with a tenth added. Its expectation is at most 1 while nothing is
worse, so it is an e-value, and the Shiryaev-Roberts sum of their products, R = (R + 1) x ratio, is an e-detector: the
expected number of hours until it first reaches a limit c is at least c, however the hours are chosen. One such sum
sees every hour, others those of a part of the week only (``PARTS``): what is bad in the evening only is worn down by
the good hours of the day in the first, not in its own. A weighted mean of e-detectors is one itself, so that the
promise holds of the mean. With S streams and c = 168 S / f, at most f false alarms a week are expected in all.

Source: J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", New
England Journal of Statistics in Data Science 2 (2024); for the limit, theorem 2.4.
"""

import math
from typing import Final

import msgspec

HOUR_MS: Final = 3_600_000
HOURS_A_WEEK: Final = 168
_BLOCK: Final = 6
_FADES: Final = 0.75
_LEANS_ON_ALL: Final = 20.0
_LEANS_ON_BLOCK: Final = 40.0
MOST_STRENGTH: Final = 500.0
"""However much is known of an hour, the next of its kind differs from it as two draws of 500 do."""
TOLERATED_ODDS: Final = 1.1
WORSE_ODDS: Final = (1.5, 2.5, 5.0)
_LOG_ZERO: Final = -math.inf
_DAYS_OFF: Final = (2, 3)
"""Saturday and Sunday, counted from a Thursday."""
_WINDOW: Final = 6
_WINDOWS_BEGIN: Final = range(0, 24, 3)


def _parts() -> tuple[tuple[float, frozenset[int]], ...]:
    """Half the weight sees all; a quarter six hours of a day, from every third hour on; a quarter days off, or not."""
    slots = range(HOURS_A_WEEK)
    windows = [frozenset(slot for slot in slots if (slot - begin) % 24 < _WINDOW) for begin in _WINDOWS_BEGIN]
    off = frozenset(slot for slot in slots if slot // 24 in _DAYS_OFF)
    return (
        (1 / 2, frozenset(slots)),
        *((1 / 4 / len(windows), window) for window in windows),
        (1 / 8, off),
        (1 / 8, frozenset(slots) - off),
    )


PARTS: Final = _parts()
"""The weight of each detector, and the hours of the week it sees."""
_WEIGHTS: Final = tuple(weight for weight, _ in PARTS)
_PARTS_BY_SLOT: Final = tuple(
    tuple(part for part, (_, slots) in enumerate(PARTS) if slot in slots) for slot in range(HOURS_A_WEEK)
)


class Hour(msgspec.Struct, frozen=True):
    """``cases`` of ``trials`` in one hour that began at ``start_ms`` (UTC)."""

    start_ms: int
    cases: int
    trials: int


class Usual(msgspec.Struct, frozen=True):
    """What is usual: a share, and for how many trials it speaks."""

    share: float
    strength: float


class Baseline(msgspec.Struct, array_like=True):
    """Cases and trials by hour of the week, faded; ``cases``, ``trials``: their sums."""

    cases_by_slot: list[float]
    trials_by_slot: list[float]
    cases: float = 0.0
    trials: float = 0.0

    def usual(self, start_ms: int) -> Usual:
        """What to expect in the hour that begins at ``start_ms``."""
        slot = slot_of(start_ms)
        block = slice(slot // _BLOCK * _BLOCK, slot // _BLOCK * _BLOCK + _BLOCK)
        block_cases, block_trials = sum(self.cases_by_slot[block]), sum(self.trials_by_slot[block])
        cases, trials = self.cases_by_slot[slot], self.trials_by_slot[slot]
        share = (self.cases + 0.5) / (self.trials + 1)
        share = (block_cases + _LEANS_ON_ALL * share) / (block_trials + _LEANS_ON_ALL)
        share = (cases + _LEANS_ON_BLOCK * share) / (trials + _LEANS_ON_BLOCK)
        return Usual(share, min(MOST_STRENGTH, trials + block_trials / 2 + _LEANS_ON_BLOCK))

    def learn(self, hour: Hour) -> None:
        """One more week of this hour."""
        slot = slot_of(hour.start_ms)
        cases = self.cases_by_slot[slot] * _FADES + hour.cases
        trials = self.trials_by_slot[slot] * _FADES + hour.trials
        self.cases += cases - self.cases_by_slot[slot]
        self.trials += trials - self.trials_by_slot[slot]
        self.cases_by_slot[slot], self.trials_by_slot[slot] = cases, trials


class Excursion(msgspec.Struct, array_like=True):
    """What has been seen since the share began to look worse than usual. ``expected``: cases."""

    since_ms: int = 0
    cases: int = 0
    trials: int = 0
    expected: float = 0.0
    evidence: float = 0.0
    """Log of the likelihood ratio since then; it begins anew when it falls to nothing."""


class Watch(msgspec.Struct, array_like=True):
    """One stream under watch. ``from_ms``: hours before count for nothing.

    ``log_evidence``: of the mean of all detectors; ``log_sums``: of each, as in ``PARTS`` (empty: nothing seen yet).
    """

    baseline: Baseline
    excursion: Excursion
    log_evidence: float = _LOG_ZERO
    from_ms: int = 0
    log_sums: list[float] = []

    def see(self, hour: Hour) -> None:
        """Weighs one hour against what is usual, without learning from it."""
        if hour.trials and hour.start_ms >= self.from_ms:
            usual = self.baseline.usual(hour.start_ms)
            log_ratio = log_e_value(hour, usual)
            self._observe(slot_of(hour.start_ms), log_ratio)
            self._note(hour, usual, log_ratio)

    def start_again(self, from_ms: int) -> None:
        """Forgets the evidence: only hours from ``from_ms`` on count, and none that did not count before."""
        self.from_ms, self.excursion = max(from_ms, self.from_ms), Excursion()
        self.log_evidence, self.log_sums = _LOG_ZERO, []

    def _observe(self, slot: int, log_ratio: float) -> None:
        sums = self.log_sums or [self.log_evidence, *(_LOG_ZERO for _ in _WEIGHTS[1:])]
        for part in _PARTS_BY_SLOT[slot]:
            sums[part] = log_ratio + math.log1p(math.exp(min(700.0, sums[part])))
        highest = max(sums)
        mean = sum(weight * math.exp(log_sum - highest) for weight, log_sum in zip(_WEIGHTS, sums, strict=True))
        self.log_sums, self.log_evidence = sums, highest + math.log(mean)

    def _note(self, hour: Hour, usual: Usual, log_ratio: float) -> None:
        if self.excursion.evidence <= 0:
            self.excursion = Excursion(since_ms=hour.start_ms)
        self.excursion.cases += hour.cases
        self.excursion.trials += hour.trials
        self.excursion.expected += hour.trials * usual.share
        self.excursion.evidence += log_ratio


def new_watch() -> Watch:
    """A stream of which nothing is known."""
    return Watch(Baseline([0.0] * HOURS_A_WEEK, [0.0] * HOURS_A_WEEK), Excursion())


def slot_of(start_ms: int) -> int:
    """The hour of the week, 0 to 167, counted from a Thursday's midnight UTC, as epoch time is."""
    return start_ms // HOUR_MS % HOURS_A_WEEK


def log_limit(streams: int, false_alarms_a_week: float) -> float:
    """The log of the limit at which ``streams`` together give at most so many false alarms a week."""
    return math.log(streams * HOURS_A_WEEK / false_alarms_a_week)


def log_e_value(hour: Hour, usual: Usual) -> float:
    """The log of how much likelier the hour is under worse odds than under usual ones."""
    usual_likelihood = _log_likelihood(hour, _with_odds(usual.share, TOLERATED_ODDS), usual.strength)
    ratios = [
        _log_likelihood(hour, _with_odds(usual.share, TOLERATED_ODDS * odds), usual.strength) - usual_likelihood
        for odds in WORSE_ODDS
    ]
    highest = max(ratios)
    return highest + math.log(sum(math.exp(ratio - highest) for ratio in ratios) / len(ratios))


def _with_odds(share: float, factor: float) -> float:
    odds = share / (1 - share) * factor
    return odds / (1 + odds)


def _log_likelihood(hour: Hour, share: float, strength: float) -> float:
    """Beta-binomial, but for the number of ways, which is the same under all odds."""
    alpha, beta = share * strength, (1 - share) * strength
    return _log_beta(hour.cases + alpha, hour.trials - hour.cases + beta) - _log_beta(alpha, beta)


def _log_beta(alpha: float, beta: float) -> float:
    return math.lgamma(alpha) + math.lgamma(beta) - math.lgamma(alpha + beta)
