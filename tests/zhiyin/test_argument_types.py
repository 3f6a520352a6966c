import argparse
from collections.abc import Callable

import pytest

from zhiyin.argument_types import count, duration, port, positive, whole


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
