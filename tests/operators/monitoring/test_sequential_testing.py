"""What is usual in this hour of the week, and that the test against it keeps its promise."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.monitoring.sequential_testing import (
    HOUR_MS,
    HOURS_A_WEEK,
    PARTS,
    TOLERATED_ODDS,
    Hour,
    Usual,
    Watch,
    log_e_value,
    log_limit,
    new_watch,
    slot_of,
)


def binomial(random: Random, trials: int, share: float) -> int:
    return sum(random.random() < share for _ in range(trials))


def log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def beta_binomial(k: int, n: int, share: float, strength: float) -> float:
    a, b = share * strength, (1 - share) * strength
    top = math.lgamma(k + a) + math.lgamma(n - k + b) - math.lgamma(n + strength)
    return math.exp(log_choose(n, k) + top - math.lgamma(a) - math.lgamma(b) + math.lgamma(strength))


@given(st.floats(0.005, 0.6), st.floats(40, 500), st.integers(1, 60), st.floats(0.2, 1.0))
@settings(max_examples=80, deadline=None)
def test_the_e_value_expects_at_most_one_while_nothing_is_worse(
    share: float, strength: float, trials: int, better: float
) -> None:
    odds = share / (1 - share) * TOLERATED_ODDS * better
    true = odds / (1 + odds)
    usual = Usual(share, strength)
    expectation = sum(
        beta_binomial(cases, trials, true, strength) * math.exp(log_e_value(Hour(0, cases, trials), usual))
        for cases in range(trials + 1)
    )
    assert expectation <= 1 + 1e-6
    if better == 1.0:
        assert expectation == pytest.approx(1.0)


def watched(random: Random, share: float, weeks: int, changed: float, from_week: int) -> tuple[Watch, int | None]:
    """A stream whose share is higher at weekends, and changes at one week; the hour of the first alarm."""
    limit, watch = log_limit(100, 0.2), new_watch()
    for hour in range(weeks * HOURS_A_WEEK):
        now = share * (1.5 if hour // 24 % 7 >= 5 else 1.0) * (changed if hour >= from_week * HOURS_A_WEEK else 1.0)
        seen = Hour(hour * HOUR_MS, binomial(random, 30, now), 30)
        if hour >= 2 * HOURS_A_WEEK:
            watch.see(seen)
            if watch.log_evidence >= limit:
                return watch, hour
        watch.baseline.learn(seen)
    return watch, None


@pytest.mark.parametrize("seed", range(4))
def test_weekends_that_are_always_worse_raise_nothing(seed: int) -> None:
    assert watched(Random(seed), 0.08, 8, changed=1.0, from_week=8)[1] is None


@pytest.mark.parametrize("seed", range(4))
def test_a_share_that_doubles_is_found_within_two_days(seed: int) -> None:
    watch, alarm = watched(Random(seed), 0.08, 6, changed=2.0, from_week=4)
    assert alarm is not None
    assert 0 < alarm - 4 * HOURS_A_WEEK <= 48
    found = watch.excursion
    assert found.cases > 1.4 * found.expected
    assert abs(found.since_ms / HOUR_MS - 4 * HOURS_A_WEEK) <= 48


def worse_for_hours(random: Random, hours: range, odds: float, weeks: int) -> int | None:
    """A stream that is worse in some hours of each day from the fourth week on; the hour of the first alarm."""
    limit, watch = log_limit(900, 0.1), new_watch()
    for hour in range(weeks * HOURS_A_WEEK):
        is_worse = hour >= 4 * HOURS_A_WEEK and hour % 24 in hours
        now = 0.05 / 0.95 * (odds if is_worse else 1.0)
        seen = Hour(hour * HOUR_MS, binomial(random, 25, now / (1 + now)), 25)
        if hour >= 2 * HOURS_A_WEEK:
            watch.see(seen)
            if watch.log_evidence >= limit:
                return hour
        if watch.log_evidence < limit / 2:
            watch.baseline.learn(seen)
    return None


@pytest.mark.parametrize("begins", [1, 10, 18, 22])
@pytest.mark.parametrize("seed", range(2))
def test_what_is_bad_for_five_hours_a_day_is_found_whenever_these_begin(begins: int, seed: int) -> None:
    hours = range(begins, min(24, begins + 5))
    alarm = worse_for_hours(Random(seed), hours, 5.0 if len(hours) == 5 else 10.0, 7)
    assert alarm is not None
    assert alarm >= 4 * HOURS_A_WEEK
    assert alarm % 24 in hours


def test_the_detectors_weigh_one_and_each_hour_is_heard_alike() -> None:
    assert sum(weight for weight, _ in PARTS) == pytest.approx(1.0)
    heard = [sum(slot in slots for _, slots in PARTS) for slot in range(HOURS_A_WEEK)]
    assert set(heard) == {4}
    weekend = next(slots for _, slots in PARTS if len(slots) == 48)
    assert weekend == frozenset(range(2 * 24, 4 * 24))


def test_the_mean_of_the_detectors_keeps_the_promise_on_false_alarms() -> None:
    """At the worst odds that are tolerated, drawn as the prediction says, an alarm at 40 takes 40 hours at least."""
    random, limit, waited = Random(1), math.log(40.0), 0
    known = new_watch()
    for hour in range(4 * HOURS_A_WEEK):
        known.baseline.learn(Hour(hour * HOUR_MS, 20, 200))
    runs = 40
    for _ in range(runs):
        watch, hour = Watch(known.baseline, new_watch().excursion), 0
        while watch.log_evidence < limit and hour < 400:
            usual = watch.baseline.usual(hour * HOUR_MS)
            odds = usual.share / (1 - usual.share) * TOLERATED_ODDS
            share = odds / (1 + odds)
            now = random.betavariate(share * usual.strength, (1 - share) * usual.strength)
            watch.see(Hour(hour * HOUR_MS, binomial(random, 30, now), 30))
            hour += 1
        waited += hour
    assert waited / runs >= 40


def test_the_usual_share_is_that_of_the_hour_of_the_week() -> None:
    watch = new_watch()
    for hour in range(6 * HOURS_A_WEEK):
        night = hour % 24 < 6
        watch.baseline.learn(Hour(hour * HOUR_MS, 30 if night else 10, 100))
    assert watch.baseline.usual(3 * HOUR_MS).share == pytest.approx(0.3, abs=0.02)
    assert watch.baseline.usual(15 * HOUR_MS).share == pytest.approx(0.1, abs=0.02)
    assert slot_of(HOURS_A_WEEK * HOUR_MS + 5) == slot_of(0) == 0


def test_after_starting_again_only_later_hours_count() -> None:
    watch = new_watch()
    for hour in range(HOURS_A_WEEK):
        watch.baseline.learn(Hour(hour * HOUR_MS, 10, 100))
    watch.see(Hour(0, 60, 100))
    assert watch.log_evidence > 5
    watch.start_again(10 * HOUR_MS)
    watch.see(Hour(9 * HOUR_MS, 60, 100))
    assert watch.log_evidence == -math.inf
    watch.see(Hour(10 * HOUR_MS, 60, 100))
    assert watch.log_evidence > 5
