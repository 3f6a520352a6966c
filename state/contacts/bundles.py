"""Bundles and whose customers are whose: written by the engine, read by the gateway.

In: bundles, what changes in them, their ends and whereabouts, in order. Out: the events of an agent's desk, the bundle
of the contact that is under way, what is known of whose a customer is. Refused: a bundle or change that was written
within a day; the change or end of one that is not the customer's any more (all False); ``StoreUnavailable`` when Redis
is away - the same list may then be written again.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from operators.contacts.bundle import Bundle, BundleChanged, BundleEnd, BundleOutput, CustomerWhereabouts
from operators.records.routing import NOWHERE, Whereabouts
from state.contacts.handover import handover_call, handover_order
from state.facts.cloud_events import bundle_changed_event, bundle_closed_event, bundle_created_event
from state.hints.repository import Document
from state.hints.script_calls import OWNER_FIELDS
from state.redis import keys
from state.redis.channels import KEPT_EVENTS, channel_keys, fresh_epoch
from state.redis.connections import AsyncClient, Client, answering
from state.redis.idempotent_append import REMEMBERED_MS
from state.redis.scripts import BUNDLE, BUNDLE_CHANGE, BUNDLE_END, Call, run

WHEREABOUTS_FIELDS: Final = ("owner", "branch", "region", "group")


class RedisBundleWriter:
    """Bundles in Redis. ``keep_ms``: how long whose a customer is is kept after its last change."""

    def __init__(self, client: Client, now_ms: Callable[[], int], keep_ms: int, kept_events: int = KEPT_EVENTS) -> None:
        self._client = client
        self._now_ms = now_ms
        self._keep_ms = keep_ms
        self._kept_events = kept_events

    def write(self, outputs: Sequence[BundleOutput]) -> list[bool]:
        """Carry out ``outputs`` in order; for each, whether it changed anything."""
        with answering("writing bundles", self._client):
            return [self._write(output) for output in outputs]

    def _write(self, output: BundleOutput) -> bool:
        if isinstance(output, CustomerWhereabouts):
            return self._write_whereabouts(output)
        if isinstance(output, BundleEnd):
            return bool(run(self._client, (self._end_call(output),))[0][0])
        if isinstance(output, BundleChanged):
            return bool(run(self._client, (self._change_call(output),))[0][0])
        is_new = bool(run(self._client, (self._create_call(output),))[0][0])
        if is_new and output.agent_id and self._client.exists(keys.PRESENCE.of(output.agent_id)):
            self._hand_over(output.customer_id, output.agent_id)
        return is_new

    def _hand_over(self, customer_id: str, agent_id: str) -> None:
        """The customer's open hints go to the desk that talks to him; where nobody sits they would be lost."""
        hint_ids: Any = self._client.zrange(keys.OPEN_HINTS.of(customer_id), 0, -1)
        with self._client.pipeline(transaction=False) as pipeline:
            for hint_id in hint_ids:
                pipeline.hmget(keys.HINT_RECORD.of(hint_id.decode()), (*OWNER_FIELDS, "document"))
            records = pipeline.execute()
        orders = [
            handover_order(hint_id.decode(), record, agent_id, "contact")
            for hint_id, record in zip(hint_ids, records, strict=True)
        ]
        now_ms = self._now_ms()
        run(self._client, [handover_call(order, now_ms, self._kept_events) for order in orders if order is not None])

    def _create_call(self, bundle: Bundle) -> Call:
        customer_id, agent_id, event = bundle.customer_id, bundle.agent_id or "", bundle_created_event(bundle)
        names = (keys.TOLD.of(bundle.bundle_id), keys.BUNDLE.of(customer_id), keys.DESK_BUNDLES.of(agent_id))
        arguments = (
            *(self._now_ms(), bundle.expires_at_ms, fresh_epoch(), self._kept_events, REMEMBERED_MS),
            *(customer_id, bundle.bundle_id, agent_id),
            msgspec.json.encode(event["data"]),
            msgspec.json.encode(event),
        )
        return Call(BUNDLE, (*names, *channel_keys(keys.desk_channel(agent_id))), arguments)

    def _change_call(self, change: BundleChanged) -> Call:
        mark = keys.TOLD.of(f"{change.bundle_id}:{change.cause}")
        event = bundle_changed_event(change)
        struggling = event["data"]["struggling"]
        arguments = (
            *(fresh_epoch(), self._kept_events, REMEMBERED_MS, change.bundle_id),
            b"" if struggling is None else msgspec.json.encode(struggling),
            msgspec.json.encode(event),
        )
        names = (mark, keys.BUNDLE.of(change.customer_id), *channel_keys(keys.desk_channel(change.agent_id)))
        return Call(BUNDLE_CHANGE, names, arguments)

    def _end_call(self, end: BundleEnd) -> Call:
        agent_id = end.agent_id or ""
        names = (keys.BUNDLE.of(end.customer_id), keys.DESK_BUNDLES.of(agent_id))
        event = msgspec.json.encode(bundle_closed_event(end))
        arguments = (fresh_epoch(), self._kept_events, end.customer_id, end.bundle_id, agent_id, event)
        return Call(BUNDLE_END, (*names, *channel_keys(keys.desk_channel(agent_id))), arguments)

    def _write_whereabouts(self, output: CustomerWhereabouts) -> bool:
        key = keys.BELONGS.of(output.customer_id)
        fields: dict[Any, Any] = {name: value for name in WHEREABOUTS_FIELDS if (value := getattr(output.known, name))}
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.delete(key)
            if fields:
                pipeline.hset(key, mapping=fields)
                pipeline.pexpire(key, self._keep_ms)
            pipeline.execute()
        return True


class RedisBundleRepository:
    """What the gateway sees of bundles. Raises StoreUnavailable."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def bundle(self, customer_id: str) -> Document | None:
        """The bundle of the contact that is under way with a customer; None: there is none."""
        with answering("reading a bundle", self._client):
            values: Any = await self._client.hmget(keys.BUNDLE.of(customer_id), ("document", "struggling"))
        return None if values[0] is None else _current_document(*values)

    async def desk_bundles(self, desk_id: str, now_ms: int) -> list[Document]:
        """The bundles of the contacts that a desk is in, newest first."""
        with answering("reading a desk's bundles", self._client):
            customers: Any = await self._client.zrangebyscore(keys.DESK_BUNDLES.of(desk_id), now_ms, "+inf")
            async with self._client.pipeline(transaction=False) as pipeline:
                for customer in customers:
                    pipeline.hmget(keys.BUNDLE.of(customer.decode()), ("agent", "document", "struggling"))
                records: Any = await pipeline.execute()
        documents = [_current_document(*values) for agent, *values in records if agent == desk_id.encode()]
        return sorted(documents, key=lambda document: (document["at"], document["bundle_id"]), reverse=True)

    async def whereabouts(self, customer_id: str) -> Whereabouts:
        """Whose a customer is, and the desk that is in contact with him."""
        with answering("asking whose a customer is", self._client):
            async with self._client.pipeline(transaction=False) as pipeline:
                ask_whereabouts(pipeline, customer_id)
                belongs, agent = await pipeline.execute()
        return whereabouts_from(belongs, agent)


def _current_document(document: bytes, struggling: bytes | None) -> Document:
    """The bundle as it was written, with what has changed since (None: nothing; empty: he struggles no more)."""
    bundle: Document = msgspec.json.decode(document)
    if struggling is not None:
        bundle["struggling"] = msgspec.json.decode(struggling) if struggling else None
    return bundle


def ask_whereabouts(pipeline: Any, customer_id: str) -> None:  # noqa: ANN401 - of the one client or the other
    """Puts the two questions into a pipeline whose answers ``whereabouts_from`` reads."""
    pipeline.hmget(keys.BELONGS.of(customer_id), WHEREABOUTS_FIELDS)
    pipeline.hget(keys.BUNDLE.of(customer_id), "agent")


def whereabouts_from(values: Sequence[bytes | None], agent: bytes | None) -> Whereabouts:
    """What Redis answered, as a record."""
    if agent is None and not any(values):
        return NOWHERE
    owner, branch, region, group = (None if value is None else value.decode() for value in values)
    return Whereabouts(owner, branch, region, group, agent.decode() or None if agent is not None else None)
