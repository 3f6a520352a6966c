import asyncio
import json

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from bench import push
from bench.not_measured import NotMeasured
from bench.scale import QUICK
from bench.swarm import Swarm, masked

TINY = msgspec.structs.replace(QUICK, push_desks=40, push_rate=100, push_seconds=1.0, push_resets=20)


@pytest.mark.slow
@pytest.mark.requires("redis")
@pytest.mark.timeout(120)
def test_every_hint_arrives_once_over_every_cut() -> None:
    figures = {each.name: each for each in push.measure(TINY)}
    assert len(figures) == 8
    assert 1 < figures["memory of the gateway a desk, 40 desks"].value < 1_000
    half, most = (figures[f"stream entry -> frame at 100/s over 40 desks, p{share}"] for share in (50, 99))
    assert 0.1 < half.value <= most.value < 10_000
    assert "0 frames missing of 200" in most.note
    assert figures["40 desks cut at once: hints missed or told twice"].value == 0
    assert 0 < figures["40 desks cut at once: all back"].value < 60
    assert figures["20 connections reset: hints missed or told twice"].note.startswith("0 missing, 0 twice, of 100")


@pytest.mark.slow
async def test_desks_come_back_from_where_they_were_and_count_what_comes_twice() -> None:
    subscriptions: list[dict[str, object]] = []

    async def desk_server(connection: ServerConnection) -> None:
        await connection.recv()
        subscriptions.append(json.loads(await connection.recv()))
        await connection.send('{"type":"subscribed","id":"1","epoch":"e","offset":0,"recovered":true}')
        for padding in ("", "x" * 200, "x" * 70_000):
            event = {"data": {"hint_id": f"h{len(padding)}", "text": padding}}
            frame = {"type": "next", "id": "1", "offset": 1 + len(padding), "event": event}
            await connection.send(json.dumps(frame, separators=(",", ":")))
        if len(subscriptions) == 1:
            await connection.close(1012)
        await connection.wait_closed()

    async with serve(desk_server, "127.0.0.1", 0, subprotocols=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        swarm = Swarm(f"ws://127.0.0.1:{port}", ["token"])
        [desk] = swarm.desks
        await swarm.open()
        async with asyncio.timeout(120):
            while desk.doubles < 3:  # noqa: ASYNC110 - a protocol's counter rings no bell
                await asyncio.sleep(0.02)
        assert await swarm.all_subscribed(5)
        await swarm.close()
    assert (desk.codes, swarm.drops >= 1, list(desk.heard)) == ([1012], True, ["h0", "h200", "h70000"])
    assert "epoch" not in subscriptions[0]
    assert (subscriptions[1]["epoch"], subscriptions[1]["offset"]) == ("e", 70_001)


async def test_a_server_that_lets_nobody_in_is_not_measured() -> None:
    async def refuse(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(refuse, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        swarm = Swarm(f"ws://127.0.0.1:{port}", ["a", "b"])
        with pytest.raises(NotMeasured, match="0 of 2 desks let in"):
            await swarm.open(within_s=0.3)
        await swarm.close()


def test_frames_of_either_length_are_masked_with_nothing() -> None:
    assert masked({"a": 1}) == b"\x81\x87\0\0\0\0" + b'{"a":1}'
    long = masked({"a": "x" * 200})
    assert long[:4] == b"\x81\xfe\x00\xd0"
    assert long[8:].startswith(b'{"a":"xxx')
