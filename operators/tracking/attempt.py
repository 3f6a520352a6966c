"""What the tracker remembers: customers with their open attempts, and what it has counted.

Slotted classes and not msgspec records: these are written several times an event, and writing a
slot costs a sixth of what writing a field of a msgspec record does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xxhash import xxh3_64_digest

from operators.records.events import Event
from operators.records.facts import Observation, ObservationKind, Signal
from operators.tracking.features import time_bin
from operators.tracking.plan import JourneyPlan, StepPlan
from operators.tracking.struggle_signals import StruggleState
from operators.tracking.transitions import FAILED, STUMBLED, UNKNOWN_DWELL, Transition

NO_TIMER: Final = -1
"""The ``timer_ms`` of a customer whom no timer waits to forget: open attempts hold him."""

TRAIL_STEPS: Final = 8
"""How many of the last steps left behind a trail has."""
_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(256))


@dataclass(slots=True, eq=False)
class Attempt:
    """One open attempt, what every event asks for first. ``checkpoint``: the index of the next it reaches.

    ``digest``: its id as eight bytes, which take half of the room of its text.
    ``timer_ms``: what its timer waits for, ``due_ms`` and the journey's patience, or earlier.
    ``segment``: of the journey map; ``entered_ms``: when it came to its step. ``has_failed``: since it came to
    its step; ``has_broken_off``: one of its silences counted as broken off.
    Where the journey learns, ``trail`` has one byte for each of the last steps left behind (``features.time_bin`` of
    the time spent there), and ``stepped_ms`` is when it last went to another step.
    """

    plan: JourneyPlan
    transaction_id: str | None
    step: StepPlan
    last_seen_ms: int
    checkpoint: int
    cause: str | None
    struggle: StruggleState | None
    timer_ms: int
    customer: "Customer"
    digest: bytes
    segment: str = ""
    entered_ms: int = 0
    has_failed: bool = False
    has_broken_off: bool = False
    started_ms: int = 0
    stepped_ms: int = 0
    trail: bytes = b""
    is_closed: bool = False

    @property
    def due_ms(self) -> int:
        """When its next checkpoint is reached."""
        return self.last_seen_ms + self.step.checkpoints_ms[self.checkpoint]

    @property
    def is_away(self) -> bool:
        """Whether its silence counts as broken off: only its end is still waited for."""
        return self.checkpoint == len(self.step.checkpoints_ms) - 1

    def observation(
        self,
        kind: ObservationKind,
        at_ms: int,
        idle_ms: int = 0,
        signals: tuple[Signal, ...] = (),
        broken_off: bool = False,
    ) -> Observation:
        """One observation of it."""
        return Observation(
            kind,
            at_ms,
            self.digest.hex(),
            self.customer.id,
            self.plan.name,
            self.transaction_id,
            self.step.id,
            self.cause,
            idle_ms,
            signals,
            self.started_ms,
            self.trail,
            self.segment,
            broken_off,
        )

    def leave_behind(self, at_ms: int) -> None:
        """Notes the time spent at the step that is left at ``at_ms``."""
        self.trail = self.trail[1 - TRAIL_STEPS :] + _ONE_BYTE[time_bin(at_ms - self.stepped_ms)]
        self.stepped_ms = at_ms

    def stay(self, step: StepPlan, at_ms: int, transitions: list[Transition]) -> None:
        """Notes an event at ``step``: another step, or the same after a silence.

        A silence that counts as broken off is no time spent at a step: the dwell is not known.
        """
        step_before, was_away = self.step, self.is_away
        if step is not step_before:
            dwell_ms = UNKNOWN_DWELL if was_away else at_ms - self.entered_ms
            transitions.append((self.plan.name, step_before.transitions[step.id], at_ms, self.segment, dwell_ms))
        elif not was_away:
            return
        self.entered_ms = at_ms
        self.has_failed = False

    def fail(self, code: str, at_ms: int, transitions: list[Transition]) -> None:
        """Notes a failure at the step, and the first since it was entered."""
        step = self.step.id or ""
        transitions.append((self.plan.name, (FAILED, step, code), at_ms, self.segment, UNKNOWN_DWELL))
        if not self.has_failed:
            self.has_failed = True
            transitions.append((self.plan.name, (STUMBLED, step, ""), at_ms, self.segment, UNKNOWN_DWELL))


@dataclass(slots=True, eq=False)
class Customer:
    """One customer: the last 64 message ids as digests, and his open attempts, nearly always one.

    ``latest``: the attempt opened last, while it is open; ``others``: by journey and transaction.
    ``due_ms``: when he may be forgotten; what his open attempts add to that they add as they close, for to write it on
    each event would cost a look into memory. ``changed``: since the last snapshot.
    """

    id: str
    recent: bytes
    due_ms: int
    timer_ms: int
    changed: bool
    latest: Attempt | None = None
    others: dict[tuple[str, str | None], Attempt] | None = None

    def add_attempt(self, attempt: Attempt) -> None:
        """Another open attempt."""
        latest = self.latest
        if latest is not None:
            if self.others is None:
                self.others = {}
            self.others[latest.plan.name, latest.transaction_id] = latest
        self.latest = attempt

    def remove_attempt(self, attempt: Attempt) -> None:
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


def new_attempt(
    customer: Customer, plan: JourneyPlan, transaction_id: str | None, step: StepPlan, event: Event, at_ms: int
) -> Attempt:
    """A new attempt, at its first event."""
    about = f"{customer.id}\0{plan.name}\0{transaction_id or ''}\0{at_ms}"
    return Attempt(
        plan,
        transaction_id,
        step,
        at_ms,
        0,
        event.message_id,
        None,
        at_ms + step.checkpoints_ms[0] + plan.patience_ms,
        customer,
        xxh3_64_digest(about.encode()),
        plan.segments.of(event.context),
        at_ms,
        started_ms=at_ms,
        stepped_ms=at_ms,
    )


@dataclass(slots=True)
class TrackerCounts:
    """What was read, by what became of it. ``late``: behind the watermark; ``disordered``: behind its own attempt."""

    events: int = 0
    duplicates: int = 0
    late: int = 0
    disordered: int = 0
    ignored: int = 0

    def add(self, other: "TrackerCounts") -> None:
        """What was counted elsewhere, too."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
