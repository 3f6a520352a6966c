"""The state of a journey shard as bytes and back: a head, and customers with their open attempts, msgpack.

In: customers. Out: bytes any later process of the same format can take up, customers in any number of
packs, of which later ones hold. Refused: bytes of another format, by name (``StateUnreadable``). What the
catalogue says is not stored: after a change of it, open attempts go on under the new rules; attempts of
journeys that are gone are dropped, those at steps that are gone keep no step.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from operators.support.snapshot_codec import SnapshotCodec
from operators.tracking.attempt import NO_TIMER, Attempt, Customer
from operators.tracking.plan import JourneyPlan, StepPlan
from operators.tracking.struggle_signals import StruggleState

FORMAT: Final = "zhiyin-shard-2"


class AttemptRow(msgspec.Struct, array_like=True, gc=False):
    """One open attempt, stored. ``away``: its silence counts as broken off, and lasts; ``broken_off``: one ever did."""

    journey: str
    transaction_id: str | None
    id: str
    step: str | None
    last_seen_ms: int
    due_ms: int
    checkpoint: int
    cause: str | None
    struggle: StruggleState | None
    segment: str = ""
    entered_ms: int = 0
    has_failed: bool = False
    started_ms: int = 0
    stepped_ms: int = 0
    trail: bytes = b""
    away: bool = False
    broken_off: bool = False


class TrackedCustomerRow(msgspec.Struct, array_like=True, gc=False):
    """One customer, stored; ``attempts`` None: forgotten."""

    id: str
    recent: bytes = b""
    due_ms: int = 0
    attempts: list[AttemptRow] | None = None


class ShardHead(msgspec.Struct, array_like=True, gc=False):
    """Where a shard's event time stands, stored."""

    format: str
    watermark_ms: int
    newest_ms: int
    newest_arrived_ms: int | None


_ENCODER: Final = msgspec.msgpack.Encoder()
_HEAD: Final = SnapshotCodec(ShardHead, FORMAT)
_ROWS: Final = SnapshotCodec(TrackedCustomerRow, FORMAT)


def pack_head(watermark_ms: int, newest_ms: int, newest_arrived_ms: int | None) -> bytes:
    """A ``ShardHead`` as bytes."""
    return _ENCODER.encode(ShardHead(FORMAT, watermark_ms, newest_ms, newest_arrived_ms))


def unpack_head(packed: bytes) -> ShardHead:
    """The head from bytes. Raises StateUnreadable."""
    return _HEAD.decode(packed)


def pack_customers(customers: Sequence[Customer], forgotten: Sequence[str]) -> bytes:
    """Rows of ``TrackedCustomerRow``'s shape; plain tuples, for they are written by the hundred thousand."""
    rows: list[tuple[object, ...]] = [(customer_id,) for customer_id in forgotten]
    for customer in customers:
        latest = customer.latest
        if customer.others is not None:
            attempts = [_row(attempt) for attempt in customer.attempts()]
        else:
            attempts = [] if latest is None else [_row(latest)]
        rows.append((customer.id, customer.recent, customer.due_ms, attempts))
    return _ENCODER.encode(rows)


def _row(attempt: Attempt) -> tuple[object, ...]:
    return (
        attempt.plan.name,
        attempt.transaction_id,
        attempt.digest.hex(),
        attempt.step.id,
        attempt.last_seen_ms,
        attempt.due_ms,
        attempt.checkpoint,
        attempt.cause,
        attempt.struggle,
        attempt.segment,
        attempt.entered_ms,
        attempt.has_failed,
        attempt.started_ms,
        attempt.stepped_ms,
        attempt.trail,
        attempt.is_away,
        attempt.has_broken_off,
    )


class Changes:
    """Which customers have changed since the last snapshot; ``kept`` False: nobody asks, nothing is noted.

    ``born_changed``: what a new customer's ``changed`` is.
    """

    def __init__(self, kept: bool) -> None:
        self.born_changed = not kept
        self._changed: list[Customer] = []
        self._forgotten: list[str] = []

    def __len__(self) -> int:
        return len(self._changed) + len(self._forgotten)

    def note(self, customer: Customer) -> None:
        """A customer whose ``changed`` is not set yet."""
        customer.changed = True
        self._changed.append(customer)

    def forget(self, customer: Customer) -> None:
        """A customer who is no longer remembered."""
        if not self.born_changed:
            self._forgotten.append(customer.id)

    def take(self, customers: Mapping[str, Customer], most: int) -> tuple[int, bytes]:
        """How many have changed or are forgotten since the last call, and they packed, the forgotten first.

        Of those changed at most ``most``, the longest waiting.
        """
        changed, self._changed = self._changed[:most], self._changed[most:]
        forgotten, self._forgotten = self._forgotten, []
        for customer in changed:
            customer.changed = False
        remembered = [customer for customer in changed if customers.get(customer.id) is customer]
        return len(remembered) + len(forgotten), pack_customers(remembered, forgotten)


def latest_rows(packed: Iterable[bytes]) -> Iterable[TrackedCustomerRow]:
    """The last word on each customer who is not forgotten. Raises StateUnreadable."""
    rows: dict[str, TrackedCustomerRow] = {}
    for row in _ROWS.decode_rows(packed):
        if row.attempts is None:
            rows.pop(row.id, None)
        else:
            rows[row.id] = row
    return rows.values()


def restored(
    packed: Iterable[bytes], plans: Mapping[str | None, JourneyPlan], changes: Changes
) -> Iterator[tuple[Customer, list[Attempt], int]]:
    """The stored customers, each with his attempts of journeys that are still known.

    Where none is known any more, with the last instant of those that were open (0: there were none). Raises
    StateUnreadable.
    """
    for row in latest_rows(packed):
        customer = Customer(row.id, row.recent, row.due_ms, NO_TIMER, changes.born_changed)
        known = [(plans[saved.journey], saved) for saved in row.attempts or () if saved.journey in plans]
        last_seen_ms = 0 if known else max((saved.last_seen_ms for saved in row.attempts or ()), default=0)
        yield customer, [_attempt(customer, plan, saved) for plan, saved in known], last_seen_ms


def _attempt(customer: Customer, plan: JourneyPlan, row: AttemptRow) -> Attempt:
    """A stored attempt under today's catalogue, which may have changed since."""
    step = plan.steps.get(row.step) or plan.no_step
    checkpoint = next_checkpoint(step, row)
    return Attempt(
        plan,
        row.transaction_id,
        step,
        row.last_seen_ms,
        checkpoint,
        row.cause,
        row.struggle,
        row.last_seen_ms + step.checkpoints_ms[checkpoint] + plan.patience_ms,
        customer,
        bytes.fromhex(row.id),
        row.segment or plan.segments.of(None),
        row.entered_ms or row.last_seen_ms,
        row.has_failed,
        row.broken_off,
        row.started_ms or row.last_seen_ms,
        row.stepped_ms or row.last_seen_ms,
        row.trail,
    )


def next_checkpoint(step: StepPlan, row: AttemptRow) -> int:
    """The index of the checkpoint a stored attempt waits for under today's catalogue.

    With an unchanged catalogue that is the stored one. After a change it is the first checkpoint not
    sooner than the one that was waited for, so that nothing is observed twice; of one that is away, the last.
    """
    if row.away:
        return len(step.checkpoints_ms) - 1
    if (
        row.checkpoint < len(step.checkpoints_ms)
        and row.due_ms == row.last_seen_ms + step.checkpoints_ms[row.checkpoint]
    ):
        return row.checkpoint
    if row.checkpoint == 0:
        return 0
    waited_ms = row.due_ms - row.last_seen_ms
    not_sooner = (index for index, silence_ms in enumerate(step.checkpoints_ms) if silence_ms >= waited_ms)
    return next(not_sooner, len(step.checkpoints_ms) - 1)
