"""The push server on real sockets: the whole conversation, its close codes, slow desks, restarts."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from gateway.push.server import SLICES
from operators.hints.hint import Retirement
from operators.records.catalogue import Words
from state.bus.protocol import BusFull
from tests.gateway.push_house import CHANNEL, Hall, PushCaller, open_hall, push_settings
from tests.parts.pace import slowness_since
from tests.state.houses import NOON_MS, House

LONG = Words("长" * 10_000, "long")


async def test_a_hint_reaches_the_desk_and_its_state_comes_back(hall: Hall) -> None:
    async with hall.desk() as desk:
        assert (await desk.subscribe("s")) == {
            "type": "subscribed",
            "id": "s",
            "epoch": (await hall.house.board.position(CHANNEL)).epoch,
            "offset": 0,
            "recovered": False,
        }
        hall.tell("h1")
        frame = await desk.hear("next")
        assert (frame["id"], frame["offset"], frame["event"]["type"]) == ("s", 1, "zhiyin.hint.created")
        assert frame["event"]["data"]["hint_id"] == "h1"
        await desk.say("ack", hint_id="h1", state="shown")
        assert (await desk.hear("next"))["event"]["type"] == "zhiyin.hint.shown"
        await desk.say("ack", hint_id="h1", state="used", helpful=True)
        used = await desk.hear("next")
        assert (used["offset"], used["event"]["type"], used["event"]["data"]["cause"]) == (
            3,
            "zhiyin.hint.used",
            "used",
        )
        await desk.say("ping")  # answered when what was said before is done: the desk hears of it before the bus does
        assert (await desk.hear("pong"))["type"] == "pong"
        assert [event["event"] for event in hall.bus.events] == ["Hint Shown", "Hint Used"]


async def test_another_surfaces_end_is_told_here(hall: Hall) -> None:
    async with hall.desk() as desk, hall.desk("chatbot", "bot") as bot:
        await desk.subscribe()
        await bot.subscribe("b", "chatbot")
        hall.tell("h1")
        assert (await bot.hear("next"))["event"]["data"]["hint_id"] == "h1"
        await bot.say("ack", hint_id="h1", state="used", helpful=True)
        await desk.hear("next")
        assert (await desk.hear("next"))["event"]["data"]["state"] == "used"
        assert (await bot.hear("next"))["event"]["type"] == "zhiyin.hint.retired"


async def test_a_desk_hears_only_its_own_channel(hall: Hall) -> None:
    async with hall.desk() as one, hall.desk(subject="d2") as other:
        await one.subscribe()
        await other.subscribe()
        hall.tell("for-d2", desk="d2")
        hall.tell("for-d1")
        assert (await one.hear("next"))["event"]["data"]["hint_id"] == "for-d1"
        assert (await other.hear("next"))["event"]["data"]["hint_id"] == "for-d2"


async def test_a_desk_that_comes_back_is_told_what_it_missed(hall: Hall) -> None:
    async with hall.desk() as desk:
        place = await desk.subscribe()
        hall.tell("h1")
        offset = (await desk.hear("next"))["offset"]
    hall.tell("h2", "h3")
    hall.house.store.retire(Retirement("h1", "anna", "completed", NOON_MS))
    async with hall.desk() as desk:
        again = await desk.subscribe("s", epoch=place["epoch"], offset=offset)
        assert (again["recovered"], again["offset"]) == (True, 1)
        missed = [await desk.hear("next") for _ in range(3)]
        assert [frame["offset"] for frame in missed] == [2, 3, 4]
        assert missed[2]["event"]["data"]["cause"] == "completed"
    async with hall.desk() as desk:
        assert (await desk.subscribe("s", epoch="of yore", offset=offset))["recovered"] is False


async def test_a_replay_longer_than_the_queue_is_no_slow_desk(house: House) -> None:
    async with open_hall(house, desk_queue_frames=8) as hall:
        hall.tell(*(f"h{number}" for number in range(200)))
        epoch = (await house.board.position(CHANNEL)).epoch
        async with hall.desk() as desk:
            assert (await desk.subscribe("s", epoch=epoch, offset=0))["recovered"] is True
            assert [(await desk.hear())["offset"] for _ in range(200)] == list(range(1, 201))


async def test_two_subscriptions_and_the_end_of_one(hall: Hall) -> None:
    async with hall.desk() as desk:
        await desk.subscribe("a")
        await desk.subscribe("b")
        hall.tell("h1")
        assert {(await desk.hear("next"))["id"] for _ in range(2)} == {"a", "b"}
        await desk.say("complete", id="a")
        await desk.say("ping")
        await desk.hear("pong")
        hall.tell("h2")
        assert (await desk.hear("next"))["id"] == "b"
        assert (await desk.subscribe("a"))["offset"] == 2


async def test_other_channels_are_refused_and_the_connection_goes_on(hall: Hall) -> None:
    async with hall.desk() as desk:
        refused = await desk.subscribe("s", "chatbot")
        assert (refused["type"], refused["code"], refused["temporary"]) == ("error", "forbidden", False)
        assert (await desk.subscribe("s"))["type"] == "subscribed"


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ('{"type":"connection_init","token":"x"}', 4401, "not a JSON Web Token"),
        ('{"type":"subscribe","id":"1","channel":"desk"}', 4401, "connection_init"),
        ("nonsense", 4400, "malformed"),
        (b"\x00\x01", 4400, "binary"),
        ("x" * 20_000, 1009, ""),
    ],
)
async def test_what_a_stranger_may_not_say_closes_with_a_code(
    hall: Hall, said: str | bytes, code: int, words: str
) -> None:
    async with hall.caller() as caller:
        await caller.connection.send(said)
        found, reason = await caller.end()
        assert found == code
        assert words in reason


async def test_text_that_is_not_utf8_closes_the_connection_alone(hall: Hall) -> None:
    async with hall.desk() as good, hall.caller() as caller:
        await caller.connection.send(b"\xff\xfe{", text=True)
        assert (await caller.end())[0] == 1007
        await good.say("ping")
        assert await good.hear() == {"type": "pong"}


async def test_codes_of_those_who_are_known(hall: Hall) -> None:
    async with hall.desk() as desk:
        await desk.subscribe("s")
        await desk.say("subscribe", id="s", channel="desk")
        assert (await desk.end()) == (4409, "subscription id 's' is in use")
    async with hall.desk() as desk:
        for _ in range(400):
            await desk.say("pong")
        assert (await desk.end())[0] == 4429
    async with hall.caller() as caller:
        await caller.say("connection_init", token=hall.token("auditor"))
        assert (await caller.end()) == (4403, "role 'auditor': expected agent or chatbot")


async def test_time_ends_who_says_nothing_and_whose_token_is_over(hall: Hall) -> None:
    async with hall.caller() as silent, hall.desk() as desk:
        hall.skew_s += 11
        assert (await silent.end()) == (4408, "no connection_init within 10 s")
        hall.skew_s += 600
        assert (await desk.end()) == (4401, "token expired: ask for a new one")


async def test_every_desk_of_many_is_pinged_though_some_at_a_time(house: House) -> None:
    async with open_hall(house, ping_interval_s=60.0) as hall, AsyncExitStack() as opened:
        desks = [await opened.enter_async_context(hall.desk(subject=f"d{each}")) for each in range(2 * SLICES + 3)]
        hall.skew_s += 61
        for desk in desks:
            assert await desk.hear("ping") == {"type": "ping"}


async def test_pings_go_both_ways_and_silence_ends_the_connection(house: House) -> None:
    async with open_hall(house, ping_interval_s=0.8) as hall, hall.desk() as desk:
        for _ in range(3):
            assert await desk.hear("ping") == {"type": "ping"}
            await desk.say("pong")
        code, reason = await desk.end()
        assert code == 4408
        assert "ping was not answered" in reason


async def test_acks_that_change_nothing_say_why(hall: Hall) -> None:
    hall.tell("h1")
    async with hall.desk() as desk:
        await desk.say("ack", hint_id="nobody", state="used")
        unknown = await desk.hear()
        assert (unknown["id"], unknown["code"], unknown["temporary"]) == ("nobody", "unknown_hint", False)
        await desk.say("ack", hint_id="h1", state="dismissed")
        await desk.say("ack", hint_id="h1", state="used")
        over = await desk.hear()
        assert (over["code"], over["temporary"]) == ("not_open", False)
        hall.tell("h2")
        hall.bus.failure = BusFull(0, 10, 1, 10)
        await desk.say("ack", hint_id="h2", state="used")
        full = await desk.hear()
        assert (full["code"], full["temporary"]) == ("unavailable", True)
        hall.bus.failure = None
        await desk.say("ack", hint_id="h2", state="used")
        await desk.say("ping")
        assert (await desk.hear())["type"] == "pong"
        assert [event["event"] for event in hall.bus.events] == ["Hint Dismissed", "Hint Used"]


@asynccontextmanager
async def deaf_desk(hall: Hall) -> AsyncIterator[None]:
    """A desk on a bare socket with the smallest buffer there is, that subscribes and then never reads."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", hall.server.port))
        handshake = (
            "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        init, subscribe = (
            {"type": "connection_init", "token": hall.token()},
            {"type": "subscribe", "id": "s", "channel": "desk"},
        )
        await loop.sock_sendall(raw, handshake.encode() + masked_frame(init) + masked_frame(subscribe))
        yield


def masked_frame(frame: dict[str, str]) -> bytes:
    """A client's text frame of 126 to 65,535 bytes (or, padded, a shorter one), under the mask 0."""
    payload = json.dumps(frame).encode().ljust(126)
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + b"\0\0\0\0" + payload


async def test_a_desk_that_does_not_read_is_closed_and_slows_nobody(house: House) -> None:
    async with open_hall(house, desk_queue_frames=16) as hall, hall.desk() as good, deaf_desk(hall):
        await good.subscribe()
        await hall.counts.until_open("agent", 2)
        slowest_s = 0.0
        loop = asyncio.get_running_loop()
        flood_began_s = loop.time()
        for number in range(1_000):
            began_s = loop.time()
            hall.tell(f"h{number}", text=LONG)
            await good.hear("next")
            slowest_s = max(slowest_s, loop.time() - began_s)
            if hall.counts.overflows:
                break
        assert hall.counts.overflows == 1
        assert 4429 in hall.counts.codes
        assert slowest_s < 5.0 * slowness_since(flood_began_s)
        await hall.counts.until_open("agent", 1)


async def test_the_handshake_takes_our_subprotocol_or_none_and_no_other(hall: Hall) -> None:
    async with hall.caller() as caller:
        assert caller.connection.subprotocol == "zhiyin.desk.v1"
    async with hall.caller(subprotocols=None) as caller:
        assert caller.connection.subprotocol is None
        await caller.say("connection_init", token=hall.token())
        assert (await caller.hear())["type"] == "connection_ack"
    with pytest.raises(InvalidStatus) as refused:
        async with hall.caller(subprotocols=[Subprotocol("graphql-transport-ws")]):
            pass
    assert refused.value.response.status_code == 400
    assert b"expected zhiyin.desk.v1" in (refused.value.response.body or b"")


async def test_only_allowed_origins_get_in_and_programs_without_one(house: House) -> None:
    async with open_hall(house, desk_origins=("https://desk.example",)) as hall:
        async with hall.desk(origin=Origin("https://desk.example")), hall.desk():
            pass
        with pytest.raises(InvalidStatus) as refused:
            async with hall.caller(origin=Origin("https://evil.example")):
                pass
        assert refused.value.response.status_code == 403
    async with open_hall(house, desk_origins=("*",)) as hall, hall.desk(origin=Origin("https://anywhere.example")):
        pass


async def test_pages_of_this_host_may_open_desks_and_no_others(hall: Hall) -> None:
    async with hall.desk(origin=Origin("http://127.0.0.1:8080")):
        pass
    for foreign in ("https://evil.example", "null", "http://127.0.0.1.evil.example", "http://[broken"):
        with pytest.raises(InvalidStatus) as refused:
            async with hall.caller(origin=Origin(foreign)):
                pass
        assert refused.value.response.status_code == 403
        assert b"expected self" in (refused.value.response.body or b"")


async def test_health_answers_plain_http(hall: Hall) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{hall.server.port}/health")
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert (await client.get(f"http://127.0.0.1:{hall.server.port}/")).status_code == 426


async def test_a_restart_says_so_even_to_a_desk_that_does_not_read(house: House) -> None:
    async with open_hall(house) as hall, hall.desk() as desk, deaf_desk(hall):
        await desk.subscribe()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        stopping = asyncio.create_task(hall.server.stop())
        assert (await desk.end()) == (1012, "going away for a restart: come back in a moment")
        await stopping
        assert loop.time() - began_s < 8 * slowness_since(began_s)


async def test_a_server_that_has_not_started_has_no_port(house: House) -> None:
    hall = Hall(house, push_settings())
    with pytest.raises(RuntimeError, match="found it not started, expected start"):
        _ = hall.server.port
    await hall.server.stop()


async def test_what_is_counted(hall: Hall) -> None:
    async with hall.desk() as desk:
        await desk.subscribe()
        assert hall.counts.open == {"agent": 1}
        hall.tell("h1")
        await desk.hear("next")
    await hall.counts.until_open("agent", 0)
    assert hall.counts.frames == [("connection_ack", None), ("subscribed", None), ("next", NOON_MS)]


@pytest.mark.parametrize("number", range(5))
async def test_many_desks_that_come_and_go_while_hints_are_told_miss_nothing(hall: Hall, number: int) -> None:
    """Each desk leaves and comes back at its own times; together its frames have no gap and no double."""
    epoch = (await hall.house.board.position(CHANNEL)).epoch
    told = 60

    async def come_and_go(own: int) -> list[int]:
        heard: list[int] = []
        while len(heard) < told:
            async with hall.desk() as desk:
                answer = await desk.subscribe("s", epoch=epoch, offset=heard[-1] if heard else 0)
                assert answer["recovered"] is True
                for _ in range(7 + own + number):
                    heard.append((await desk.hear("next"))["offset"])
                    if len(heard) == told:
                        break
        return heard

    desks = [asyncio.create_task(come_and_go(own)) for own in range(6)]
    for each in range(told):
        hall.tell(f"h{each}")
        await asyncio.sleep(0.001 * (each % 3))
    for heard in await asyncio.gather(*desks):
        assert heard == list(range(1, told + 1))


async def test_a_caller_without_a_word_can_leave(hall: Hall) -> None:
    connection: Any = await connect(f"ws://127.0.0.1:{hall.server.port}/")
    connection.transport.abort()
    async with hall.desk() as desk:
        assert isinstance(desk, PushCaller)


@pytest.mark.parametrize("room", [8, 256])
async def test_a_burst_larger_than_the_outbox_is_no_slow_desk(house: House, room: int) -> None:
    async with open_hall(house, desk_queue_frames=room) as opened, opened.desk() as desk:
        await desk.subscribe("s")
        opened.tell(*(f"h{number}" for number in range(600)))
        offsets: list[int] = []
        while len(offsets) < 600:
            frame = await desk.hear()
            offsets += [frame["offset"]] if frame["type"] == "next" else []
        assert offsets == list(range(1, 601))
