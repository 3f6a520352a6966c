"""Who is on line: desks say so again and again, and whoever falls silent is away.

In: seats (desks with their skills, branch and region) and the time. Out: which desks are on line, and where hints go.
Refused: ``StoreUnavailable`` when Redis is away.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from operators.hints.hint import Hint
from operators.records.routing import Whereabouts, destination
from state.contacts.bundles import ask_whereabouts, whereabouts_from
from state.hints.transitions import PlaceHint
from state.redis import keys
from state.redis.connections import AsyncClient, Client, answering
from state.redis.scripts import BEAT, Call, run_async

ON_LINE_MS: Final = 15_000
"""A desk that has not been heard of for so long is away."""
SEATS_A_CALL: Final = 100
"""Less than a millisecond of the gateway's loop, and of Redis."""


class Seat(msgspec.Struct, frozen=True):
    """A desk that is on line. ``skills``: None is every skill."""

    desk_id: str
    skills: tuple[str, ...] | None = None
    branch: str | None = None
    region: str | None = None


_SEAT: Final = msgspec.json.Decoder(Seat)


class Presence:
    """The gateway's side: which desks are connected. Raises StoreUnavailable."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def beat(self, seats: Sequence[Seat], now_ms: int) -> None:
        """These desks are on line now."""
        with answering("saying who is on line", self._client):
            for start in range(0, len(seats), SEATS_A_CALL):
                await run_async(self._client, _beat_call(seats[start : start + SEATS_A_CALL], now_ms))

    async def gone(self, desk_ids: Collection[str]) -> None:
        """These, one at least, are away: nobody waits for their silence. Another gateway that has one says so again."""
        with answering("saying who has gone", self._client):
            await self._client.delete(*(keys.PRESENCE.of(desk_id) for desk_id in desk_ids))
            await self._client.zrem(keys.ON_LINE.of(), *desk_ids)

    async def on_line(self, now_ms: int) -> list[Seat]:
        """All desks that are on line, by name."""
        with answering("asking who is on line", self._client):
            await self._client.zremrangebyscore(keys.ON_LINE.of(), "-inf", now_ms)
            desks: Any = await self._client.zrange(keys.ON_LINE.of(), 0, -1)
            found: Any = await self._client.mget([keys.PRESENCE.of(desk.decode()) for desk in desks]) if desks else ()
        return sorted((_SEAT.decode(each) for each in found if each is not None), key=lambda seat: seat.desk_id)

    async def is_on_line(self, desk_id: str) -> bool:
        """Whether this desk is on line."""
        with answering("asking whether a desk is on line", self._client):
            return bool(await self._client.exists(keys.PRESENCE.of(desk_id)))


def _beat_call(seats: Sequence[Seat], now_ms: int) -> Call:
    said = [value for seat in seats for value in (seat.desk_id, msgspec.json.encode(seat))]
    presences = (keys.PRESENCE.of(seat.desk_id) for seat in seats)
    return Call(BEAT, (keys.ON_LINE.of(), *presences), (now_ms + ON_LINE_MS, ON_LINE_MS, *said))


class Routes:
    """The engine's side: where a hint goes. ``away_after_ms``: how long its owner may be away.

    Raises StoreUnavailable.
    """

    def __init__(
        self, client: Client, now_ms: Callable[[], int], desks: Sequence[str], away_after_ms: float = 60_000
    ) -> None:
        self._client = client
        self._now_ms = now_ms
        self._desks = tuple(desks)
        self._away_after_ms = round(away_after_ms)

    def placements(self, hints: Sequence[Hint]) -> list[PlaceHint]:
        """Each hint with its desk or queue, and where its customer belongs."""
        with answering("asking where hints go", self._client):
            known = self._whereabouts([hint.customer_id for hint in hints])
            on_line = self._on_line({desk for each in known for desk in (each.owner, each.in_contact) if desk})
            routed = [self._telling(*each, on_line) for each in zip(hints, known, strict=True)]
            self._await([each for each, whose in zip(routed, known, strict=True) if each.desk_id == whose.owner])
        return routed

    def _telling(self, hint: Hint, known: Whereabouts, on_line: set[str]) -> PlaceHint:
        placed = msgspec.structs.replace(hint, branch=known.branch, region=known.region)
        return PlaceHint(placed, destination(hint.customer_id, known, on_line, self._desks))

    def _whereabouts(self, customers: Sequence[str]) -> list[Whereabouts]:
        with self._client.pipeline(transaction=False) as pipeline:
            for customer_id in customers:
                ask_whereabouts(pipeline, customer_id)
            found: Any = pipeline.execute()
        return [whereabouts_from(*pair) for pair in zip(found[::2], found[1::2], strict=True)]

    def _on_line(self, desks: set[str]) -> set[str]:
        asked = sorted(desks)
        found: Any = self._client.mget([keys.PRESENCE.of(desk) for desk in asked]) if asked else ()
        return {desk for desk, seat in zip(asked, found, strict=True) if seat is not None}

    def _await(self, at_owners: Sequence[PlaceHint]) -> None:
        """Puts down when to see whether the owner is still there."""
        look_at_ms = self._now_ms() + self._away_after_ms
        if at_owners:
            self._client.zadd(keys.AWAITED.of(), {each.hint.hint_id: look_at_ms for each in at_owners})
