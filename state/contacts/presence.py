"""Who is on line: desks report it again and again, and whoever falls silent is away.

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
"""A desk that has not reported for so long is away."""
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
        """These, one at least, are away: nobody waits for their silence. Another gateway that has one reports again."""
        with answering("saying who has gone", self._client):
            await self._client.delete(*(keys.PRESENCE.of(desk_id) for desk_id in desk_ids))
            await self._client.zrem(keys.ON_LINE.of(), *desk_ids)

    async def on_line(self, now_ms: int) -> list[Seat]:
        """All desks that are on line, by name."""
        with answering("asking who is on line", self._client):
            await self._client.zremrangebyscore(keys.ON_LINE.of(), "-inf", now_ms)
            desks: Any = await self._client.zrange(keys.ON_LINE.of(), 0, -1)
            seats: Any = await self._client.mget([keys.PRESENCE.of(desk.decode()) for desk in desks]) if desks else ()
        return sorted((_SEAT.decode(seat) for seat in seats if seat is not None), key=lambda seat: seat.desk_id)

    async def is_on_line(self, desk_id: str) -> bool:
        """Whether this desk is on line."""
        with answering("asking whether a desk is on line", self._client):
            return bool(await self._client.exists(keys.PRESENCE.of(desk_id)))


def _beat_call(seats: Sequence[Seat], now_ms: int) -> Call:
    values = [value for seat in seats for value in (seat.desk_id, msgspec.json.encode(seat))]
    presences = (keys.PRESENCE.of(seat.desk_id) for seat in seats)
    return Call(BEAT, (keys.ON_LINE.of(), *presences), (now_ms + ON_LINE_MS, ON_LINE_MS, *values))


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
            whereabouts = self._whereabouts([hint.customer_id for hint in hints])
            on_line = self._on_line({desk for known in whereabouts for desk in (known.owner, known.in_contact) if desk})
            placements = [self._placement(hint, known, on_line) for hint, known in zip(hints, whereabouts, strict=True)]
            routed = zip(placements, whereabouts, strict=True)
            self._await_owners([placement for placement, known in routed if placement.desk_id == known.owner])
        return placements

    def _placement(self, hint: Hint, whereabouts: Whereabouts, on_line: set[str]) -> PlaceHint:
        placed_hint = msgspec.structs.replace(hint, branch=whereabouts.branch, region=whereabouts.region)
        return PlaceHint(placed_hint, destination(hint.customer_id, whereabouts, on_line, self._desks))

    def _whereabouts(self, customers: Sequence[str]) -> list[Whereabouts]:
        with self._client.pipeline(transaction=False) as pipeline:
            for customer_id in customers:
                ask_whereabouts(pipeline, customer_id)
            answers: Any = pipeline.execute()
        return [whereabouts_from(*pair) for pair in zip(answers[::2], answers[1::2], strict=True)]

    def _on_line(self, desks: set[str]) -> set[str]:
        desk_ids = sorted(desks)
        seats: Any = self._client.mget([keys.PRESENCE.of(desk) for desk in desk_ids]) if desk_ids else ()
        return {desk for desk, seat in zip(desk_ids, seats, strict=True) if seat is not None}

    def _await_owners(self, placements: Sequence[PlaceHint]) -> None:
        """Puts down when to see whether the owner is still there."""
        look_at_ms = self._now_ms() + self._away_after_ms
        if placements:
            self._client.zadd(keys.AWAITED.of(), {placement.hint.hint_id: look_at_ms for placement in placements})
