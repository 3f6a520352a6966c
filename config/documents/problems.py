"""What is wrong in settings and catalogue: every problem at once, each with its location.

In: where (file, line, dotted path), what was found, what is expected.
Out: ``Problem`` records, and ``ConfigurationError`` that carries them.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

import msgspec

MOST_LISTED: Final = 15
"""More names than this are not listed in a message."""


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong. ``line`` counts from 1; None where there is no line to name."""

    file: str
    line: int | None
    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        location = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{location}: {self.path}: found {self.found}, expected {self.expected}"


class ConfigurationError(Exception):
    """Settings or catalogue can't be used; ``problems`` holds every reason, one a line in the text."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown(value: object, longest: int = 60) -> str:
    """``value`` as a message shows it: its kind for what has parts, else its text, cut when long."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value) if len(value) <= longest else f"{value[:longest]!r}... ({len(value)} characters)"
    return str(value)


def plain_number(number: float) -> str:
    """``100000000``, ``0.5``: never in powers of ten, whole where it is."""
    return str(int(number)) if float(number).is_integer() else str(number)


def suggestion(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """The name that ``name`` may stand for; when none is close ``otherwise``, or the known ones if they are few."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    if close:
        return f"{close[0]} (is that what was meant?)"
    if otherwise is None and len(names) <= MOST_LISTED:
        return f"one of {', '.join(names)}"
    return otherwise or f"one of the {len(names)} names that docs/reference lists"
