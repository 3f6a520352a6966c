"""Which events of a batch can be tracked: readable, and with a possible time.

In: a shard's batch. Out: the events that fit with their times, in order; the others as dead letters.
Nearly always all fit, so that is looked at for the whole batch at once.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeGuard

from flows.steps.messages import ShardBatch
from operators.records.dead_letters import DeadLetter
from operators.records.events import Event, Rejection, read_events
from operators.support.timestamps import all_to_ms, iso_text, to_ms

EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01T00:00:00Z: nothing a customer does on line is older."""

LatestMs = Callable[[int | None], int]
"""The last instant an event may claim that arrived then (None: a recording), epoch ms."""


class ValidBatch(NamedTuple):
    """The events that fit; the lists run in parallel."""

    events: Sequence[Event]
    raws: Sequence[bytes]
    times_ms: Sequence[int]
    arrived_ms: Sequence[int] | None


def validate_batch(batch: ShardBatch, latest_ms: LatestMs, dead_letters: list[DeadLetter]) -> ValidBatch:
    """What fits of ``batch``; what does not is added to ``dead_letters``."""
    decoded = read_events(batch.raws)
    if _are_events(decoded):
        times_ms = batch.times_ms if batch.times_ms is not None else _own_times_ms(decoded)
        if len(times_ms) == len(decoded) and _all_possible(times_ms, batch.arrived_ms, latest_ms):
            return ValidBatch(decoded, batch.raws, times_ms, batch.arrived_ms)
    return _picked(batch, decoded, latest_ms, dead_letters)


def _are_events(decoded: Sequence[Event | Rejection]) -> TypeGuard[Sequence[Event]]:
    return Rejection not in map(type, decoded)


def _own_times_ms(events: Sequence[Event]) -> list[int]:
    """The events' own times; none at all when one has none."""
    timestamps = [event.timestamp for event in events if event.timestamp is not None]
    return all_to_ms(timestamps) if len(timestamps) == len(events) else []


def _all_possible(times_ms: Sequence[int], arrived_ms: Sequence[int] | None, latest_ms: LatestMs) -> bool:
    if not times_ms:
        return True
    first_arrived_ms = None if arrived_ms is None else min(arrived_ms)
    return min(times_ms) >= EARLIEST_MS and max(times_ms) <= latest_ms(first_arrived_ms)


def _picked(
    batch: ShardBatch, decoded: Sequence[Event | Rejection], latest_ms: LatestMs, dead_letters: list[DeadLetter]
) -> ValidBatch:
    """Event by event: something in the batch does not fit."""
    events, raws, times_ms, arrived_ms = [], [], [], []
    for index, event in enumerate(decoded):
        raw = batch.raws[index]
        came_ms = batch.arrived_ms[index] if batch.arrived_ms is not None else None
        at_ms = batch.times_ms[index] if batch.times_ms is not None else _own_time_ms(event)
        fault = event if isinstance(event, Rejection) else _time_fault(at_ms, latest_ms(came_ms))
        if fault is not None:
            customer_id = event.customer_id if isinstance(event, Event) else None
            dead_letters.append(DeadLetter(raw, (fault,), came_ms, customer_id, at_ms))
        elif isinstance(event, Event) and at_ms is not None:
            events.append(event)
            raws.append(raw)
            times_ms.append(at_ms)
            arrived_ms.append(came_ms)
    return ValidBatch(
        events,
        raws,
        times_ms,
        [arrival_ms for arrival_ms in arrived_ms if arrival_ms is not None] if batch.arrived_ms else None,
    )


def _own_time_ms(event: Event | Rejection) -> int | None:
    return to_ms(event.timestamp) if isinstance(event, Event) and event.timestamp is not None else None


def _time_fault(at_ms: int | None, limit_ms: int) -> Rejection | None:
    if at_ms is None:
        return Rejection("no_time", "$.timestamp", "nothing", "an ISO 8601 UTC timestamp")
    if EARLIEST_MS <= at_ms <= limit_ms:
        return None
    expected = f"an instant from {iso_text(EARLIEST_MS)} to {iso_text(limit_ms)}"
    return Rejection("time_out_of_range", "$.timestamp", iso_text(at_ms), expected)
