"""The outreach list as the engine writes it: customers go on it and from it, each entry once.

In: ``CallFirst`` and ``NoCall`` in their order, the time in epoch milliseconds. Out: for each, whether it changed
anything. Refused: what is known or over already (False); ``StoreUnavailable`` when Redis is away.

Every change may be written again after an error. A customer who wants no calls is not listed, whatever the change.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from operators.outreach.call_list_entry import CallFirst, NoCall, OutreachEntry, outreach_document
from state.redis import keys
from state.redis.connections import Client, answering
from state.redis.scripts import OUTREACH_END, OUTREACH_LIST, Call, run

KEPT_AFTER_EXPIRY_MS: Final = 86_400_000
CHANGES_A_ROUND: Final = 500
NEED_STEPS: Final = 1_000
CREATED_RANGE: Final = 2**42
"""Epoch milliseconds below it end in the year 2109; with it a rank fits into a sorted set's 53 bits."""


class OutreachWriter:
    """Where the engine puts the outreach list. ``now_ms``: epoch milliseconds."""

    def __init__(self, client: Client, now_ms: Callable[[], int]) -> None:
        self._client = client
        self._now_ms = now_ms

    def write(self, changes: Sequence[CallFirst | NoCall]) -> list[bool]:
        """Carry out ``changes`` in their order; for each, whether it changed anything. Raises StoreUnavailable."""
        changed: list[bool] = []
        for batch in _batched(changes):
            with answering("writing the outreach list", self._client):
                answers = run(self._client, [self._call(change) for change in batch])
            changed += [bool(answer[0]) for answer in answers]
        return changed

    def _call(self, change: CallFirst | NoCall) -> Call:
        if isinstance(change, CallFirst):
            return _list_call(change.entry, self._now_ms())
        return end_call(change.outreach_id, change.customer_id, change.journey, change.cause)


def rank_of(entry: OutreachEntry) -> int:
    """Greater is called sooner: the greater need, then who broke off last."""
    return round(entry.need * NEED_STEPS) * CREATED_RANGE + entry.abandoned_at_ms


def list_keys(outreach_id: str, customer_id: str, journey: str) -> tuple[str, ...]:
    """What the scripts change when an entry comes or goes, in their order."""
    return (
        keys.OUTREACH_RECORD.of(outreach_id),
        keys.OUTREACH.of(),
        keys.OUTREACH_JOURNEY.of(journey),
        keys.OUTREACH_CUSTOMER.of(customer_id),
        keys.OUTREACH_VERSION.of(),
    )


def end_call(outreach_id: str, customer_id: str, journey: str, cause: str) -> Call:
    """Answers ``[1]``, or ``[0]`` when the entry is unknown or over already."""
    return Call(OUTREACH_END, list_keys(outreach_id, customer_id, journey), (outreach_id, cause))


def _list_call(entry: OutreachEntry, now_ms: int) -> Call:
    touched_keys = (*list_keys(entry.outreach_id, entry.customer_id, entry.journey), keys.DO_NOT_CALL.of())
    arguments = (
        *(now_ms, entry.expires_at_ms, KEPT_AFTER_EXPIRY_MS),
        *(entry.outreach_id, entry.customer_id, entry.journey, rank_of(entry), entry.lease_ms),
        msgspec.json.encode(outreach_document(entry)),
    )
    return Call(OUTREACH_LIST, touched_keys, arguments)


def _batched(changes: Sequence[CallFirst | NoCall]) -> list[Sequence[CallFirst | NoCall]]:
    return [changes[start : start + CHANGES_A_ROUND] for start in range(0, len(changes), CHANGES_A_ROUND)]
