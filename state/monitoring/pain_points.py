"""Pain points in Redis: one JSON document each, and what happened to them as CloudEvents for other systems.

In: the engine's words. Out: the documents for the gateway, those that cost most first. Refused: ``StoreUnavailable``
when Redis is away; the same words may then be written again, for each event is written once by its id.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from operators.monitoring.journey_monitor import PainPointChanged
from operators.monitoring.pain_points import pain_point_document
from state.facts.cloud_events import pain_point_event
from state.facts.stream import KEPT_FACTS
from state.redis import keys
from state.redis.connections import AsyncClient, Client, answering
from state.redis.idempotent_append import StreamEntry, append_once


class PainPointWriter:
    """The engine's side."""

    def __init__(self, client: Client, kept_facts: int = KEPT_FACTS) -> None:
        self._client = client
        self._kept_facts = kept_facts

    def write(self, words: Sequence[PainPointChanged]) -> None:
        """The documents as they are now, then what happened, each once. Raises StoreUnavailable."""
        documents: dict[Any, Any] = {
            each.point.id: msgspec.json.encode(pain_point_document(each.point)) for each in words
        }
        with answering("writing pain points", self._client):
            self._client.hset(keys.PAIN_POINTS.of(), mapping=documents)
        events = [pain_point_event(each.point, each.word, each.at_ms) for each in words if each.word is not None]
        writings = [StreamEntry(event["id"], msgspec.json.encode(event)) for event in events]
        if writings:
            append_once(self._client, keys.FACTS, writings, self._kept_facts)


class PainPoints:
    """The gateway's side."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def all(self) -> list[dict[str, Any]]:
        """All documents, by customers lost a week, the active before the rest. Raises StoreUnavailable."""
        with answering("reading pain points", self._client):
            found: Any = await self._client.hvals(keys.PAIN_POINTS.of())
        return sorted(map(msgspec.json.decode, found), key=_rank)

    async def one(self, pain_point_id: str) -> dict[str, Any] | None:
        """One document; None: unknown. Raises StoreUnavailable."""
        with answering("reading a pain point", self._client):
            found: Any = await self._client.hget(keys.PAIN_POINTS.of(), pain_point_id)
        return None if found is None else msgspec.json.decode(found)


def _rank(document: dict[str, Any]) -> tuple[bool, float, float, str]:
    strongest = max((each["found"] - each["usual"] for each in document["symptoms"]), default=0.0)
    return document["state"] not in ("open", "assigned"), -document["lost_a_week"], -strongest, document["id"]
