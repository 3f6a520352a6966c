"""Buckets: evenly filled, never overdrawn by one name for another, and bounded in number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.problems import HttpProblem
from gateway.http.rate_limit import BURST_S, Rates


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_ten_seconds_worth_at_once_then_as_it_fills() -> None:
    clock = ManualClock()
    rates = Rates(2, clock)
    assert [rates.wait_s("a") for _ in range(21)] == [0.0] * 20 + [0.5]
    assert rates.wait_s("b") == 0
    clock.now_s += 0.5
    assert [rates.wait_s("a"), rates.wait_s("a")] == [0.0, 0.5]


def test_what_is_refused_says_when_to_come_again() -> None:
    rates = Rates(1, ManualClock())
    for _ in range(10):
        rates.require("a", "this token")
    with pytest.raises(HttpProblem, match="found more than 1 a second from this token, expected at most 1") as caught:
        rates.require("a", "this token")
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})


def test_no_limit_is_none_and_a_name_may_have_its_own() -> None:
    rates = Rates(0, ManualClock())
    assert [rates.wait_s("a", 1e9), rates.wait_s("a")] == [0, 0]
    assert [rates.wait_s("b", 1_000, per_s=10), rates.wait_s("b", 1, per_s=10)] == [0, 90.1]
    assert len(rates) == 1


def test_ever_new_names_fill_no_memory() -> None:
    rates = Rates(1, ManualClock(), remembered=100)
    for number in range(1_000):
        rates.wait_s(str(number))
    assert len(rates) == 100


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 30)), max_size=60),
    st.floats(0.5, 20),
)
def test_no_more_passes_than_was_allowed(asked: list[tuple[float, float]], per_s: float) -> None:
    clock = ManualClock()
    rates = Rates(per_s, clock)
    passed = 0.0
    for pause_s, cost in asked:
        clock.now_s += pause_s
        if rates.wait_s("a", cost) == 0:
            passed += cost
    allowed = per_s * (BURST_S + clock.now_s - 100) + 30
    assert passed <= allowed * 1.000001
