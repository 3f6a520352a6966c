"""What the tracker remembers: customers with their open attempts, and what it has counted.

Slotted classes and not msgspec records: these are written several times an event, and writing a
slot costs a sixth of what writing a field of a msgspec record does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from operators.journey_plan import JourneyPlan, StepPlan
from operators.struggle import Struggle

CLOSED: Final = -1
"""The ``rung`` of an attempt that is over."""
NO_TIMER: Final = -1
"""The ``timer_ms`` of a customer whom no timer waits to forget: open attempts hold him."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One open attempt. ``due_ms``: when its next rung is reached; ``rung``: the index of that rung.

    ``timer_ms``: what its timer waits for, ``due_ms`` and the journey's patience, or earlier.
    """

    customer: "Customer"
    plan: JourneyPlan
    transaction_id: str | None
    id: str
    place: StepPlan
    last_seen_ms: int
    due_ms: int
    timer_ms: int
    rung: int = 0
    cause: str | None = None
    struggle: Struggle | None = None


@dataclass(slots=True, eq=False)
class Customer:
    """One customer: the last 64 message ids as digests, and his open attempts, nearly always one.

    ``latest``: the attempt opened last, while it is open; ``others``: by journey and transaction.
    ``changed``: since the last snapshot.
    """

    id: str
    recent: bytes
    due_ms: int
    timer_ms: int
    changed: bool
    latest: Attempt | None = None
    others: dict[tuple[str, str | None], Attempt] | None = None

    def other(self, plan: JourneyPlan, transaction_id: str | None) -> Attempt | None:
        """The open attempt of a journey and transaction, not being the latest."""
        return None if self.others is None else self.others.get((plan.name, transaction_id))

    def hold(self, attempt: Attempt) -> None:
        """Another open attempt."""
        before = self.latest
        if before is not None:
            if self.others is None:
                self.others = {}
            self.others[before.plan.name, before.transaction_id] = before
        self.latest = attempt

    def let_go(self, attempt: Attempt) -> None:
        """An attempt that is over; also breaks the ring of references, so that both are freed at once."""
        if self.latest is attempt:
            self.latest = None
        elif self.others is not None:
            del self.others[attempt.plan.name, attempt.transaction_id]
            self.others = self.others or None

    @property
    def is_busy(self) -> bool:
        """Whether any attempt is open."""
        return self.latest is not None or self.others is not None

    def attempts(self) -> Iterator[Attempt]:
        """The open attempts, the latest last."""
        if self.others is not None:
            yield from self.others.values()
        if self.latest is not None:
            yield self.latest


@dataclass(slots=True)
class Counts:
    """What was read, by what became of it. ``late``: behind the watermark; ``disordered``: behind its own attempt."""

    events: int = 0
    duplicates: int = 0
    late: int = 0
    disordered: int = 0
    ignored: int = 0
