"""Pain points in Redis: one JSON document each, and what happened to them as CloudEvents for other systems.

In: the engine's changes. Out: the documents for the gateway, those that cost most first. Refused: ``StoreUnavailable``
when Redis is away; the same changes may then be written again, for each event is written once by its id.
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

    def write(self, changes: Sequence[PainPointChanged]) -> None:
        """The documents as they are now, then what happened, each once. Raises StoreUnavailable."""
        documents: dict[Any, Any] = {
            change.point.id: msgspec.json.encode(pain_point_document(change.point)) for change in changes
        }
        with answering("writing pain points", self._client):
            self._client.hset(keys.PAIN_POINTS.of(), mapping=documents)
        events = [
            pain_point_event(change.point, change.action, change.at_ms)
            for change in changes
            if change.action is not None
        ]
        entries = [StreamEntry(event["id"], msgspec.json.encode(event)) for event in events]
        if entries:
            append_once(self._client, keys.FACTS, entries, self._kept_facts)


class PainPoints:
    """The gateway's side."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def all(self) -> list[dict[str, Any]]:
        """All documents, by customers lost a week, the active before the rest. Raises StoreUnavailable."""
        with answering("reading pain points", self._client):
            documents: Any = await self._client.hvals(keys.PAIN_POINTS.of())
        return sorted(map(msgspec.json.decode, documents), key=_rank)

    async def one(self, pain_point_id: str) -> dict[str, Any] | None:
        """One document; None: unknown. Raises StoreUnavailable."""
        with answering("reading a pain point", self._client):
            document: Any = await self._client.hget(keys.PAIN_POINTS.of(), pain_point_id)
        return None if document is None else msgspec.json.decode(document)


def _rank(document: dict[str, Any]) -> tuple[bool, float, float, str]:
    strongest = max((symptom["found"] - symptom["usual"] for symptom in document["symptoms"]), default=0.0)
    return document["state"] not in ("open", "assigned"), -document["lost_a_week"], -strongest, document["id"]
