import math

import pytest

from bench.figures import Aim, figure, number, percentile, table


def test_a_percentile_is_the_smallest_sample_that_covers_its_share() -> None:
    samples = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(samples, share) for share in (0.0, 0.2, 0.5, 0.8, 0.81, 0.99, 1.0)] == [1, 1, 3, 4, 5, 5, 5]


def test_what_never_arrived_is_in_the_percentiles() -> None:
    samples = [1.0] * 98 + [math.inf] * 2
    assert percentile(samples, 0.5) == 1.0
    assert percentile(samples, 0.99) == math.inf


def test_no_samples_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="found no samples, expected at least one"):
        percentile([], 0.5)


def test_a_figure_is_the_median_with_its_spread() -> None:
    found = figure("speed", [3.0, 1.0, 2.0], "events/s")
    assert (found.value, found.lowest, found.highest, found.samples, found.verdict) == (2.0, 1.0, 3.0, 3, "")


@pytest.mark.parametrize(
    ("aim", "value", "verdict"),
    [
        (Aim(at_least=0.1), 0.1, "reached"),
        (Aim(at_least=0.1), 0.099, "MISSED"),
        (Aim(at_most=100), 100.0, "reached"),
        (Aim(at_most=100), math.inf, "MISSED"),
    ],
)
def test_an_aim_is_kept_or_missed(aim: Aim, value: float, verdict: str) -> None:
    assert figure("it", [value], "ms", aim).verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.11834, "0.118"), (12.34, "12.3"), (123.4, "123"), (1_234_567.0, "1,234,567"), (0.0, "0"), (math.inf, "inf")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_a_table_has_a_line_a_figure_and_its_note_below() -> None:
    figures = [
        figure("replay / decode only", [0.11, 0.12, 0.13], "", Aim(at_least=0.1), "of real people"),
        figure("memory", [1.25], "kB"),
    ]
    heading, rule, ratio, note, memory = table(figures).splitlines()
    assert heading.split() == ["figure", "median", "spread", "aim"]
    assert set(rule) == {"-", " "}
    assert ratio.split("  ")[0] == "replay / decode only"
    assert ratio.split()[-3:] == [">=", "0.1", "reached"]
    assert "0.11 to 0.13" in ratio
    assert note == "    of real people"
    assert memory.split() == ["memory", "1.25", "kB"]
