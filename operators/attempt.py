"""What the tracker remembers: open attempts, their customers, and what it has counted.

Slotted classes and not msgspec records: these are written several times an event, and writing a
slot costs a sixth of what writing a field of a msgspec record does.
"""

from dataclasses import dataclass
from typing import Final

from operators.journey_plan import StepPlan
from operators.struggle import Struggle

CLOSED: Final = -1
"""The ``rung`` of an attempt that is over."""
NO_TIMER: Final = -1
"""The ``timer_ms`` of a customer whom no timer waits to forget: open attempts hold him."""

Key = tuple[str, str, str | None]


@dataclass(slots=True)
class Attempt:
    """One open attempt. ``due_ms``: when its next rung is reached; ``rung``: the index of that rung."""

    key: Key
    id: str
    place: StepPlan
    last_seen_ms: int
    due_ms: int
    timer_ms: int
    rung: int = 0
    cause: str | None = None
    struggle: Struggle | None = None


@dataclass(slots=True)
class Customer:
    """What is remembered of a customer beside open attempts: the last 64 message ids, as digests."""

    id: str
    recent: bytes
    due_ms: int
    timer_ms: int
    open_attempts: int = 0


@dataclass(slots=True)
class Counts:
    """What was read, by what became of it. ``late``: behind the watermark; ``disordered``: behind its own attempt."""

    events: int = 0
    duplicates: int = 0
    late: int = 0
    disordered: int = 0
    ignored: int = 0
