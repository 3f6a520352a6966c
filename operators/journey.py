"""The journey tracker: what each attempt of a transaction did, and when it fell silent.

In: events of one shard's customers in order of arrival, and the clock while the source is
live and idle. Out: observations (``started idle silent active struggled completed cancelled
gone``) in event time, and what happened around (contacts, hint feedback) untouched.
Refused, as a ``Rejection``: unknown journeys and steps, instants out of range.

An attempt's own order of arrival decides; the shard's watermark (highest timestamp less
lateness) only says how soon silence is noticed. So the observations do not depend on how
customers are spread over shards, nor on batch sizes, as long as nobody is later than ``lateness``.
Silence is told when the next event is *after* the deadline, or the watermark has passed it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import xxhash

from operators.attempt import CLOSED, NO_TIMER, Attempt, Counts, Customer, Key
from operators.events import (
    ACTIVITY,
    CANCELLED,
    COMPLETED,
    STEP_COMPLETED,
    STEP_VIEWED,
    SURROUNDINGS,
    Event,
    Properties,
    Rejection,
)
from operators.facts import Around, Observation, ObservationKind, Signal
from operators.journey_plan import JourneyPlan, StepPlan
from operators.journey_state import FORMAT, AttemptRow, CustomerRow, ShardState, next_rung, pack, unpack
from operators.struggle import signals
from operators.timer_wheel import BUCKET_BITS, TimerWheel

REMEMBERED_MESSAGES: Final = 64
_DIGEST_BYTES: Final = 8
_MEMORY_BYTES: Final = REMEMBERED_MESSAGES * _DIGEST_BYTES
_REACHES_STEP: Final = frozenset((STEP_VIEWED, STEP_COMPLETED))
_NO_PROPERTIES: Final = Properties()
END_OF_TIME: Final = 1 << 62


class JourneyShard:
    """The attempts of one shard's customers.

    A batch: ``hear`` its timestamps, ``take`` its events in order of arrival, ``settle``; ``collect``
    and ``collect_around`` hand over what has been observed since.
    """

    def __init__(
        self,
        plans: Mapping[str, JourneyPlan],
        lateness_ms: int,
        duplicate_memory_ms: int = 600_000,
        *,
        say_struggles: bool = True,
    ) -> None:
        self._plans = plans
        self._lateness_ms = lateness_ms
        self._duplicate_memory_ms = duplicate_memory_ms
        self._say_struggles = say_struggles
        self._wheel: TimerWheel[Attempt | Customer] = TimerWheel()
        self._observed: list[Observation] = []
        self._around: list[Around] = []
        self.attempts: dict[Key, Attempt] = {}
        self.customers: dict[str, Customer] = {}
        self.counts = Counts()
        self.watermark_ms = -END_OF_TIME
        self.newest_ms = -END_OF_TIME
        self.newest_arrived_ms: int | None = None

    def hear(self, times_ms: Sequence[int], arrived_ms: Sequence[int] | None = None) -> None:
        """The timestamps of a batch about to be taken, and when its events came (None: a recording).

        The newest moves the watermark when the batch is settled; one ahead of its own arrival counts as its arrival.
        """
        if not times_ms:
            return
        counts, watermark_ms = self.counts, self.watermark_ms
        counts.events += len(times_ms)
        if min(times_ms) < watermark_ms:
            counts.late += sum(at_ms < watermark_ms for at_ms in times_ms)
        seen_ms = times_ms if arrived_ms is None else list(map(min, times_ms, arrived_ms))
        newest_ms = max(seen_ms)
        if newest_ms > self.newest_ms:
            self.newest_ms = newest_ms
            self.newest_arrived_ms = None if arrived_ms is None else arrived_ms[seen_ms.index(newest_ms)]

    def take(self, event: Event, at_ms: int) -> Rejection | None:
        """One event; ``at_ms``: its (corrected) timestamp. None, or why it can't be taken."""
        plan: JourneyPlan | None = None
        place: StepPlan | None = None
        if event.event in ACTIVITY:
            properties = event.properties or _NO_PROPERTIES
            plan = self._plans.get(properties.journey or "")
            if plan is None:
                return _unknown_journey(properties.journey, self._plans)
            if properties.step:
                place = plan.steps.get(properties.step)
                if place is None:
                    return _unknown_step(properties.step, plan)
        customer = self._customer_of_new(event, at_ms + self._duplicate_memory_ms)
        if customer is None:
            return None
        if plan is not None:
            self._act(plan, place, event, customer, at_ms)
        else:
            self._look_around(event, customer, at_ms)
        if customer.timer_ms == NO_TIMER and not customer.open_attempts:
            self._wait_to_forget(customer)
        return None

    def settle(self, now_ms: int | None = None) -> None:
        """Ends a batch: moves the watermark and tells the silences it has passed.

        ``now_ms``: the clock, given only when the source is live and has been read to its end.
        The watermark then goes on from the newest event as the clock has since it arrived, so
        that a recording posted today keeps its own time.
        """
        watermark_ms = self.newest_ms - self._lateness_ms
        if now_ms is not None and self.newest_arrived_ms is not None:
            watermark_ms += max(0, now_ms - self.newest_arrived_ms)
        if watermark_ms > self.watermark_ms:
            self.watermark_ms = watermark_ms
            self._run_timers(watermark_ms)

    def run_out(self) -> None:
        """The end of a recording: time runs on until every attempt is gone."""
        self._run_timers(END_OF_TIME)

    def collect(self) -> list[Observation]:
        """What has been observed since the last call."""
        observed, self._observed = self._observed, []
        return observed

    def collect_around(self) -> list[Around]:
        """What has happened around transactions since the last call."""
        around, self._around = self._around, []
        return around

    def state(self) -> bytes:
        """The whole shard as bytes, for a snapshot."""
        attempts = [_row(attempt) for attempt in self.attempts.values()]
        customers = [CustomerRow(each.id, each.recent, each.due_ms) for each in self.customers.values()]
        arrived_ms = self.newest_arrived_ms
        return pack(ShardState(FORMAT, self.watermark_ms, self.newest_ms, arrived_ms, attempts, customers))

    def restore(self, packed: bytes) -> None:
        """Takes up a stored shard. Raises StateUnreadable; attempts of journeys no longer known are dropped."""
        stored = unpack(packed)
        self.watermark_ms, self.newest_ms = stored.watermark_ms, stored.newest_ms
        self.newest_arrived_ms = stored.newest_arrived_ms
        for row in stored.customers:
            self.customers[row.id] = Customer(row.id, row.recent, row.due_ms, NO_TIMER)
        for saved in stored.attempts:
            plan = self._plans.get(saved.journey)
            if plan is not None:
                self._restore_attempt(plan, saved)
        for customer in self.customers.values():
            if not customer.open_attempts:
                self._wait_to_forget(customer)

    def _restore_attempt(self, plan: JourneyPlan, row: AttemptRow) -> None:
        place = plan.steps.get(row.step, plan.no_step) if row.step else plan.no_step
        rung = next_rung(place, row)
        due_ms = row.last_seen_ms + place.rungs[rung]
        key = (row.customer_id, plan.name, row.transaction_id)
        attempt = Attempt(key, row.id, place, row.last_seen_ms, due_ms, due_ms, rung, row.cause, row.struggle)
        self.attempts[key] = attempt
        self.customers[row.customer_id].open_attempts += 1
        self._wheel.add(attempt, due_ms)

    def _customer_of_new(self, event: Event, forget_ms: int) -> Customer | None:
        """The event's customer; None when his last messages hold it. An event without an id is always new."""
        customer_id = event.user_id or event.anonymous_id or ""
        customer = self.customers.get(customer_id)
        if customer is None:
            customer = self.customers[customer_id] = Customer(customer_id, b"", forget_ms, NO_TIMER)
        elif forget_ms > customer.due_ms:
            customer.due_ms = forget_ms
        if event.message_id is not None:
            digest, recent = xxhash.xxh3_64_digest(event.message_id.encode()), customer.recent
            if digest in recent:
                self.counts.duplicates += 1
                return None
            customer.recent = recent + digest if len(recent) < _MEMORY_BYTES else recent[_DIGEST_BYTES:] + digest
        return customer

    def _look_around(self, event: Event, customer: Customer, at_ms: int) -> None:
        if event.event in SURROUNDINGS:
            self._around.append(Around(event, customer.id, at_ms))
        else:
            self.counts.ignored += 1

    def _wait_to_forget(self, customer: Customer) -> None:
        customer.timer_ms = customer.due_ms
        self._wheel.add(customer, customer.due_ms)

    def _act(self, plan: JourneyPlan, place: StepPlan | None, event: Event, customer: Customer, at_ms: int) -> None:
        name = event.event
        transaction_id = event.properties.transaction_id if event.properties is not None else None
        key = (customer.id, plan.name, transaction_id or None)
        attempt = self.attempts.get(key)
        if attempt is not None and attempt.due_ms < at_ms:
            self._advance(attempt, at_ms)
            if attempt.rung == CLOSED:
                attempt = None
        if attempt is None:
            attempt = self._start(plan, place, key, event, customer, at_ms)
            step_before, last_seen_ms = None, None
        else:
            step_before, last_seen_ms = attempt.place.id, attempt.last_seen_ms
            self._go_on(attempt, place, event, at_ms)
        struggle, crossed = plan.struggle.notice(attempt.struggle, event, at_ms, step_before, last_seen_ms)
        if struggle is not None:
            attempt.struggle = struggle
            if crossed is not None and self._say_struggles:
                self._say("struggled", attempt, at_ms, signals=(*signals(struggle), crossed))
        if name == COMPLETED or (place is not None and place.final and name in _REACHES_STEP):
            self._close("completed", attempt, at_ms)
        elif name == CANCELLED:
            self._close("cancelled", attempt, at_ms)

    def _start(
        self, plan: JourneyPlan, place: StepPlan | None, key: Key, event: Event, customer: Customer, at_ms: int
    ) -> Attempt:
        place = place or plan.no_step
        attempt_id = xxhash.xxh3_64_hexdigest(f"{key[0]}\0{key[1]}\0{key[2] or ''}\0{at_ms}".encode())
        due_ms = at_ms + place.rungs[0]
        attempt = Attempt(key, attempt_id, place, at_ms, due_ms, due_ms, 0, event.message_id)
        self.attempts[key] = attempt
        customer.open_attempts += 1
        self._wheel.add(attempt, due_ms)
        self._say("started", attempt, at_ms)
        return attempt

    def _go_on(self, attempt: Attempt, place: StepPlan | None, event: Event, at_ms: int) -> None:
        if at_ms < attempt.last_seen_ms:
            self.counts.disordered += 1
            return
        if place is None:
            place = attempt.place
        else:
            attempt.place = place
        pause_ms = at_ms - attempt.last_seen_ms
        attempt.last_seen_ms = at_ms
        attempt.cause = event.message_id
        attempt.due_ms = due_ms = at_ms + place.rungs[0]
        if due_ms < attempt.timer_ms:
            attempt.timer_ms = due_ms
            self._wheel.add(attempt, due_ms)
        if attempt.rung > 0:
            attempt.rung = 0
            self._say("active", attempt, at_ms, idle_ms=pause_ms)

    def _advance(self, attempt: Attempt, until_ms: int) -> None:
        """Says every rung the attempt has passed strictly before ``until_ms``."""
        rungs = attempt.place.rungs
        while attempt.due_ms < until_ms:
            idle_ms = rungs[attempt.rung]
            beyond = len(rungs) - attempt.rung
            if beyond == 1:
                self._close("gone", attempt, attempt.due_ms)
                return
            kind: ObservationKind = "silent" if beyond == 2 else "idle"  # noqa: PLR2004 - the last rung but one
            self._say(kind, attempt, attempt.due_ms, idle_ms=idle_ms, signals=signals(attempt.struggle))
            attempt.rung += 1
            attempt.due_ms = attempt.last_seen_ms + rungs[attempt.rung]

    def _close(self, kind: ObservationKind, attempt: Attempt, at_ms: int) -> None:
        self._say(kind, attempt, at_ms)
        attempt.rung = CLOSED
        attempt.struggle = None
        del self.attempts[attempt.key]
        customer = self.customers[attempt.key[0]]
        customer.open_attempts -= 1
        if customer.open_attempts == 0 and customer.timer_ms == NO_TIMER:
            self._wait_to_forget(customer)

    def _run_timers(self, until_ms: int) -> None:
        for end_ms, item in self._wheel.due(until_ms):
            if item.timer_ms >> BUCKET_BITS != (end_ms >> BUCKET_BITS) - 1:
                continue
            if isinstance(item, Attempt):
                if item.rung != CLOSED:
                    self._advance(item, end_ms)
                gone = item.rung == CLOSED
            else:
                gone = self._forget(item, end_ms)
            if not gone:
                item.timer_ms = item.due_ms
                self._wheel.add(item, item.due_ms)

    def _forget(self, customer: Customer, until_ms: int) -> bool:
        """Whether the customer needs no timer: forgotten, or held by open attempts."""
        if customer.open_attempts:
            customer.timer_ms = NO_TIMER
            return True
        if customer.due_ms < until_ms:
            del self.customers[customer.id]
            return True
        return False

    def _say(
        self, kind: ObservationKind, attempt: Attempt, at_ms: int, idle_ms: int = 0, signals: tuple[Signal, ...] = ()
    ) -> None:
        customer_id, journey, transaction_id = attempt.key
        self._observed.append(
            Observation(
                kind,
                at_ms,
                attempt.id,
                customer_id,
                journey,
                transaction_id,
                attempt.place.id,
                attempt.cause,
                idle_ms,
                signals,
            )
        )


def _row(attempt: Attempt) -> AttemptRow:
    place, due_ms = attempt.place, attempt.due_ms
    return AttemptRow(
        *attempt.key, attempt.id, place.id, attempt.last_seen_ms, due_ms, attempt.rung, attempt.cause, attempt.struggle
    )


def _unknown_journey(found: str | None, known: Iterable[str]) -> Rejection:
    expected = f"one of {', '.join(sorted(known))}"
    if not found:
        return Rejection("no_journey", "$.properties.journey", "nothing", expected)
    return Rejection("unknown_journey", "$.properties.journey", repr(found), expected)


def _unknown_step(found: str, plan: JourneyPlan) -> Rejection:
    expected = f"one of {', '.join(plan.steps)} (journey {plan.name})"
    return Rejection("unknown_step", "$.properties.step", repr(found), expected)
