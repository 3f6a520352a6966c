"""Values on the command line: text to numbers, durations and moments.

In: what was typed. Out: a number, or a moment once the time is known.
Refused: what is none, in words argparse puts after the option's name.
"""

import argparse
import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from operators.support.timestamps import duration_ms, to_ms

HIGHEST_PORT: Final = 65_535
HIGHEST_SPEED: Final = 100_000
"""As the setting ``speed`` allows."""
_MOST_DIGITS: Final = 12

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

Making = Callable[..., argparse.ArgumentParser]
"""How this program makes one command: ``make(commands, name, does, more, *examples)``."""


def port(text: str) -> int:
    """A port, 0 to 65535."""
    number = _whole(text)
    if number is None or number > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a port from 0 to {HIGHEST_PORT}")
    return number


def count(text: str) -> int:
    """A whole number, 1 or more."""
    number = _whole(text)
    if number is None or number == 0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number, 1 or more")
    return number


def whole(text: str) -> int:
    """A whole number, 0 or more."""
    number = _whole(text)
    if number is None:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number, 0 or more")
    return number


def positive(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= HIGHEST_SPEED:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number above 0, at most {HIGHEST_SPEED}")
    return number


def duration(text: str) -> int:
    """Milliseconds of ``90s``, ``20m``, ``1h``."""
    try:
        milliseconds = duration_ms(text)
    except ValueError:
        milliseconds = 0
    if milliseconds == 0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a duration such as 90s, 20m, 1h or 7d")
    return milliseconds


def moment(text: str) -> Callable[[int], int]:
    """Epoch ms of ``2h`` (so long ago) or ``2026-05-04T11:59:00Z`` (UTC where no zone is said), once now is known."""
    try:
        ago_ms = duration_ms(text)
    except ValueError:
        at_ms = _instant_ms(text)
        return lambda _: at_ms
    return lambda now_ms: max(0, now_ms - ago_ms)


def addresses(text: str) -> tuple[str, ...]:
    """``host:port;host:port``, with semicolons or commas; what each is worth the settings' checks say."""
    parts = tuple(part.strip() for part in re.split("[;,]", text) if part.strip())
    if not parts:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected host:port;host:port, one for each process")
    return parts


def _instant_ms(text: str) -> int:
    try:
        return max(0, to_ms(datetime.fromisoformat(text)))
    except (ValueError, OverflowError):
        expected = "so long ago, such as 90s, 2h or 7d, or an instant such as 2026-05-04 or 2026-05-04T11:59:00Z"
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}") from None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
