"""The audit trail: who saw which hint of whom, and when; added to, never changed.

In: views. Out: the trail, newest first. Refused: nothing; ``StoreUnavailable`` while Redis is away - the same views may
then be written again. A customer stands in it masked (``operators/masking.py``), so that the trail can outlive him;
whoever has the key can ask for one customer's views.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from operators.masking import masked
from state import keys
from state.connections import AsyncClient, Client, answering

ENTRIES_A_LOOK: Final = 1_000
NEWEST: Final = "+"


class View(msgspec.Struct, frozen=True):
    """Somebody was shown a hint. ``who``: a token's subject, with its ``role``; ``how``: push, look_up or list.

    ``customer_id`` None: the hint's record says whose it is. ``at_ms``: epoch ms.
    """

    at_ms: int
    who: str
    role: str
    how: str
    hint_id: str
    customer_id: str | None = None


class Seen(msgspec.Struct, frozen=True):
    """One line of the trail. ``customer``: masked, ``unknown`` where nobody knew any more whose the hint was."""

    at_ms: int
    who: str
    role: str
    how: str
    hint_id: str
    customer: str


class AuditTrail:
    """Writes. ``mask_key``: what customers are masked with."""

    def __init__(self, client: AsyncClient, mask_key: bytes) -> None:
        self._client = client
        self._mask_key = mask_key

    async def write(self, views: Sequence[View]) -> None:
        """Adds views, in their order. Raises StoreUnavailable."""
        if not views:
            return
        with answering("writing the audit trail", self._client):
            owners = await self._owners([view.hint_id for view in views if view.customer_id is None])
            async with self._client.pipeline(transaction=False) as pipeline:
                for view in views:
                    pipeline.xadd(keys.AUDIT.of(), self._fields(view, owners))
                await pipeline.execute()

    def _fields(self, view: View, owners: dict[str, str]) -> Any:  # noqa: ANN401 - redis-py's own type is too wide
        customer_id = view.customer_id or owners.get(view.hint_id)
        return {
            "at": view.at_ms,
            "who": view.who,
            "role": view.role,
            "how": view.how,
            "hint": view.hint_id,
            "customer": "unknown" if customer_id is None else masked(customer_id, self._mask_key),
        }

    async def _owners(self, hint_ids: Sequence[str]) -> dict[str, str]:
        if not hint_ids:
            return {}
        async with self._client.pipeline(transaction=False) as pipeline:
            for hint_id in hint_ids:
                pipeline.hget(keys.HINT_RECORD.of(hint_id), "customer")
            found: list[bytes | None] = await pipeline.execute()
        return {each: owner.decode() for each, owner in zip(hint_ids, found, strict=True) if owner is not None}


def read_trail(client: Client) -> Iterator[Seen]:
    """The trail, newest first. Raises StoreUnavailable."""
    before = NEWEST
    while True:
        with answering("reading the audit trail", client):
            entries: Any = client.xrevrange(keys.AUDIT.of(), before, "-", ENTRIES_A_LOOK)
        for _, fields in entries:
            yield _seen({name.decode(): value.decode() for name, value in fields.items()})
        if len(entries) < ENTRIES_A_LOOK:
            return
        before = f"({entries[-1][0].decode()}"


def _seen(fields: dict[str, str]) -> Seen:
    return Seen(int(fields["at"]), fields["who"], fields["role"], fields["how"], fields["hint"], fields["customer"])
