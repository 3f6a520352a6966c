"""The audit trail: who saw what of whom, and when; added to, never changed.

In: views of hints, bundles and entries of the outreach list. Out: the trail, newest first. Refused: nothing;
``StoreUnavailable`` while Redis is away - the same views may then be written again. A customer stands in it masked
(``operators/support/masking.py``), so that the trail can outlive him; whoever has the key can ask for one
customer's views.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from operators.support.masking import masked
from state.redis import keys
from state.redis.connections import AsyncClient, Client, answering
from state.redis.scripts import NOTE_VIEWS, Call, run_async

ENTRIES_A_LOOK: Final = 1_000
VIEWS_A_CALL: Final = 100
"""Less than a millisecond of the gateway's loop, and of Redis."""
NEWEST: Final = "+"
UNKNOWN: Final = "unknown"
HINT: Final = "hint"
BUNDLE: Final = "bundle"
OUTREACH: Final = "outreach"
KINDS: Final = (HINT, BUNDLE, OUTREACH)


class ShownItem(NamedTuple):
    """What somebody is shown. ``kind``: hint, bundle or outreach; ``customer_id``: of whom (empty: unknown)."""

    kind: str
    id: str
    customer_id: str


class AuditView(msgspec.Struct, frozen=True):
    """Somebody was shown something of a customer. ``who``: a token's subject, with its ``role``.

    ``how``: push, look_up, list or queue; ``kind``: one of ``KINDS``, with its ``id``; ``customer_id`` empty: unknown.
    """

    at_ms: int
    who: str
    role: str
    how: str
    kind: str
    id: str
    customer_id: str = ""


class AuditEntry(msgspec.Struct, frozen=True):
    """One line of the trail. ``customer``: masked, ``unknown`` where it is not known whom it was about."""

    at_ms: int
    who: str
    role: str
    how: str
    kind: str
    id: str
    customer: str


class AuditTrail:
    """Writes. ``mask_key``: what customers are masked with."""

    def __init__(self, client: AsyncClient, mask_key: bytes) -> None:
        self._client = client
        self._mask_key = mask_key

    async def write(self, views: Sequence[AuditView]) -> None:
        """Adds views, in their order. Raises StoreUnavailable."""
        with answering("writing the audit trail", self._client):
            for start in range(0, len(views), VIEWS_A_CALL):
                rows = [value for view in views[start : start + VIEWS_A_CALL] for value in self._row(view)]
                await run_async(self._client, Call(NOTE_VIEWS, (keys.AUDIT.of(),), tuple(rows)))

    def _row(self, view: AuditView) -> tuple[str | int, ...]:
        """As the script takes it."""
        customer = masked(view.customer_id, self._mask_key) if view.customer_id else UNKNOWN
        return view.at_ms, view.who, view.role, view.how, view.kind, view.id, customer


def read_trail(client: Client) -> Iterator[AuditEntry]:
    """The trail, newest first. Raises StoreUnavailable."""
    before = NEWEST
    while True:
        with answering("reading the audit trail", client):
            entries: Any = client.xrevrange(keys.AUDIT.of(), before, "-", ENTRIES_A_LOOK)
        for _, fields in entries:
            yield _audit_entry({name.decode(): value.decode() for name, value in fields.items()})
        if len(entries) < ENTRIES_A_LOOK:
            return
        before = f"({entries[-1][0].decode()}"


def _audit_entry(fields: dict[str, str]) -> AuditEntry:
    kind = next(name for name in KINDS if name in fields)
    return AuditEntry(
        int(fields["at"]), fields["who"], fields["role"], fields["how"], kind, fields[kind], fields["customer"]
    )
