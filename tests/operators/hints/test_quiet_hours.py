"""Quiet hours on the customer's wall clock, over midnight and over the changes of the clocks."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.hints.quiet_hours import quiet_until
from operators.records.catalogue import QuietHours
from operators.support.timestamps import iso_text, to_ms


def hours(start: str, end: str, zone: str = "Asia/Shanghai") -> QuietHours:
    return QuietHours(zone, start, end)


def until(quiet: QuietHours, now: str) -> str | None:
    end_ms = quiet_until(quiet, to_ms(datetime.fromisoformat(now)))
    return None if end_ms is None else iso_text(end_ms)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-03-01T20:59:59.999+08:00", None),
        ("2026-03-01T21:00:00+08:00", "2026-03-02T00:00:00.000Z"),
        ("2026-03-01T23:59:59+08:00", "2026-03-02T00:00:00.000Z"),
        ("2026-03-02T00:00:00+08:00", "2026-03-02T00:00:00.000Z"),
        ("2026-03-02T07:59:59.999+08:00", "2026-03-02T00:00:00.000Z"),
        ("2026-03-02T08:00:00+08:00", None),
    ],
)
def test_over_midnight(now: str, end: str | None) -> None:
    assert until(hours("21:00", "08:00"), now) == end


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-03-01T12:59:00+08:00", None),
        ("2026-03-01T13:00:00+08:00", "2026-03-01T06:00:00.000Z"),
        ("2026-03-01T14:00:00+08:00", None),
        ("2026-03-01T23:00:00+08:00", None),
    ],
)
def test_within_one_day(now: str, end: str | None) -> None:
    assert until(hours("13:00", "14:00"), now) == end


def test_equal_times_are_no_quiet_hours() -> None:
    assert until(hours("08:00", "08:00"), "2026-03-01T08:00:00+08:00") is None


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-03-08T01:59:00-05:00", "2026-03-08T12:00:00.000Z"),
        ("2026-03-08T03:00:00-04:00", "2026-03-08T12:00:00.000Z"),
        ("2026-11-01T01:30:00-04:00", "2026-11-01T13:00:00.000Z"),
        ("2026-11-01T01:30:00-05:00", "2026-11-01T13:00:00.000Z"),
    ],
)
def test_a_night_in_which_the_clocks_change_ends_at_eight_by_the_clock(now: str, end: str) -> None:
    assert until(hours("22:00", "08:00", "America/New_York"), now) == end


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-01T01:29:00-04:00", "2026-11-01T06:30:00.000Z"),
        ("2026-11-01T01:45:00-04:00", "2026-11-01T06:30:00.000Z"),
        ("2026-11-01T01:29:00-05:00", "2026-11-01T06:30:00.000Z"),
        ("2026-11-01T01:30:00-05:00", None),
    ],
)
def test_an_end_that_comes_twice_counts_the_second_time(now: str, end: str | None) -> None:
    assert until(hours("22:00", "01:30", "America/New_York"), now) == end


def test_a_beginning_that_comes_twice_counts_the_first_time() -> None:
    quiet = hours("01:30", "06:00", "America/New_York")
    assert until(quiet, "2026-11-01T01:29:00-04:00") is None
    assert until(quiet, "2026-11-01T01:30:00-04:00") == "2026-11-01T11:00:00.000Z"
    assert until(quiet, "2026-11-01T01:15:00-05:00") == "2026-11-01T11:00:00.000Z"


def test_an_end_that_is_skipped_ends_no_sooner() -> None:
    quiet = hours("22:00", "02:30", "America/New_York")
    assert until(quiet, "2026-03-08T01:59:00-05:00") == "2026-03-08T07:30:00.000Z"
    assert until(quiet, "2026-03-08T03:30:00-04:00") is None


def test_a_zone_nobody_knows_is_named() -> None:
    with pytest.raises(ZoneInfoNotFoundError, match="Mars/Olympus"):
        quiet_until(hours("22:00", "08:00", "Mars/Olympus"), 0)


@pytest.mark.parametrize(("start", "end"), [("02:00", "01:00"), ("02:30", "01:30"), ("02:30", "01:59")])
def test_a_beginning_that_is_skipped_is_when_the_clocks_change(start: str, end: str) -> None:
    changes_ms = to_ms(datetime.fromisoformat("2026-03-08T07:00Z"))
    quiet = hours(start, end, "America/New_York")
    assert quiet_until(quiet, changes_ms - 1) is None
    assert quiet_until(quiet, changes_ms) is not None


ZONES = ["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "UTC"]
clock_times = st.times().map(lambda each: each.strftime("%H:%M"))


def instants(first: str, last: str) -> st.SearchStrategy[int]:
    return st.integers(to_ms(datetime.fromisoformat(first)), to_ms(datetime.fromisoformat(last)))


@settings(deadline=None, max_examples=300)
@given(
    clock_times,
    clock_times,
    st.sampled_from(ZONES),
    st.one_of(
        instants("2020-01-01T00:00Z", "2030-01-01T00:00Z"),
        instants("2026-03-07T12:00Z", "2026-03-09T00:00Z"),
        instants("2026-10-31T12:00Z", "2026-11-02T00:00Z"),
    ),
)
def test_whenever_the_clock_on_the_wall_says_quiet_it_is(start: str, end: str, zone: str, now_ms: int) -> None:
    wall = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone)).time()
    quiet = hours(start, end, zone)
    end_ms = quiet_until(quiet, now_ms)
    if _is_between(wall, time.fromisoformat(start), time.fromisoformat(end)):
        assert end_ms is not None
    if end_ms is not None:
        assert now_ms < end_ms <= now_ms + 26 * 3_600_000
        both_skipped = _offset(end_ms - 60_000, zone) != _offset(end_ms, zone)
        assert quiet_until(quiet, end_ms) is None or both_skipped, "one spell ends where the next begins"


def _offset(at_ms: int, zone: str) -> timedelta | None:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).utcoffset()


def _is_between(wall: time, start: time, end: time) -> bool:
    if start <= end:
        return start <= wall < end
    return wall >= start or wall < end
