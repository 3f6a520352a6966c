"""What is too old goes, and nothing else."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from config import Settings
from operators.support.timestamps import iso_text
from state.redis import keys
from state.redis.connections import AsyncClient, connect_async
from state.redis.retention import DAY_MS, let_go

NOW_MS = 1_800_000_000_000
DAYS = Settings(facts_retention_days=10, dead_letters_retention_days=5, audit_retention_days=100)
pytestmark = pytest.mark.requires("redis")


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[AsyncClient]:
    opened = connect_async(redis_url)
    yield opened
    await opened.aclose()


async def test_streams_are_cut_at_their_days(client: AsyncClient) -> None:
    for key in (keys.AUDIT, keys.FACTS, keys.DEAD_LETTERS):
        for days in (200, 50, 7, 1):
            await client.xadd(key.of(), {"e": "{}"}, id=f"{NOW_MS - days * DAY_MS}-0")
    gone = await let_go(client, DAYS, NOW_MS)
    assert gone == {"zy:audit": 1, "zy:facts": 2, "zy:dead-letters": 3}
    assert [await client.xlen(key.of()) for key in (keys.AUDIT, keys.FACTS, keys.DEAD_LETTERS)] == [3, 2, 1]
    assert await let_go(client, DAYS, NOW_MS) == {}


@pytest.mark.parametrize(("old", "young"), [(0, 3), (3, 0), (1_200, 5), (5, 1_200)])
async def test_channels_are_cut_by_the_time_of_their_events(client: AsyncClient, old: int, young: int) -> None:
    name = keys.CHANNEL.of("desk:d1")
    for offset in range(1, old + young + 1):
        days = 8 if offset <= old else 6
        event = json.dumps({"type": "zhiyin.hint.created", "time": iso_text(NOW_MS - days * DAY_MS)})
        await client.xadd(name, {"e": event}, id=f"{offset}-0")
    assert (await let_go(client, Settings(), NOW_MS))[keys.CHANNEL.pattern] == old
    first: Any = await client.xrange(name, count=1)
    assert [entry[0] for entry in first] == ([f"{old + 1}-0".encode()] if young else [])


async def test_what_says_no_time_counts_as_old(client: AsyncClient) -> None:
    await client.xadd(keys.CHANNEL.of("chatbot"), {"e": "no json"}, id="1-0")
    assert (await let_go(client, Settings(), NOW_MS)).total() == 1
