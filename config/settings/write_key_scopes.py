"""What a write key may send: one line of the setting ``write_key_scopes`` taken apart.

In: ``KEY;events=Transaction Started|Page Hidden;journeys=policy_loan;origins=https://www.example.com;events_per_s=50``.
Out: a ``WriteKeyScope``; what a line does not name is not limited. Refused (``ScopeUnreadable``): a line without a key,
a name that is none of the four, an empty or double one, a number that is none.
"""

from typing import Final

import msgspec

WORDS: Final = ("events", "journeys", "origins", "events_per_s")


class WriteKeyScope(msgspec.Struct, frozen=True):
    """Names of events, journeys and origins that go with a key (None: any), and how many events a second (0: any)."""

    key: str
    events: frozenset[str] | None = None
    journeys: frozenset[str] | None = None
    origins: frozenset[str] | None = None
    events_per_s: float | None = None


class ScopeUnreadable(Exception):
    """A line that is no scope. ``found``, ``expected``: as text, never the key."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"write_key_scopes: found {found}, expected {expected}")


def read_scope(line: str) -> WriteKeyScope:
    """The scope that a line says. Raises ScopeUnreadable."""
    key, *parts = line.split(";")
    limits: dict[str, str] = {}
    for part in parts:
        name, _, value = part.strip().partition("=")
        if name not in WORDS:
            raise ScopeUnreadable(f"the word {name[:40]!r}", f"one of {', '.join(WORDS)}")
        if not value or name in limits:
            raise ScopeUnreadable(f"{name} without a value or twice", f"{name}=...")
        limits[name] = value
    if not key or not limits:
        raise ScopeUnreadable("a line without a key or without a limit", "KEY;events=A|B and so on")
    lists = {name: frozenset(limits[name].split("|")) for name in WORDS[:3] if name in limits}
    return WriteKeyScope(key, **lists, events_per_s=_rate(limits.get("events_per_s")))


def _rate(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < float("inf"):
        raise ScopeUnreadable(f"events_per_s {text[:40]!r}", "a number of 0 (no limit) or more")
    return rate
