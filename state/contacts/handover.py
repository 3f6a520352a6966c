"""Hints handed from one desk or queue to another: what is written, and the call that does it.

In: a hint's document and owner, where it goes and why. Out: a call of the script that hands it over, with the events
for both channels. Refused, by the script: a hint that is over, or no longer where it was.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from operators.hints.hint import OPEN_STATES
from operators.records.routing import is_queue, queue_of
from operators.support.timestamps import iso_text
from state.facts import cloud_events
from state.hints.script_calls import OWNER_FIELDS, owner_from
from state.hints.transitions import HintOwner
from state.redis import keys
from state.redis.channels import KEPT_EVENTS, channel_keys, fresh_epoch
from state.redis.connections import AsyncClient, answering
from state.redis.scripts import REROUTE, Call, run_async


class HandoverOrder(msgspec.Struct, frozen=True):
    """One hint that goes from its owner's desk to ``desk_id``. ``cause``: ``taken``, ``contact`` or ``away``.

    ``look_at_ms``: when to see whether that desk is there (None: it need not be).
    """

    hint_id: str
    owner: HintOwner
    document: dict[str, Any]
    desk_id: str
    cause: str
    look_at_ms: int | None = None


def handover_order(
    hint_id: str, record: Sequence[bytes | None], desk_id: str, cause: str, look_at_ms: int | None = None
) -> HandoverOrder | None:
    """What hands a hint over to ``desk_id``; ``record``: ``OWNER_FIELDS`` and ``document`` of its record.

    None: there is nothing to hand over: it is unknown, at that desk already, or no desk is shown it.
    """
    owner, document = owner_from(record[:-1]), record[-1]
    if owner is None or document is None or owner.desk_id == desk_id or "desk" not in owner.surfaces:
        return None
    return HandoverOrder(hint_id, owner, msgspec.json.decode(document), desk_id, cause, look_at_ms)


def handover_call(order: HandoverOrder, now_ms: int, kept_events: int = KEPT_EVENTS) -> Call:
    """Answers ``[1, new desk]``, or ``[0, the desk it stays at]`` (empty: unknown or over)."""
    owner, hint_id = order.owner, order.hint_id
    change = cloud_events.hint_change(hint_id, owner.customer_id, "moved", order.cause, now_ms)
    moved = cloud_events.hint_changed_event(cloud_events.HINT_MOVED, change, owner.transaction_id)
    moved["id"] = f"{hint_id}:moved:{now_ms}"
    created = cloud_events.document_created_event(order.document, f"{hint_id}:created:{now_ms}", iso_text(now_ms))
    attributes = {name: value for name in ("branch", "region") if (value := getattr(owner, name))}
    return Call(
        REROUTE,
        (
            keys.HINT_RECORD.of(hint_id),
            keys.DESK_OPEN.of(owner.desk_id),
            keys.DESK_OPEN.of(order.desk_id),
            *channel_keys(keys.desk_channel(owner.desk_id)),
            *channel_keys(keys.desk_channel(order.desk_id)),
            keys.AWAITED.of(),
        ),
        (
            *(now_ms, fresh_epoch(), kept_events, hint_id, owner.desk_id, order.desk_id),
            *(msgspec.json.encode({**moved, **attributes}), msgspec.json.encode(created)),
            "" if order.look_at_ms is None else order.look_at_ms,
            f"|{'|'.join(sorted(OPEN_STATES))}|",
        ),
    )


class HintHandover:
    """Hands hints over for the gateway: to a desk that takes one, from an owner who stays away.

    Raises StoreUnavailable.
    """

    def __init__(self, client: AsyncClient, away_after_ms: float = 60_000, kept_events: int = KEPT_EVENTS) -> None:
        self._client = client
        self._away_after_ms = round(away_after_ms)
        self._kept_events = kept_events

    async def look_up(self, hint_id: str) -> HintOwner | None:
        """Whose a hint is; None: unknown."""
        with answering("asking whose a hint is", self._client):
            record: Any = await self._client.hmget(keys.HINT_RECORD.of(hint_id), OWNER_FIELDS)
        return owner_from(record)

    async def hand_to(self, hint_id: str, desk_id: str, now_ms: int) -> str | None:
        """Hand a hint of a queue to the desk that takes it; the desk it is at now (None: unknown or over)."""
        owner = await self.look_up(hint_id)
        if owner is None or not is_queue(owner.desk_id):
            return None if owner is None else owner.desk_id
        return await self._hand_over(hint_id, desk_id, "taken", now_ms)

    async def overdue(self, now_ms: int, count: int = 100) -> list[str]:
        """Hints whose owner is to be looked for now."""
        with answering("asking which hints wait for their owner", self._client):
            hint_ids: Any = await self._client.zrangebyscore(keys.AWAITED.of(), "-inf", now_ms, 0, count)
        return [hint_id.decode() for hint_id in hint_ids]

    async def wait_on(self, hint_id: str, now_ms: int) -> None:
        """The owner is there: look again later."""
        with answering("putting a hint down to be looked at", self._client):
            await self._client.zadd(keys.AWAITED.of(), {hint_id: now_ms + self._away_after_ms}, xx=True)

    async def to_queue(self, hint_id: str, owner: HintOwner, now_ms: int) -> None:
        """The owner stays away: the queue of the customer's branch has it."""
        await self._hand_over(hint_id, queue_of(owner.branch), "away", now_ms)

    async def forget(self, hint_id: str) -> None:
        """There is nothing to wait for any more."""
        with answering("forgetting a hint that waited", self._client):
            await self._client.zrem(keys.AWAITED.of(), hint_id)

    async def _hand_over(self, hint_id: str, desk_id: str, cause: str, now_ms: int) -> str | None:
        with answering("handing a hint over", self._client):
            record: Any = await self._client.hmget(keys.HINT_RECORD.of(hint_id), (*OWNER_FIELDS, "document"))
            owner, order = owner_from(record[:-1]), handover_order(hint_id, record, desk_id, cause)
            if order is None:
                return None if owner is None else owner.desk_id
            _, current_desk = await run_async(self._client, handover_call(order, now_ms, self._kept_events))
        return current_desk.decode() or None
