"""Forged or foreign requests by the hundred: none served, nothing on the bus, nobody in the audit trail.

Ten thousand: `python -m tests.integration.gateway.forged HTTP_URL WS_URL 10000` against any gateway.
"""

import time

from state.hints.writer import RedisHintWriter
from state.redis.connections import connect
from tests.gateway.running import RunningGateway, agent
from tests.integration.gateway.forged import tried
from tests.state.houses import make_hint

REQUESTS = 600


async def test_none_of_them_is_served(gateway: RunningGateway) -> None:
    now_ms = round(time.time() * 1000)
    with connect(gateway.settings.redis_url or "") as client:
        store = RedisHintWriter(client, lambda: now_ms)
        store.place(make_hint("h1", created_at_ms=now_ms, expires_at_ms=now_ms + 600_000), "desk-1")
        token = agent()["Authorization"].removeprefix("Bearer ")
        outcomes = await tried(gateway.addresses.http, gateway.addresses.ws, REQUESTS, token)
        assert outcomes.total() == REQUESTS
        assert {outcome for _, outcome in outcomes} == {"401", "403", "4401"}
        assert len({kind for kind, _ in outcomes}) >= 20
        assert not client.exists("zy:audit")
        assert client.hget("zy:record:h1", "state") == b"created"
    assert gateway.bus() == []
