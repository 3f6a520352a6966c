import argparse
from collections.abc import Callable

import pytest

from zhiyin.console.argument_types import addresses, count, duration, moment, port, positive, whole


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (port, "0", 0),
        (port, "65535", 65_535),
        (count, "1", 1),
        (whole, "0", 0),
        (positive, "0.5", 0.5),
        (positive, "100000", 100_000),
        (duration, "90s", 90_000),
        (duration, "1.5h", 5_400_000),
    ],
)
def test_good_values(read: Callable[[str], float], text: str, value: float) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "texts", "expected"),
    [
        (port, ["65536", "-1", "http", "", "8080.0", "²"], "a port from 0 to 65535"),
        (count, ["0", "-3", "1e3", "9999999999999"], "a whole number, 1 or more"),
        (whole, ["-1", "x"], "a whole number, 0 or more"),
        (positive, ["0", "-1", "nan", "inf", "fast", "100001"], "a number above 0, at most 100000"),
        (duration, ["0s", "90", "", "-1s", "1 h"], "a duration such as 90s, 20m, 1h or 7d"),
    ],
)
def test_other_values_are_refused_in_words(read: Callable[[str], float], texts: list[str], expected: str) -> None:
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as raised:
            read(text)
        assert str(raised.value) == f"found {text!r}, expected {expected}"


NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2h", NOW_MS - 7_200_000),
        ("0s", NOW_MS),
        ("99999d", 0),
        ("2027-01-15", NOW_MS - 8 * 3_600_000),
        ("2027-01-15T08:00:00Z", NOW_MS),
        ("2027-01-15T08:00:00.001", NOW_MS + 1),
        ("2027-01-15T09:00:00+01:00", NOW_MS),
        ("0001-01-01", 0),
    ],
)
def test_moments(text: str, at_ms: int) -> None:
    assert moment(text)(NOW_MS) == at_ms


@pytest.mark.parametrize("text", ["", "yesterday", "2", "2027-13-01", "-2h"])
def test_other_moments_are_refused_in_words(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as raised:
        moment(text)
    assert str(raised.value) == (
        f"found {text!r}, expected so long ago, such as 90s, 2h or 7d, "
        "or an instant such as 2026-05-04 or 2026-05-04T11:59:00Z"
    )


def test_addresses_are_parted_by_semicolons_or_commas() -> None:
    assert addresses("a:1;b:2") == addresses(" a:1 , b:2;") == ("a:1", "b:2")
    with pytest.raises(
        argparse.ArgumentTypeError, match="found ' ;', expected host:port;host:port, one for each process"
    ):
        addresses(" ;")
