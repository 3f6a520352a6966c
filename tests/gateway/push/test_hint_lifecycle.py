"""Delivered and expired: states that nobody reports, and what a desk is told after a gap."""

import asyncio

import pytest

from gateway.push.hint_lifecycle import REMEMBERED, WAITING, HintLifecycle
from operators.hints.hint import Retirement
from state.hints.repository import EXPIRED_AT_ONCE
from state.redis.connections import StoreUnavailable
from tests.gateway.push_house import CHANNEL, Hall, PushCaller, open_hall
from tests.state.houses import HOUR_MS, NOON_MS, House, MemoryHouse, make_hint


async def state_of(house: House, hint_id: str) -> str:
    found = await house.board.hint(hint_id)
    assert found is not None
    return str(found["state"])


async def until_state(house: House, hint_id: str, state: str) -> None:
    for _ in range(800):
        if await state_of(house, hint_id) == state:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{hint_id} is {await state_of(house, hint_id)}, expected {state}")


async def missed(caller: PushCaller, **place: object) -> list[str]:
    """What is sent again after a gap, in short, up to the hint ``last``, which is told to mark the end."""
    await caller.subscribe("s", "desk", **place)
    said: list[str] = []
    while not said or said[-1] != "created last":
        event = (await caller.hear("next"))["event"]
        said.append(f"{event['type'].rpartition('.')[2]} {event['data']['hint_id']}")
    return said[:-1]


async def test_a_hint_is_delivered_with_its_first_frame_and_not_before(hall: Hall) -> None:
    hall.tell("h1")
    assert await state_of(hall.house, "h1") == "created"
    async with hall.desk() as desk, hall.desk() as other_tab:
        await desk.subscribe()
        await other_tab.subscribe()
        hall.tell("h2")
        await desk.hear("next")
        await other_tab.hear("next")
        await until_state(hall.house, "h2", "delivered")
        assert await state_of(hall.house, "h1") == "created"
        await desk.say("ack", hint_id="h2", state="shown")
        assert (await other_tab.hear("next"))["event"]["type"] == "zhiyin.hint.shown"
        assert await state_of(hall.house, "h2") == "shown"
    words = await hall.house.told_words(CHANNEL)
    assert words == ["created h1", "created h2", "shown h2"]


async def test_a_hint_that_is_sent_again_after_a_gap_is_delivered(hall: Hall) -> None:
    epoch = (await hall.house.board.position(CHANNEL)).epoch
    hall.tell("h1")
    async with hall.desk() as desk:
        await desk.subscribe(epoch=epoch, offset=0)
        await desk.hear("next")
        await until_state(hall.house, "h1", "delivered")


async def test_a_lifetime_that_is_over_ends_the_hint_everywhere(hall: Hall) -> None:
    async with hall.desk() as desk, hall.desk("chatbot", "bot") as bot:
        await desk.subscribe()
        await bot.subscribe("c", "chatbot")
        hall.tell("short", "long", expires_at_ms=NOON_MS + 20_000)
        for caller in (desk, bot):
            await caller.hear("next")
            await caller.hear("next")
        hall.tell("later")
        await desk.hear("next")
        await bot.hear("next")
        hall.skew_s = 20.0
        for caller in (desk, bot):
            ended = [(await caller.hear("next"))["event"] for _ in range(2)]
            assert {event["data"]["hint_id"] for event in ended} == {"short", "long"}
            assert {event["type"] for event in ended} == {"zhiyin.hint.retired"}
            assert {event["data"]["cause"] for event in ended} == {"expired"}
    assert await state_of(hall.house, "short") == "expired"
    assert await state_of(hall.house, "later") == "delivered"
    assert [hint["hint_id"] for hint in await hall.house.board.next_hints("anna", NOON_MS)] == ["later"]


async def test_after_a_gap_nothing_that_is_over_is_told_as_new(hall: Hall) -> None:
    epoch = (await hall.house.board.position(CHANNEL)).epoch
    hall.tell("back", "used", "open")
    hall.tell("over", expires_at_ms=NOON_MS + 1)
    hall.house.store.retire(Retirement("back", "anna", "returned", NOON_MS))
    await hall.house.board.change_state("used", "shown", NOON_MS)
    await hall.house.board.change_state("used", "used", NOON_MS)
    hall.skew_s = 1.0
    await until_state(hall.house, "over", "expired")
    hall.tell("last")
    async with hall.desk() as desk:
        said = await missed(desk, epoch=epoch, offset=0)
    assert said == ["created open", "retired back", "shown used", "used used", "retired over"]


async def test_after_a_long_gap_too(house: House) -> None:
    names = [f"h{number}" for number in range(250)]
    async with open_hall(house) as hall:
        epoch = (await house.board.position(CHANNEL)).epoch
        hall.tell(*names)
        for name in names[:-1]:
            house.store.retire(Retirement(name, "anna", "completed", NOON_MS))
        hall.tell("last")
        async with hall.desk() as desk:
            said = await missed(desk, epoch=epoch, offset=0)
    assert said == ["created h249", *(f"retired {name}" for name in names[:-1])]


async def test_states_on_the_board(house: House) -> None:
    house.store.place(make_hint("a"), "d1")
    house.store.place(make_hint("b"), "d1")
    house.store.place(make_hint("c", expires_at_ms=NOON_MS + 1), "d1")
    await house.board.change_state("b", "shown", NOON_MS)
    assert await house.board.deliver(["a", "b", "c", "nobody"]) == 2
    assert await house.board.deliver(["a", "b", "c", "nobody"]) == 0
    assert [await state_of(house, name) for name in "abc"] == ["delivered", "shown", "delivered"]
    assert await house.board.expire(NOON_MS) == 0
    assert await house.board.expire(NOON_MS + 1) == 1
    assert await house.board.expire(NOON_MS + 1) == 0
    house.store.retire(Retirement("a", "anna", "returned", NOON_MS))
    assert await house.board.expire(NOON_MS + HOUR_MS) == 1
    assert [await state_of(house, name) for name in "abc"] == ["retired", "expired", "expired"]
    assert await house.chatbot_document() is None


async def test_many_that_are_over_end_in_rounds(house: House) -> None:
    for number in range(EXPIRED_AT_ONCE + 5):
        house.store.place(make_hint(f"h{number}", customer_id=f"c{number}"), "d1")
    assert await house.board.expire(NOON_MS + HOUR_MS) == EXPIRED_AT_ONCE
    assert await house.board.expire(NOON_MS + HOUR_MS) == 5


async def test_two_gateways_end_a_hint_once(house: House) -> None:
    for number in range(20):
        house.store.place(make_hint(f"h{number}"), "d1")
    ended = await asyncio.gather(*(house.board.expire(NOON_MS + HOUR_MS) for _ in range(2)))
    assert sum(ended) == 20
    assert (await house.told_words(CHANNEL)).count("retired h7") == 1


async def test_failures_in_the_background_reach_the_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> int:
        raise LookupError("nobody foresaw this")

    house = MemoryHouse()
    monkeypatch.setattr(house.board, "expire", broken)
    monkeypatch.setattr(house.board, "wait", broken)
    async with open_hall(house) as hall, hall.desk() as desk, asyncio.timeout(20):
        await desk.subscribe()
        while set(hall.counts.failed_tasks) != {"hint_expiry", "channel_reader"}:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


class AwayRepository(MemoryHouse):
    """A house whose store can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = True
        self.asked: list[list[str]] = []
        self.was_asked = asyncio.Event()
        delivered = self.board.deliver

        async def deliver(hint_ids: list[str]) -> int:
            self.asked.append(list(hint_ids))
            self.was_asked.set()
            if self.is_away:
                raise StoreUnavailable("noting", "nowhere", "gone", "no", "wait")
            return await delivered(hint_ids)

        self.board.deliver = deliver  # type: ignore[method-assign,assignment]  # a store that fails on demand


async def test_deliveries_wait_while_the_store_is_away() -> None:
    house = AwayRepository()
    house.store.place(make_hint("h1"), "d1")
    lives = HintLifecycle(house.board, lambda: NOON_MS)
    lives.start()
    lives.delivered("h1")
    async with asyncio.timeout(120):
        await house.was_asked.wait()
    assert await state_of(house, "h1") == "created"
    house.is_away = False
    await until_state(house, "h1", "delivered")
    await lives.stop()


async def test_what_waits_is_bounded_and_each_hint_is_noted_once() -> None:
    house = AwayRepository()
    lives = HintLifecycle(house.board, lambda: NOON_MS)
    for number in range(REMEMBERED + 1):
        lives.delivered(f"h{number}")
        lives.delivered(f"h{number}")
    await lives.stop()
    house.is_away = False
    house.asked.clear()
    await lives.stop()
    noted = [hint_id for some in house.asked for hint_id in some]
    assert len(noted) == WAITING
    assert noted[-1] == f"h{REMEMBERED}"
