"""Intervals against published worked examples, and against repeated sampling."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.support.intervals import Proportion, difference_interval, smallest_detectable, wilson_interval


def test_wilson_gives_newcombes_own_examples() -> None:
    low, high = wilson_interval(Proportion(81, 263))
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = wilson_interval(Proportion(0, 20))
    assert (round(low, 4), round(high, 4)) == (0.0, 0.1611)
    assert wilson_interval(Proportion(0, 0)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        (Proportion(56, 70), Proportion(48, 80), 0.0524, 0.3339),
        (Proportion(9, 10), Proportion(3, 10), 0.1705, 0.8090),
        (Proportion(10, 10), Proportion(0, 20), 0.6791, 1.0),
    ],
    ids=str,
)
def test_the_difference_is_newcombes_method_ten(one: Proportion, other: Proportion, low: float, high: float) -> None:
    found = difference_interval(one, other)
    assert found is not None
    assert (round(found.interval.low, 4), round(found.interval.high, 4)) == (low, high)


def test_nothing_can_be_said_of_an_empty_group() -> None:
    assert difference_interval(Proportion(0, 0), Proportion(3, 10)) is None
    assert smallest_detectable(0.5, 0, 10) is None


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="found 4 successes of 3, expected 0 to as many as there are trials"):
        wilson_interval(Proportion(4, 3))


counts = st.integers(1, 400).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))


@given(one=counts, other=counts)
def test_the_interval_holds_the_difference_and_turns_with_it(one: tuple[int, int], other: tuple[int, int]) -> None:
    found = difference_interval(Proportion(*one), Proportion(*other))
    turned = difference_interval(Proportion(*other), Proportion(*one))
    assert found is not None
    assert turned is not None
    assert -1.0 - 1e-9 <= found.interval.low <= found.share + 1e-9
    assert found.share - 1e-9 <= found.interval.high <= 1.0 + 1e-9
    assert math.isclose(found.interval.low, -turned.interval.high, abs_tol=1e-12)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    chance = random.Random(7)
    covered, rounds = 0, 2_000
    for _ in range(rounds):
        one = Proportion(sum(chance.random() < 0.30 for _ in range(60)), 60)
        other = Proportion(sum(chance.random() < 0.22 for _ in range(40)), 40)
        found = difference_interval(one, other)
        assert found is not None
        covered += found.interval.low <= 0.08 <= found.interval.high
    assert 0.93 <= covered / rounds <= 0.975


def test_the_smallest_detectable_difference_is_seen_four_times_in_five() -> None:
    chance, share, trials, others = random.Random(11), 0.2, 500, 200
    smallest = smallest_detectable(share, trials, others)
    assert smallest is not None
    seen, rounds = 0, 600
    for _ in range(rounds):
        one = Proportion(sum(chance.random() < share + smallest for _ in range(trials)), trials)
        other = Proportion(sum(chance.random() < share for _ in range(others)), others)
        found = difference_interval(one, other)
        seen += found is not None and found.interval.low > 0
    assert 0.72 <= seen / rounds <= 0.87
