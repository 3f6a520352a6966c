"""A faster world: what customers are waited for is divided, what hands and machines need is not."""

import pytest

from config import load_catalogue
from operators.records.catalogue import Catalogue, sped_up
from tests.parts.machine import ROOT


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "config" / "catalog")


def test_waiting_is_divided(catalogue: Catalogue) -> None:
    fast = sped_up(catalogue, 10)
    loan, fast_loan = catalogue.journeys["policy_loan"], fast.journeys["policy_loan"]
    assert fast_loan.forget_after_ms * 10 == loan.forget_after_ms
    for step, fast_step in zip(loan.steps, fast_loan.steps, strict=True):
        assert fast_loan.idle_after_ms(fast_step) * 10 == loan.idle_after_ms(step)
        assert (fast_step.hesitation_after is None) == (step.hesitation_after is None)
    assert fast_loan.steps[1].hesitation_after == "9000ms"
    assert fast.struggle.hesitation_after == "6000ms"
    assert fast.idle_checkpoints == ("3000ms", "6000ms", "12000ms", "30000ms", "60000ms", "120000ms")
    assert fast.hints.lifetime == fast.caps.window == "8640000ms"


def test_lateness_and_rage_clicks_stay(catalogue: Catalogue) -> None:
    fast = sped_up(catalogue, 1000)
    assert fast.lateness_ms == catalogue.lateness_ms
    assert fast.struggle.rage_within == catalogue.struggle.rage_within
    assert fast.quiet_hours == catalogue.quiet_hours


def test_nothing_falls_below_a_millisecond_and_checkpoints_stay_apart(catalogue: Catalogue) -> None:
    fast = sped_up(catalogue, 1e12)
    assert fast.journeys["claim"].idle_after == "1ms"
    assert fast.idle_checkpoints == ("1ms",)


def test_speed_one_changes_nothing(catalogue: Catalogue) -> None:
    assert sped_up(catalogue, 1.0) is catalogue


def test_slower_is_possible(catalogue: Catalogue) -> None:
    assert sped_up(catalogue, 0.5).journeys["policy_loan"].idle_after == "600000ms"


@pytest.mark.parametrize("speed", [0, -2, float("inf"), float("nan")])
def test_a_speed_that_is_none_is_refused(catalogue: Catalogue, speed: float) -> None:
    with pytest.raises(ValueError, match=rf"speed: found {speed}, expected a number above 0"):
        sped_up(catalogue, speed)
