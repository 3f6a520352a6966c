"""The outreach list as agents work it: pages of it, claims with a lease, outcomes, do-not-call wishes.

In: ids of entries, customers and agents; the time in epoch milliseconds. Out: documents with who has claimed them,
and what became of each wish. Refused: as an answer that says why (``Claim.refused``, ``Ending.refused``);
``StoreUnavailable`` when Redis is away.

A claim is one change in Redis: of two agents one gets it. A lease that has run out is no claim any more; nobody
need clear it away.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from state.outreach.writer import end_call, list_keys
from state.redis import keys
from state.redis.connections import AsyncClient, answering
from state.redis.scripts import OUTREACH_CLAIM, OUTREACH_OUTCOME, OUTREACH_RELEASE, Call, run_async

FIELDS: Final = ("document", "state", "expires_at_ms", "claimed_by", "claimed_until_ms")
CLAIMED: Final = frozenset(("claimed", "renewed"))


class ListPosition(msgspec.Struct, frozen=True):
    """Where a page ended: the rank and id of its last entry."""

    rank: int
    outreach_id: str


class Page(msgspec.Struct, frozen=True):
    """Some of the list, the most needy first. ``after``: where the next page begins; None: there is none."""

    entries: list[dict[str, Any]]
    after: ListPosition | None


class EntryOwner(msgspec.Struct, frozen=True):
    """Whom an entry is about."""

    customer_id: str
    journey: str
    document: dict[str, Any]


class Claim(msgspec.Struct, frozen=True):
    """What became of a wish to call. ``refused``: ``unknown``, ``over`` or ``taken`` (None: it is claimed).

    ``detail``: why it is over, or who holds it; ``until_ms``: how long the claim holds, whoever's it is.
    """

    refused: str | None
    detail: str
    until_ms: int
    renewed: bool


class Ending(msgspec.Struct, frozen=True):
    """What became of an outcome. ``refused``: ``unknown``, ``unclaimed``, ``taken`` or ``over`` (None: it is noted).

    ``detail``: the outcome that was noted before; ``changed``: False when the same was noted before.
    """

    refused: str | None
    detail: str
    changed: bool


class OutreachRepository:
    """The list in Redis, for the gateway. Every method raises StoreUnavailable."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def version(self) -> int:
        """A number that changes with the list."""
        with answering("asking whether the outreach list has changed", self._client):
            version: Any = await self._client.get(keys.OUTREACH_VERSION.of())
        return int(version or 0)

    async def page(self, journey: str | None, after: ListPosition | None, count: int, now_ms: int) -> Page:
        """At most ``count`` entries of one journey, or of all, behind ``after``."""
        key = keys.OUTREACH.of() if journey is None else keys.OUTREACH_JOURNEY.of(journey)
        entries: list[dict[str, Any]] = []
        with answering("reading the outreach list", self._client):
            positions = await self._behind(key, after, count)
            while positions:
                entries += await self._open(key, [position.outreach_id for position in positions], now_ms)
                after = positions[-1]
                positions = await self._behind(key, after, max(1, count - len(entries)))
                if len(entries) == count:
                    break
        return Page(entries, after if positions else None)

    async def owner(self, outreach_id: str) -> EntryOwner | None:
        """Whom an entry is about, open or over; None: unknown."""
        with answering("reading an entry of the outreach list", self._client):
            record = keys.OUTREACH_RECORD.of(outreach_id)
            customer, journey, document = await self._fields(record, ("customer", "journey", "document"))
        if customer is None or journey is None or document is None:
            return None
        return EntryOwner(customer.decode(), journey.decode(), msgspec.json.decode(document))

    async def whereabouts(self, customer_ids: Sequence[str]) -> list[tuple[str | None, str | None]]:
        """The branch and region of each customer, as far as they are known."""
        with answering("asking whose customers are", self._client):
            async with self._client.pipeline(transaction=False) as pipeline:
                for customer_id in customer_ids:
                    pipeline.hmget(keys.BELONGS.of(customer_id), ("branch", "region"))
                rows: list[Sequence[bytes | None]] = await pipeline.execute()
        return [(_text(branch), _text(region)) for branch, region in rows]

    async def claim(self, outreach_id: str, agent: str, now_ms: int) -> Claim:
        """Claim an entry for the lease it names, or renew one's own claim."""
        with answering("claiming an entry of the outreach list", self._client):
            call = Call(OUTREACH_CLAIM, (*_claim_keys(outreach_id), keys.DO_NOT_CALL.of()), (now_ms, agent))
            answer, detail, until_ms = await run_async(self._client, call)
        refused = None if answer.decode() in CLAIMED else answer.decode()
        return Claim(refused, detail.decode(), int(until_ms), answer == b"renewed")

    async def release(self, outreach_id: str, agent: str, now_ms: int) -> str:
        """Give one's claim back: ``released``, ``free`` (nobody's), ``taken`` (another's) or ``unknown``."""
        with answering("releasing an entry of the outreach list", self._client):
            call = Call(OUTREACH_RELEASE, _claim_keys(outreach_id), (now_ms, agent))
            (answer,) = await run_async(self._client, call)
        return str(answer.decode())

    async def end(self, outreach_id: str, owner: EntryOwner, agent: str, outcome: str, now_ms: int) -> Ending:
        """Note what came of a call; the entry goes from the list."""
        touched_keys = (*list_keys(outreach_id, owner.customer_id, owner.journey), keys.DO_NOT_CALL.of())
        with answering("noting the outcome of a call", self._client):
            call = Call(OUTREACH_OUTCOME, touched_keys, (now_ms, agent, outreach_id, owner.customer_id, outcome))
            answer, detail = await run_async(self._client, call)
        refused = None if answer in (b"noted", b"again") else answer.decode()
        return Ending(refused, detail.decode(), answer == b"noted")

    async def forbid(self, customer_id: str) -> bool:
        """No calls to this customer from now on; what is open of them goes. False: it was so before."""
        with answering("noting that a customer wants no calls", self._client):
            added: Any = await self._client.sadd(keys.DO_NOT_CALL.of(), customer_id)
            members: Any = await self._client.smembers(keys.OUTREACH_CUSTOMER.of(customer_id))
            for outreach_id in sorted(member.decode() for member in members):
                (journey,) = await self._fields(keys.OUTREACH_RECORD.of(outreach_id), ("journey",))
                name = "" if journey is None else journey.decode()
                await run_async(self._client, end_call(outreach_id, customer_id, name, "do_not_call"))
        return bool(added)

    async def allow(self, customer_id: str) -> bool:
        """Calls are welcome again. False: they were before."""
        with answering("noting that a customer may be called", self._client):
            removed: Any = await self._client.srem(keys.DO_NOT_CALL.of(), customer_id)
        return bool(removed)

    async def _behind(self, key: str, after: ListPosition | None, count: int) -> list[ListPosition]:
        """Positions of equal rank come in falling order of their ids, as Redis gives them."""
        top = "+inf" if after is None else str(after.rank)
        behind: list[ListPosition] = []
        offset = 0
        while not behind:
            rows: Any = await self._client.zrevrangebyscore(key, top, "-inf", offset, count + 1, withscores=True)
            positions = [ListPosition(int(rank), member.decode()) for member, rank in rows]
            behind = [position for position in positions if after is None or _is_behind(position, after)]
            offset += len(rows)
            if len(rows) <= count:
                break
        return behind[:count]

    async def _open(self, key: str, ids: Sequence[str], now_ms: int) -> list[dict[str, Any]]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for outreach_id in ids:
                pipeline.hmget(keys.OUTREACH_RECORD.of(outreach_id), FIELDS)
            records: list[Sequence[bytes | None]] = await pipeline.execute()
        missing = [outreach_id for outreach_id, record in zip(ids, records, strict=True) if record[0] is None]
        if missing:
            await self._client.zrem(key, *missing)
        documents = [_document(record, now_ms) for record in records]
        return [outreach_id for outreach_id in documents if outreach_id is not None]

    async def _fields(self, record: str, names: Sequence[str]) -> Sequence[bytes | None]:
        values: Any = await self._client.hmget(record, names)
        return list(values)


def _document(record: Sequence[bytes | None], now_ms: int) -> dict[str, Any] | None:
    """An entry with who has claimed it; None where it is over."""
    document, state, expires_at_ms, claimed_by, claimed_until_ms = record
    if document is None or state != b"open" or int(expires_at_ms or 0) <= now_ms:
        return None
    is_held = claimed_by is not None and int(claimed_until_ms or 0) > now_ms
    return {
        **msgspec.json.decode(document),
        "claimed_by": claimed_by.decode() if claimed_by is not None and is_held else None,
        "claimed_until_ms": int(claimed_until_ms or 0) if is_held else None,
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _claim_keys(outreach_id: str) -> tuple[str, str]:
    return keys.OUTREACH_RECORD.of(outreach_id), keys.OUTREACH_VERSION.of()


def _is_behind(position: ListPosition, other: ListPosition) -> bool:
    return (position.rank, position.outreach_id) < (other.rank, other.outreach_id)
