"""Dwell times: quantiles within the stated error, ranges exact, however they are merged."""

from bisect import bisect_left, bisect_right
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.support.dwell_sketch import EDGES_MS, RANK_ERROR, Dwell, DwellRow, stored_dwell

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


def dwell_of(times_ms: list[int]) -> Dwell:
    dwell = Dwell()
    for first in range(0, len(times_ms), 100):
        dwell.add(times_ms[first : first + 100])
    return dwell


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_of_many_merged_parts_keep_the_stated_error(seed: int) -> None:
    random = Random(seed)
    times_ms = [round(random.lognormvariate(9.8, 0.9)) for _ in range(30_000)]
    whole = Dwell()
    for first in range(0, len(times_ms), 700):
        whole.merge(stored_dwell(dwell_of(times_ms[first : first + 700]).row()))
    ordered = sorted(times_ms)
    assert whole.count == len(times_ms)
    for share, found in zip(SHARES, whole.quantiles(SHARES), strict=True):
        low, high = bisect_left(ordered, found) / len(ordered), bisect_right(ordered, found) / len(ordered)
        # Six shares of five streams: the 99 % of the stated error hold for each, so half as much again for all.
        assert low - 1.5 * RANK_ERROR <= share <= high + 1.5 * RANK_ERROR


@given(st.lists(st.integers(0, 20_000_000), max_size=400), st.integers(0, 400))
@settings(max_examples=100, deadline=None)
def test_ranges_are_exact(times_ms: list[int], cut: int) -> None:
    merged = dwell_of(times_ms[:cut])
    merged.merge(dwell_of(times_ms[cut:]))
    merged.settle()
    for index, edge in enumerate(EDGES_MS):
        assert sum(merged.ranges[index + 1 :]) == sum(each >= edge for each in times_ms)
    assert sum(merged.ranges) == merged.count == len(times_ms)


def test_a_sketch_stays_small_and_an_empty_one_has_no_quantiles() -> None:
    assert len(dwell_of(list(range(100_000))).row().sketch) < 2_000
    assert Dwell().quantiles(SHARES) == []


def test_bytes_that_are_no_sketch_are_refused() -> None:
    with pytest.raises(ValueError, match="sketch of dwell times: found 3 bytes that hold none"):
        stored_dwell(DwellRow([], b"abc"))
