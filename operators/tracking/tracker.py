"""The journey tracker: what each attempt of a transaction did, and when it fell silent.

In: events of one shard's customers in order of arrival, and the clock while the source is
live and idle. Out: observations (``started idle silent active struggled completed cancelled
gone``) in event time, and what happened around (contacts, hint feedback) untouched.
Refused, as a ``Rejection``: unknown journeys and steps, instants out of range.

An attempt's own order of arrival decides; the shard's watermark (highest timestamp less
lateness) only says how soon silence is noticed. So the observations do not depend on how
customers are spread over shards, nor on batch sizes, as long as nobody is later than his journey's
``lateness``. Silence is observed when the next event is *after* the deadline, or the watermark has passed it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from xxhash import xxh3_64_digest

from operators.records.events import (
    ACTIVITY,
    CANCELLED,
    COMPLETED,
    CUSTOMER_ERASED,
    IDENTIFY,
    STEP_COMPLETED,
    STEP_VIEWED,
    SURROUNDINGS,
    Event,
    Properties,
    Rejection,
)
from operators.records.facts import Interaction, Observation, ObservationKind
from operators.support.snapshot_codec import ALL
from operators.support.timer_wheel import BUCKET_BITS, TimerWheel
from operators.tracking.attempt import NO_TIMER, Attempt, Customer, TrackerCounts, new_attempt
from operators.tracking.plan import JourneyPlan, StepPlan, not_in_plans
from operators.tracking.struggle_signals import SIGNS, signals
from operators.tracking.tracker_snapshot import Changes, pack_customers, pack_head, restored, unpack_head
from operators.tracking.transitions import FAILURES, Transition, failure_code

REMEMBERED_MESSAGES: Final = 64
_DIGEST_BYTES: Final = 8
_MEMORY_BYTES: Final = REMEMBERED_MESSAGES * _DIGEST_BYTES
_REACHES_STEP: Final = frozenset((STEP_VIEWED, STEP_COMPLETED))
_NO_PROPERTIES: Final = Properties()
_BREAKS_OFF_BEFORE_LAST: Final = 2
"""Silence counts as broken off at the last checkpoint but one; at the last the attempt is gone."""
END_OF_TIME: Final = 1 << 62


class ShardTracker:
    """The attempts of one shard's customers.

    A batch: ``take`` its events in order of arrival, then ``settle``; ``collect`` and ``collect_interactions`` hand
    over what has been observed since. ``keeps_changes``: whether what changes is noted for ``changes``;
    ``keeps_transitions``: whether steps changed and failures are noted for ``collect_transitions``;
    ``phase_ms``: another for each shard of a process (``TimerWheel``).
    """

    def __init__(
        self,
        plans: Mapping[str, JourneyPlan],
        duplicate_memory_ms: int = 600_000,
        *,
        reports_struggles: bool = True,
        keeps_changes: bool = False,
        keeps_transitions: bool = False,
        phase_ms: int = 0,
    ) -> None:
        self._plans: dict[str | None, JourneyPlan] = dict(plans.items())
        self._lateness_ms = min((plan.lateness_ms for plan in plans.values()), default=0)
        self._duplicate_memory_ms = duplicate_memory_ms
        self._reports_struggles = reports_struggles
        self._changes = Changes(keeps_changes)
        self._wheel: TimerWheel[Attempt | Customer] = TimerWheel(phase_ms)
        self._observations: list[Observation] = []
        self._interactions: list[Interaction] = []
        self._transitions: defaultdict[str, list[Transition]] | None = defaultdict(list) if keeps_transitions else None
        self.customers: dict[str, Customer] = {}
        self.open_attempts = 0
        self.counts = TrackerCounts()
        self.watermark_ms = -END_OF_TIME
        self.newest_ms = -END_OF_TIME
        self.newest_arrived_ms: int | None = None

    def take(
        self, events: Sequence[Event], times_ms: Sequence[int], arrived_ms: Sequence[int] | None = None
    ) -> list[tuple[int, Rejection]]:
        """A batch in order of arrival; the index of each event that can't be taken, and why not.

        ``times_ms``: the events' (corrected) timestamps; ``arrived_ms``: when they came (None: a recording).
        The newest moves the watermark when the batch is settled; one ahead of its own arrival counts as its arrival.
        """
        refused: list[tuple[int, Rejection]] = []
        if not times_ms:
            return refused
        self._note_newest(times_ms, arrived_ms)
        plans = self._plans
        late_ms = self.watermark_ms if min(times_ms) < self.watermark_ms else -END_OF_TIME
        for index, (event, at_ms) in enumerate(zip(events, times_ms, strict=True)):
            properties = event.properties or _NO_PROPERTIES
            plan = step = None
            if event.event in ACTIVITY:
                try:
                    plan = plans[properties.journey]
                    step = plan.steps[properties.step]
                except KeyError:
                    refused.append((index, not_in_plans(properties, self._plans)))
                    continue
            if at_ms < late_ms and (plan is None or at_ms < late_ms - plan.patience_ms):
                self.counts.late += 1
            customer = self._customer_of_new(event)
            if customer is None:
                continue
            if plan is None:
                self._take_interaction(event, customer, at_ms)
            else:
                self._take_activity(plan, step, event, properties, customer, at_ms)
        self.counts.events += len(events) - len(refused)
        return refused

    def settle(self, now_ms: int | None = None) -> None:
        """Ends a batch: moves the watermark and observes the silences it has passed.

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
        observations, self._observations = self._observations, []
        return observations

    def collect_interactions(self) -> list[Interaction]:
        """What has happened around transactions since the last call."""
        interactions, self._interactions = self._interactions, []
        return interactions

    def collect_transitions(self) -> dict[str, list[Transition]]:
        """The steps changed and the failures since the last call, by journey; none unless they are kept."""
        if not self._transitions:
            return {}
        transitions, self._transitions = self._transitions, defaultdict(list)
        return transitions

    def head(self) -> bytes:
        """What a snapshot holds beside the customers: where event time stands."""
        return pack_head(self.watermark_ms, self.newest_ms, self.newest_arrived_ms)

    @property
    def waiting(self) -> int:
        """About how many rows ``changes`` would give."""
        return len(self._changes)

    def changes(self, most: int = ALL) -> tuple[int, bytes]:
        """How many customers have changed or are forgotten since the last call, and they packed."""
        return self._changes.take(self.customers, most)

    def all_keys(self) -> list[str]:
        """All customers remembered now."""
        return list(self.customers)

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are still remembered, packed as in ``changes``."""
        found = [customer for customer in map(self.customers.get, keys) if customer is not None]
        return pack_customers(found, ())

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave, in that order; what was packed later holds.

        Attempts of journeys no longer known are dropped. Raises StateUnreadable.
        """
        stored = unpack_head(head)
        self.watermark_ms, self.newest_ms = stored.watermark_ms, stored.newest_ms
        self.newest_arrived_ms = stored.newest_arrived_ms
        for customer, attempts, last_seen_ms in restored(packed, self._plans, self._changes):
            self.customers[customer.id] = customer
            for attempt in attempts:
                self._open(attempt)
            if not attempts:
                self._remember(customer, last_seen_ms)

    def _note_newest(self, times_ms: Sequence[int], arrived_ms: Sequence[int] | None) -> None:
        """Remembers the newest timestamp, and when it came."""
        times_seen_ms = times_ms if arrived_ms is None else list(map(min, times_ms, arrived_ms))
        newest_ms = max(times_seen_ms)
        if newest_ms > self.newest_ms:
            self.newest_ms = newest_ms
            self.newest_arrived_ms = None if arrived_ms is None else arrived_ms[times_seen_ms.index(newest_ms)]

    def _customer_of_new(self, event: Event) -> Customer | None:
        """The event's customer; None when his last messages hold it. An event without an id is always new."""
        customer_id = event.user_id or event.anonymous_id or ""
        customer = self.customers.get(customer_id)
        if customer is None:
            born_changed = self._changes.born_changed
            customer = self.customers[customer_id] = Customer(customer_id, b"", 0, NO_TIMER, born_changed)
        if not customer.changed:
            self._changes.note(customer)
        if event.message_id is not None:
            digest, recent = xxh3_64_digest(event.message_id.encode()), customer.recent
            if digest in recent:
                self.counts.duplicates += 1
                return None
            customer.recent = recent + digest if len(recent) < _MEMORY_BYTES else recent[_DIGEST_BYTES:] + digest
        return customer

    def _take_interaction(self, event: Event, customer: Customer, at_ms: int) -> None:
        if event.event == CUSTOMER_ERASED:
            self._erase(event, customer, at_ms)
            return
        if event.event in SURROUNDINGS or event.type == IDENTIFY:
            self._interactions.append(Interaction(event, customer.id, at_ms))
        else:
            self.counts.ignored += 1
        self._remember(customer, at_ms)

    def _erase(self, event: Event, customer: Customer, at_ms: int) -> None:
        """Forgets a customer whole; their open attempts give one last observation, for those who wait."""
        self._interactions.append(Interaction(event, customer.id, at_ms))
        del self.customers[customer.id]
        self._changes.forget(customer)
        for attempt in list(customer.attempts()):
            self._close("erased", attempt, at_ms)
        customer.timer_ms = NO_TIMER
        customer.id, customer.recent = "", b""

    def _remember(self, customer: Customer, at_ms: int) -> None:
        """For as long after ``at_ms`` as duplicates are looked for; a customer with open attempts stays anyway."""
        customer.due_ms = max(customer.due_ms, at_ms + self._duplicate_memory_ms)
        if customer.timer_ms == NO_TIMER and not customer.is_busy:
            customer.timer_ms = customer.due_ms
            self._wheel.add(customer, customer.due_ms)

    def _take_activity(
        self,
        plan: JourneyPlan,
        step: StepPlan | None,
        event: Event,
        properties: Properties,
        customer: Customer,
        at_ms: int,
    ) -> None:
        name = event.event
        transaction_id = properties.transaction_id or None
        attempt = customer.latest
        if attempt is None or attempt.plan is not plan or attempt.transaction_id != transaction_id:
            attempt = None if customer.others is None else customer.others.get((plan.name, transaction_id))
        if attempt is not None and attempt.last_seen_ms + attempt.step.checkpoints_ms[attempt.checkpoint] < at_ms:
            attempt = self._advanced(attempt, at_ms)
        if attempt is None:
            attempt = self._start(plan, step or plan.no_step, transaction_id, event, customer, at_ms)
            if name in SIGNS:
                self._note_signals(attempt, event, at_ms, None, None)
        else:
            step_before, last_seen_ms = attempt.step, attempt.last_seen_ms
            self._go_on(attempt, step, event, at_ms)
            gone_back = step is not None and step.index < step_before.index
            if gone_back or name in SIGNS or at_ms - last_seen_ms > plan.struggle.least_pause_ms:
                self._note_signals(attempt, event, at_ms, step_before.id, last_seen_ms)
        if name == COMPLETED or (step is not None and step.final and name in _REACHES_STEP):
            self._close("completed", attempt, at_ms)
        elif name == CANCELLED:
            self._close("cancelled", attempt, at_ms)

    def _advanced(self, attempt: Attempt, at_ms: int) -> Attempt | None:
        """The attempt after the silences before ``at_ms``; None when they have ended it."""
        self._advance(attempt, at_ms)
        return None if attempt.is_closed else attempt

    def _note_signals(
        self, attempt: Attempt, event: Event, at_ms: int, step_before: str | None, last_seen_ms: int | None
    ) -> None:
        if self._transitions is not None and event.event in FAILURES:
            attempt.fail(failure_code(event), at_ms, self._transitions[attempt.plan.name])
        rules = attempt.plan.struggle
        attempt.struggle, crossed = rules.notice(attempt.struggle, event, at_ms, step_before, last_seen_ms)
        if crossed is not None and self._reports_struggles:
            self._observations.append(attempt.observation("struggled", at_ms, 0, (*signals(attempt.struggle), crossed)))

    def _start(
        self,
        plan: JourneyPlan,
        step: StepPlan,
        transaction_id: str | None,
        event: Event,
        customer: Customer,
        at_ms: int,
    ) -> Attempt:
        attempt = new_attempt(customer, plan, transaction_id, step, event, at_ms)
        self._open(attempt)
        self._observations.append(attempt.observation("started", at_ms))
        return attempt

    def _open(self, attempt: Attempt) -> None:
        attempt.customer.add_attempt(attempt)
        self.open_attempts += 1
        self._wheel.add(attempt, attempt.timer_ms)

    def _go_on(self, attempt: Attempt, step: StepPlan | None, event: Event, at_ms: int) -> None:
        pause_ms = at_ms - attempt.last_seen_ms
        if pause_ms < 0:
            self.counts.disordered += 1
            return
        before = attempt.step
        step = step or before
        if step is not before and attempt.plan.learns:
            attempt.leave_behind(at_ms)
        if self._transitions is not None and (step is not before or attempt.checkpoint > 0):
            attempt.stay(step, at_ms, self._transitions[attempt.plan.name])
        attempt.step = step
        attempt.last_seen_ms = at_ms
        attempt.cause = event.message_id
        if attempt.checkpoint > 0 or step.checkpoints_ms[0] < before.checkpoints_ms[0]:
            self._wait_less(attempt, at_ms + step.checkpoints_ms[0] + attempt.plan.patience_ms)
        if attempt.checkpoint > 0:
            was_away = attempt.checkpoint == len(before.checkpoints_ms) - 1
            attempt.checkpoint = 0
            self._observations.append(attempt.observation("active", at_ms, pause_ms, (), was_away))

    def _wait_less(self, attempt: Attempt, timer_ms: int) -> None:
        """The deadline may come sooner than the timer, which never waits for longer than it has to."""
        if timer_ms < attempt.timer_ms:
            attempt.timer_ms = timer_ms
            self._wheel.add(attempt, timer_ms)

    def _advance(self, attempt: Attempt, until_ms: int) -> None:
        """Observes every checkpoint that the attempt has passed strictly before ``until_ms``."""
        checkpoints_ms = attempt.step.checkpoints_ms
        while (due_ms := attempt.due_ms) < until_ms:
            idle_ms = checkpoints_ms[attempt.checkpoint]
            left = len(checkpoints_ms) - attempt.checkpoint
            if left == 1:
                self._close("gone", attempt, due_ms)
                return
            kind: ObservationKind = "idle"
            if left == _BREAKS_OFF_BEFORE_LAST:
                kind = "silent"
                attempt.has_broken_off = True
            self._observations.append(attempt.observation(kind, due_ms, idle_ms, signals(attempt.struggle)))
            attempt.checkpoint += 1
            if not attempt.customer.changed:
                self._changes.note(attempt.customer)

    def _close(self, kind: ObservationKind, attempt: Attempt, at_ms: int) -> None:
        self._observations.append(attempt.observation(kind, at_ms, 0, (), attempt.has_broken_off))
        attempt.is_closed = True
        attempt.struggle = None
        self.open_attempts -= 1
        customer = attempt.customer
        customer.remove_attempt(attempt)
        if not customer.changed:
            self._changes.note(customer)
        self._remember(customer, attempt.last_seen_ms)

    def _run_timers(self, until_ms: int) -> None:
        for end_ms, items in self._wheel.due(until_ms):
            bucket = (end_ms >> BUCKET_BITS) - 1
            for item in items:
                if item.timer_ms >> BUCKET_BITS != bucket:
                    continue
                timer_ms = (
                    self._attempt_timer(item, end_ms) if isinstance(item, Attempt) else self._forget(item, end_ms)
                )
                if timer_ms is not None:
                    item.timer_ms = timer_ms
                    self._wheel.add(item, timer_ms)

    def _attempt_timer(self, attempt: Attempt, until_ms: int) -> int | None:
        """Observes what the timer has passed; returns when it is due again, None when the attempt is over."""
        if attempt.is_closed:
            return None
        patience_ms = attempt.plan.patience_ms
        still_open = self._advanced(attempt, until_ms - patience_ms)
        return None if still_open is None else attempt.due_ms + patience_ms

    def _forget(self, customer: Customer, until_ms: int) -> int | None:
        """When to look at the customer again; None when he is forgotten, or held by open attempts."""
        if customer.is_busy:
            customer.timer_ms = NO_TIMER
            return None
        if customer.due_ms >= until_ms:
            return customer.due_ms
        del self.customers[customer.id]
        self._changes.forget(customer)
        return None
