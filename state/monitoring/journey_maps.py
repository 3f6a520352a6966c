"""Journey maps in Redis: the panes of each journey, as the engine has them.

In: panes as the engine packs them. Out: for the gateway, the panes of a window, and when the newest transition was.
Refused: ``StoreUnavailable`` when Redis is away; the same changes may then be written again, for a pane says all it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from operators.monitoring.journey_map import Pane, PaneKey, Window, parse_key, unpack_pane
from operators.monitoring.journey_monitor import JourneyKnown, MapChanged
from state.redis import keys
from state.redis.connections import AsyncClient, Client, answering

NEWEST: Final = "newest"


class JourneyMapWriter:
    """The engine's side."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def write(self, changes: Sequence[MapChanged | JourneyKnown]) -> None:
        """What has changed, all at once. Raises StoreUnavailable."""
        with answering("writing journey maps", self._client), self._client.pipeline(transaction=True) as pipeline:
            for change in changes:
                if isinstance(change, JourneyKnown):
                    pipeline.hset(keys.JOURNEYS.of(), change.journey, msgspec.json.encode(change.document))
                    continue
                key = keys.JOURNEY_MAP.of(change.journey)
                fields: dict[Any, Any] = {**change.panes, NEWEST: change.newest_ms}
                pipeline.hset(key, mapping=fields)
                if change.gone:
                    pipeline.hdel(key, *change.gone)
            pipeline.execute()


class JourneyMaps:
    """The gateway's side."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def journeys(self) -> dict[str, dict[str, Any]]:
        """The journeys that somebody has begun, by name, as the engine knows them. Raises StoreUnavailable."""
        with answering("reading journeys", self._client):
            documents: Any = await self._client.hgetall(keys.JOURNEYS.of())
        return {name.decode(): msgspec.json.decode(document) for name, document in sorted(documents.items())}

    async def newest_ms(self, journeys: Iterable[str]) -> dict[str, int]:
        """When the newest transition of each journey was; others are left out. Raises StoreUnavailable."""
        names = list(journeys)
        with answering("reading journey maps", self._client):
            async with self._client.pipeline(transaction=False) as pipeline:
                for name in names:
                    pipeline.hget(keys.JOURNEY_MAP.of(name), NEWEST)
                values: list[Any] = await pipeline.execute()
        return {name: int(newest) for name, newest in zip(names, values, strict=True) if newest is not None}

    async def panes(self, journey: str, window: Window, newest_ms: int) -> dict[PaneKey, Pane]:
        """The panes of a journey that a window holds which ends at ``newest_ms``. Raises StoreUnavailable."""
        key, start_ms = keys.JOURNEY_MAP.of(journey), window.start_ms(newest_ms)
        with answering("reading a journey map", self._client):
            names: Any = await self._client.hkeys(key)
            wanted = [name for name in names if name != NEWEST.encode() and _start_ms(name) >= start_ms]
            packed: Any = await self._client.hmget(key, wanted) if wanted else []
        return {
            parse_key(name.decode()): unpack_pane(pane)
            for name, pane in zip(wanted, packed, strict=True)
            if pane is not None
        }


def _start_ms(name: bytes) -> int:
    return parse_key(name.decode()).start_ms
