"""Whether a fix worked: never said too early, never without an interval that excludes chance."""

import pytest

from operators.monitoring.fix_effect import LEAST_MS, Side, effect, verdict


def side(cases: int, trials: int, usual: float = 0.1) -> Side:
    return Side(cases, trials, usual * trials)


@pytest.mark.parametrize(
    ("after", "since_ms", "expected"),
    [
        (side(100, 1000), LEAST_MS - 1, "waiting"),
        (side(5, 50), LEAST_MS, "waiting"),
        (side(100, 1000), LEAST_MS, "worked"),
        (side(290, 1000), LEAST_MS, "unproven"),
        (side(350, 1000), LEAST_MS, "unproven"),
        (side(200, 1000), LEAST_MS, "better"),
    ],
)
def test_the_verdict(after: Side, since_ms: int, expected: str) -> None:
    assert verdict(side(300, 1000), after, since_ms) == expected


def test_the_effect_is_newcombes_interval() -> None:
    # Newcombe 1998, table II, example (a): 56/70 - 48/80 = 0.2, method 10: 0.0524 to 0.3339.
    found = effect(Side(48, 80), Side(56, 70))
    assert found is not None
    assert found.share == pytest.approx(0.2)
    assert found.interval.low == pytest.approx(0.0524, abs=5e-5)
    assert found.interval.high == pytest.approx(0.3339, abs=5e-5)


def test_without_anything_after_it_there_is_no_effect() -> None:
    assert effect(side(3, 10), Side()) is None
    assert Side().usual_share is None
