"""Hints over every break: resume, gaps, two tabs, a desk that does not read, expiry, a drain."""

import asyncio
import random
import socket
import time
from contextlib import AsyncExitStack
from typing import Final

from websockets.exceptions import InvalidHandshake

from operators.hints.hint import Retirement
from operators.records.catalogue import Words
from tests.conformance.case import HINTS, PLAIN, RESTART, Cases
from tests.conformance.target import BrokenTarget, Frame, Target, TargetPeer, expect, now_ms

RESUME = Cases("resume")
GAP = Cases("gap")
TABS = Cases("two tabs")
SLOW = Cases("slow desk")
EXPIRY = Cases("expiry")
DRAIN = Cases("drain")

LONG: Final = Words("长" * 10_000, "long")
FRAMES: Final = 600
FRAME_BYTES: Final = 30_000
"""The least that a frame with ``LONG`` takes: together more than a queue and the kernel's buffers hold."""
CUT_WITHIN_S: Final = 60.0
DRAINED: Final = 20
DRAINS_WITHIN_S: Final = 10.0
BACK_WITHIN_S: Final = 120.0


def place_of(subscribed: Frame) -> Frame:
    """Epoch and offset, to come back with."""
    return {"epoch": subscribed["epoch"], "offset": subscribed["offset"]}


async def heard(peer: TargetPeer, count: int) -> list[str]:
    """The next events, each ``created NAME``."""
    return [f"{kind} {hint.rpartition('-')[2]}" for _, kind, hint in [await peer.next() for _ in range(count)]]


@RESUME.promise("a hint comes as a CloudEvent, with offsets 1, 2, 3", HINTS)
async def _live(target: Target) -> None:
    desk = target.desk()
    async with target.known(desk) as peer:
        await peer.subscribe("mine")
        target.tell(desk, ["a", "b"])
        first = await peer.hear("next")
        expect("id and offset", (first["id"], first["offset"]), ("mine", 1))
        event = first["event"]
        expect("specversion and type", (event["specversion"], event["type"]), ("1.0", "zhiyin.hint.created"))
        for name in ("id", "source", "time", "subject", "datacontenttype", "partitionkey", "expirytime", "data"):
            if name not in event:
                raise BrokenTarget("event", sorted(event), name)
        expect("the second", (await peer.next())[:2], (2, "created"))


@RESUME.promise(
    "who comes back with epoch and offset hears what it missed, in order, once, and then what is new", HINTS
)
async def _recovered(target: Target) -> None:
    desk = target.desk()
    async with target.known(desk) as peer:
        start = await peer.subscribe()
        target.tell(desk, ["a", "b"])
        await heard(peer, 2)
    target.tell(desk, ["c", "d", "e"])
    for offset, missed in ((2, "cde"), (0, "abcde"), (5, "")):
        async with target.known(desk) as peer:
            again = await peer.subscribe(epoch=start["epoch"], offset=offset)
            expect("recovered", (again["recovered"], again["offset"]), (True, offset))
            target.tell(desk, [f"new{offset}"])
            expect("heard", await heard(peer, len(missed)), [f"created {name}" for name in missed])
            news = await peer.next()
            while not news[2].endswith(f"new{offset}"):
                news = await peer.next()


@GAP.promise("another epoch, or an offset ahead of the channel: recovered false, at the tip, nothing sent", HINTS)
async def _no_place(target: Target) -> None:
    desk = target.desk()
    target.tell(desk, ["a", "b"])
    async with target.known(desk) as peer:
        start = await peer.subscribe()
    for epoch, offset in (("another", 1), (start["epoch"], 99)):
        async with target.known(desk) as peer:
            frame = await peer.subscribe(epoch=epoch, offset=offset)
            expect("recovered", (frame["recovered"], frame["offset"], frame["epoch"]), (False, 2, start["epoch"]))
            await peer.say("ping")
            await peer.hear("pong")


@GAP.promise("too far behind: recovered false, never a part", HINTS)
async def _too_far(target: Target) -> None:
    desk = target.desk()
    async with target.known(desk) as peer:
        start = await peer.subscribe()
    target.tell(desk, [f"h{number}" for number in range(1_001)])
    async with target.known(desk) as peer:
        frame = await peer.subscribe(**place_of(start))
        expect("recovered", (frame["recovered"], frame["offset"]), (False, 1_001))
        await peer.say("ping")
        await peer.hear("pong")


@GAP.promise("a hint that ended meanwhile is not announced as new; its end is told", HINTS)
async def _ended(target: Target) -> None:
    desk = target.desk()
    async with target.known(desk) as peer:
        start = await peer.subscribe()
    target.tell(desk, ["over", "open"])
    if target.store is not None:
        target.store.retire(Retirement(f"{desk}-over", f"{desk}-over", "returned", now_ms()))
    async with target.known(desk) as peer:
        await peer.subscribe(**place_of(start))
        expect("heard", await heard(peer, 2), ["created open", "retired over"])


@TABS.promise("both tabs hear all; what one reports takes the hint off the other; saying it twice tells it once", HINTS)
async def _two_tabs(target: Target) -> None:
    desk = target.desk()
    async with target.known(desk) as one, target.known(desk) as other:
        await one.subscribe()
        await other.subscribe()
        target.tell(desk, ["a", "b"])
        expect("both", await heard(one, 2), await heard(other, 2))
        for _ in range(2):
            await one.say("ack", hint_id=f"{desk}-a", state="used", helpful=True)
        await other.say("ack", hint_id=f"{desk}-b", state="shown")
        told = sorted(await heard(other, 2))
        expect("the other tab", told, ["shown b", "used a"])
        await one.say("ack", hint_id=f"{desk}-b", state="dismissed")
        expect("after the double", (await heard(other, 1)), ["dismissed b"])


@SLOW.promise("a desk that does not read is cut off; the others hear everything within a second", HINTS, PLAIN)
async def _deaf(target: Target) -> None:
    desk = target.desk()
    async with target.known(desk) as good:
        start = await good.subscribe()
        async with target.deaf(desk, place_of(start)) as raw:
            slowest_s = 0.0
            for number in range(FRAMES):
                began_s = time.monotonic()
                target.tell(desk, [f"h{number}"], text=LONG)
                expect("offset", (await good.next())[0], number + 1)
                slowest_s = max(slowest_s, time.monotonic() - began_s)
            got = await _read_to_the_end(raw)
        if got >= FRAMES * FRAME_BYTES:
            raise BrokenTarget("a desk that does not read", f"served {got:,} bytes", "cut off")
        if slowest_s > 1.0:
            raise BrokenTarget("the slowest frame of a desk that reads", f"{slowest_s:.2f} s", "at most 1 s")
    async with target.known(desk) as back:
        frame = await back.subscribe(**place_of(start))
        expect("recovered", frame["recovered"], True)
        expect("first of what it missed", (await back.next())[0], 1)


async def _read_to_the_end(raw: socket.socket) -> int:
    """What a desk that has not read finds in its buffers until it is cut off: bytes. Raises Broken when it is not."""
    got = 0
    try:
        async with asyncio.timeout(CUT_WITHIN_S):
            while some := await asyncio.get_running_loop().sock_recv(raw, 1 << 20):
                got += len(some)
    except TimeoutError as error:
        raise BrokenTarget("a desk that does not read", f"still open after {CUT_WITHIN_S:g} s", "cut off") from error
    except ConnectionError:
        return got
    return got


@EXPIRY.promise("a hint whose lifetime is over ends with cause expired, and is not announced after a gap", HINTS)
async def _expired(target: Target) -> None:
    desk = target.desk()
    async with target.known(desk) as peer:
        start = await peer.subscribe()
        target.tell(desk, ["short"], expires_at_ms=now_ms() + 1_500)
        await heard(peer, 1)
        frame = await peer.hear("next")
        expect("end", (frame["event"]["type"], frame["event"]["data"]["cause"]), ("zhiyin.hint.retired", "expired"))
    async with target.known(desk) as peer:
        await peer.subscribe(**place_of(start))
        expect("after a gap", await heard(peer, 1), ["retired short"])


@DRAIN.promise("a restart closes all with 1012 within ten seconds; they come back and miss nothing", HINTS, RESTART)
async def _drained(target: Target) -> None:
    desks = [target.desk() for _ in range(DRAINED)]
    async with AsyncExitStack() as opened:
        peers = [await opened.enter_async_context(target.known(desk)) for desk in desks]
        starts = [await peer.subscribe() for peer in peers]
        assert target.restart is not None
        restarting: asyncio.Future[None] = asyncio.ensure_future(target.restart())
        await asyncio.gather(*(peer.closes_with(1012, DRAINS_WITHIN_S) for peer in peers))
    for desk in desks:
        target.tell(desk, ["meanwhile"])
    await restarting
    async with asyncio.timeout(BACK_WITHIN_S):
        for desk, start in zip(desks, starts, strict=True):
            await _comes_back(target, desk, start)


async def _comes_back(target: Target, desk: str, start: Frame) -> None:
    while True:
        try:
            async with target.known(desk) as peer:
                expect("recovered", (await peer.subscribe(**place_of(start)))["recovered"], True)
                expect("missed", await heard(peer, 1), ["created meanwhile"])
                return
        except (OSError, InvalidHandshake):
            await asyncio.sleep(random.uniform(0.1, 0.5))


GROUPS: Final = (RESUME, GAP, TABS, SLOW, EXPIRY, DRAIN)
