"""Hot questions by group: written by the engine, read by bots and the gateway.

In: lists of hot questions. Out: one JSON document a group. Refused: ``StoreUnavailable`` when Redis is away; the same
list may then be written again.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from operators.contacts.hot_questions import EVERYBODY, HotList, hot_document
from state.redis import keys
from state.redis.connections import AsyncClient, Client, answering

HALF_LIVES_KEPT: Final = 8
"""A list nobody has asked anything of for so long is gone: less than half a percent of it would be left."""


class RedisQuestionWriter:
    """Hot questions in Redis. ``half_life_ms``: their counts' own."""

    def __init__(self, client: Client, half_life_ms: float) -> None:
        self._client = client
        self._kept_ms = round(half_life_ms * HALF_LIVES_KEPT)

    def write(self, lists: Sequence[HotList]) -> None:
        """Put each group's list in the place of the one before."""
        with answering("writing hot questions", self._client), self._client.pipeline(transaction=False) as pipeline:
            for hot_list in lists:
                pipeline.set(keys.HOT.of(hot_list.group), msgspec.json.encode(hot_document(hot_list)), px=self._kept_ms)
            pipeline.execute()


class RedisQuestionRepository:
    """What the gateway sees of hot questions. Raises StoreUnavailable."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def hot(self, groups: Sequence[str]) -> dict[str, Any]:
        """The list of the first of ``groups`` that has any questions; else everybody's, which may be empty."""
        wanted = [*groups, EVERYBODY]
        with answering("reading hot questions", self._client):
            values: Any = await self._client.mget([keys.HOT.of(group) for group in wanted])
        documents = [msgspec.json.decode(value) for value in values if value is not None]
        hottest = next((value for value in documents if value["questions"]), None)
        return hottest or {"group": EVERYBODY, "questions": [], "at": None}
