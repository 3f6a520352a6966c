"""Init, auth, subscriptions, limits: everything that can be tried without a hint."""

import asyncio
import json
from typing import Final

import jwt
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.conformance.case import Cases
from tests.conformance.target import BrokenTarget, Target, expect

INIT = Cases("init")
AUTH = Cases("auth")
SUBSCRIBE = Cases("subscribe")
LIMITS = Cases("limits")


@INIT.promise("connection_init is answered with who we are, until when, and how often we ping")
async def _acknowledged(target: Target) -> None:
    desk = target.desk()
    async with target.peer() as peer:
        frame = await peer.introduce(target.token(desk))
    expect("fields", sorted(frame), ["expires_at", "ping_interval_s", "role", "subject", "type"])
    expect("subject and role", (frame["subject"], frame["role"]), (desk, "agent"))


@INIT.promise("who says nothing is closed with 4408 after ten seconds")
async def _silent(target: Target) -> None:
    async with target.peer() as peer:
        await peer.closes_with(4408, 15)


@INIT.promise("another frame first is 4401; ping is answered even then")
async def _stranger(target: Target) -> None:
    async with target.peer() as peer:
        await peer.say("ping")
        await peer.hear("pong")
        await peer.say("subscribe", id="s", channel="desk")
        await peer.closes_with(4401)


@INIT.promise("no JSON, binary, an unknown type, a missing or wrong field, half a place: 4400")
async def _bad_frames(target: Target) -> None:
    frames: list[str | bytes] = [
        "{",
        b'{"type":"ping"}',
        '{"type":"shout"}',
        '{"id":"s"}',
        '{"type":"subscribe","id":"s"}',
        '{"type":"ack","hint_id":"h","state":"eaten"}',
        '{"type":"subscribe","id":"s","channel":"desk","epoch":"e"}',
    ]
    for frame in frames:
        async with target.known(target.desk()) as peer:
            await peer.say_text(frame)
            await peer.closes_with(4400)


@INIT.promise("a client that offers only other subprotocols gets 400")
async def _subprotocol(target: Target) -> None:
    try:
        async with target.peer(subprotocols=[Subprotocol("graphql-transport-ws")]):
            raise BrokenTarget("handshake", "an open connection", "HTTP 400")
    except InvalidStatus as refused:
        expect("handshake", refused.response.status_code, 400)


@AUTH.promise("no token, a forged one, an unsigned one, an expired one: 4401")
async def _bad_tokens(target: Target) -> None:
    claims = {"sub": target.desk(), "role": "agent", "exp": 4_000_000_000}
    forged = jwt.encode(claims, "another secret of thirty-two bytes!", algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    for token in ("", "x.y.z", forged, unsigned, target.token(target.desk(), lifetime_s=-5)):
        async with target.peer() as peer:
            await peer.say("connection_init", token=token)
            await peer.closes_with(4401)


@AUTH.promise("a good token of a role that has no business here: 4403")
async def _role(target: Target) -> None:
    async with target.peer() as peer:
        await peer.say("connection_init", token=target.token(target.desk(), "cleaner"))
        await peer.closes_with(4403)


@AUTH.promise("a token that expires on the way closes with 4401")
async def _expires(target: Target) -> None:
    async with target.peer() as peer:
        await peer.introduce(target.token(target.desk(), lifetime_s=2))
        await peer.closes_with(4401)


@AUTH.promise("a new token on the same connection goes on; one of somebody else is 4403")
async def _renewed(target: Target) -> None:
    desk = target.desk()
    async with target.peer() as peer:
        await peer.introduce(target.token(desk, lifetime_s=3))
        await peer.subscribe()
        await peer.introduce(target.token(desk, lifetime_s=600))
        await asyncio.sleep(3.5)
        await peer.say("ping")
        await peer.hear("pong")
        await peer.say("connection_init", token=target.token(target.desk()))
        await peer.closes_with(4403)


@SUBSCRIBE.promise("without a place one begins at the tip, recovered false")
async def _at_the_tip(target: Target) -> None:
    async with target.known(target.desk()) as peer:
        frame = await peer.subscribe("mine")
        expect("fields", sorted(frame), ["epoch", "id", "offset", "recovered", "type"])
        expect("id, offset, recovered", (frame["id"], frame["offset"], frame["recovered"]), ("mine", 0, False))


@SUBSCRIBE.promise("another's channel is an error, and the connection goes on")
async def _foreign(target: Target) -> None:
    for role, channel in (("agent", "chatbot"), ("agent", "desk:somebody"), ("chatbot", "desk")):
        async with target.known(target.desk(), role) as peer:
            await peer.say("subscribe", id="s", channel=channel)
            frame = await peer.hear("error")
            expect("error", (frame["id"], frame["code"], frame["temporary"]), ("s", "forbidden", False))
            await peer.say("ping")
            await peer.hear("pong")


@SUBSCRIBE.promise("an id in use is 4409; complete frees it")
async def _ids(target: Target) -> None:
    async with target.known(target.desk()) as peer:
        await peer.subscribe("a")
        await peer.say("complete", id="a")
        await peer.subscribe("a")
        await peer.say("subscribe", id="a", channel="desk")
        await peer.closes_with(4409)


@SUBSCRIBE.promise("an ack of an unknown hint is an error, and the connection goes on")
async def _unknown_hint(target: Target) -> None:
    async with target.known(target.desk()) as peer:
        await peer.say("ack", hint_id="nobody-knows-it", state="shown")
        frame = await peer.hear("error")
        expect("error", (frame["id"], frame["code"]), ("nobody-knows-it", "unknown_hint"))


@LIMITS.promise("a ninth subscription is 4429")
async def _subscriptions(target: Target) -> None:
    async with target.known(target.desk()) as peer:
        for number in range(8):
            await peer.subscribe(str(number))
        await peer.say("subscribe", id="ninth", channel="desk")
        await peer.closes_with(4429)


@LIMITS.promise("a flood of frames is 4429")
async def _flood(target: Target) -> None:
    async with target.known(target.desk()) as peer:
        for _ in range(400):
            await peer.say("pong")
        await peer.closes_with(4429)


@LIMITS.promise("a frame of more than 16 KB is 1009")
async def _large(target: Target) -> None:
    async with target.known(target.desk()) as peer:
        await peer.say_text(json.dumps({"type": "ping", "padding": "x" * 17_000}))
        await peer.closes_with(1009)


GROUPS: Final = (INIT, AUTH, SUBSCRIBE, LIMITS)
