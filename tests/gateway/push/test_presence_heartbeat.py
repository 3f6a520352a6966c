"""The heartbeat ends in order, whatever Redis holds."""

import logging

import pytest

from gateway.auth.tokens import Token
from gateway.push.presence_heartbeat import PresenceHeartbeat
from state.contacts.handover import HintHandover
from state.contacts.presence import Presence
from state.redis import keys
from state.redis.connections import connect, connect_async
from tests.state.houses import NOON_MS


@pytest.mark.requires("redis")
async def test_it_stops_over_a_key_of_another_type(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connect_async(redis_url) as client:
        desk = Token("desk-1", "agent", 9)
        beats = PresenceHeartbeat(Presence(client), HintHandover(client, 1_000), lambda: (desk,), lambda: NOON_MS)
        await beats.beat()
        with connect(redis_url) as other:
            assert other.delete(keys.ON_LINE.of()) == 1
            other.set(keys.ON_LINE.of(), "of another type")
        await beats.stop()
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "could not be reported as gone" in line.message
