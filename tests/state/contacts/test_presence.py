"""Routing on a real Redis, new and old: who is on line, where hints go, and how they are handed on."""

from typing import Any

import orjson
import pytest
import redis

from operators.contacts.bundle import CustomerWhereabouts
from operators.records.routing import Whereabouts, desk_of
from state.contacts.bundles import RedisBundleWriter
from state.contacts.handover import HintHandover
from state.contacts.presence import ON_LINE_MS, SEATS_A_CALL, Presence, Routes, Seat
from state.hints.repository import RedisHintRepository
from state.hints.writer import RedisHintWriter
from state.redis import keys
from state.redis.connections import connect_async
from tests.state.contacts.test_bundles import bundle
from tests.state.houses import HOUR_MS, NOON_MS, make_hint

DESKS = ("desk-1", "desk-2")


@pytest.fixture
def routes(client: redis.Redis) -> Routes:
    return Routes(client, lambda: NOON_MS, DESKS)


def belongs(client: redis.Redis, known: Whereabouts, customer: str = "anna") -> None:
    RedisBundleWriter(client, lambda: NOON_MS, HOUR_MS).write([CustomerWhereabouts(customer, known)])


def told(client: redis.Redis, channel: str) -> list[tuple[str, str | None]]:
    entries: Any = client.xrange(keys.CHANNEL.of(channel))
    events = [orjson.loads(fields[b"e"]) for _, fields in entries]
    return [(event["type"].removeprefix("zhiyin."), event["data"].get("cause")) for event in events]


async def on_line(url: str, *seats: Seat) -> None:
    async with connect_async(url) as asynchronous:
        await Presence(asynchronous).beat(seats, NOON_MS)


def test_of_whom_nothing_is_known_a_desk_is_drawn(routes: Routes) -> None:
    (telling,) = routes.placements([make_hint()])
    assert (telling.desk_id, telling.hint.branch) == (desk_of("anna", DESKS), None)


async def test_hints_go_to_the_owner_on_line_else_to_the_queue(
    routes: Routes, client: redis.Redis, any_redis_url: str
) -> None:
    belongs(client, Whereabouts("d7", "sh", "east"))
    belongs(client, Whereabouts("d8"), "bo")
    hints = [make_hint(), make_hint("h2", customer_id="bo"), make_hint("h3", customer_id="cy")]
    assert [each.desk_id for each in routes.placements(hints)][:2] == ["queue:sh", "queue:general"]
    await on_line(any_redis_url, Seat("d7"))
    first, second, third = routes.placements(hints)
    assert (first.desk_id, second.desk_id, third.desk_id) == ("d7", "queue:general", desk_of("cy", DESKS))
    assert (first.hint.branch, first.hint.region) == ("sh", "east")
    assert client.zrange(keys.AWAITED.of(), 0, -1, withscores=True) == [(b"h1", NOON_MS + 60_000)]


async def test_hints_go_to_the_desk_in_contact_and_those_told_before_follow(
    routes: Routes, client: redis.Redis, any_redis_url: str
) -> None:
    await on_line(any_redis_url, Seat("d9"))
    hints = RedisHintWriter(client, lambda: NOON_MS)
    hints.place(make_hint(), "desk-1")
    hints.place(make_hint("bot-only", surfaces=("chatbot",)), "desk-1")
    RedisBundleWriter(client, lambda: NOON_MS + 10, HOUR_MS).write([bundle(agent="d9")])
    assert told(client, "desk:desk-1") == [("hint.created", "m-1"), ("hint.moved", "contact")]
    assert told(client, "desk:d9") == [("bundle.created", None), ("hint.created", "m-1")]
    assert client.hget(keys.HINT_RECORD.of("h1"), "desk") == b"d9"
    assert [client.zcard(keys.DESK_OPEN.of(desk)) for desk in ("desk-1", "d9")] == [0, 1]
    (telling,) = routes.placements([make_hint("h2")])
    assert telling.desk_id == "d9"


def test_a_contact_at_a_desk_where_nobody_sits_moves_nothing(routes: Routes, client: redis.Redis) -> None:
    RedisHintWriter(client, lambda: NOON_MS).place(make_hint(), "desk-1")
    RedisBundleWriter(client, lambda: NOON_MS + 10, HOUR_MS).write([bundle(agent="crm-17")])
    assert client.hget(keys.HINT_RECORD.of("h1"), "desk") == b"desk-1"
    assert routes.placements([make_hint("h2")])[0].desk_id == desk_of("anna", DESKS)


async def test_who_is_on_line_is_listed_until_it_falls_silent_or_goes(any_redis_url: str, client: redis.Redis) -> None:
    seats = [Seat("d1", ("claims",), "sh", "east"), Seat("d2")]
    async with connect_async(any_redis_url) as asynchronous:
        presence = Presence(asynchronous)
        await presence.beat(seats[::-1], NOON_MS)
        assert await presence.on_line(NOON_MS + 1) == seats
        assert 0 < client.pttl(keys.PRESENCE.of("d1")) <= ON_LINE_MS
        await presence.gone(["d1"])
        assert (await presence.is_on_line("d1"), await presence.is_on_line("d2")) == (False, True)
        assert await presence.on_line(NOON_MS + 1) == seats[1:]
        assert await presence.on_line(NOON_MS + ON_LINE_MS) == []


async def test_more_desks_than_one_call_says_are_on_line(any_redis_url: str) -> None:
    seats = [Seat(f"d{number:03d}", branch="sh") for number in range(2 * SEATS_A_CALL + 5)]
    async with connect_async(any_redis_url) as asynchronous:
        presence = Presence(asynchronous)
        await presence.beat(seats, NOON_MS)
        assert await presence.on_line(NOON_MS + 1) == seats
        await presence.gone([seat.desk_id for seat in seats[1:]])
        assert await presence.on_line(NOON_MS + 1) == seats[:1]


async def test_of_all_who_take_a_hint_one_gets_it(any_redis_url: str, client: redis.Redis) -> None:
    RedisHintWriter(client, lambda: NOON_MS).place(make_hint(branch="sh"), "queue:sh")
    assert told(client, "queue:sh") == [("hint.created", "m-1")]
    async with connect_async(any_redis_url) as asynchronous, connect_async(any_redis_url) as waiting:
        rerouting = HintHandover(asynchronous)
        taken = [await rerouting.hand_to("h1", desk, NOON_MS + 5) for desk in ("d1", "d2", "d1")]
        assert taken == ["d1", "d1", "d1"]
        assert told(client, "queue:sh")[1:] == [("hint.moved", "taken")]
        assert told(client, "desk:d1") == [("hint.created", "m-1")]
        board = RedisHintRepository(asynchronous, waiting)
        assert [each["hint_id"] for each in await board.desk_hints("d1", NOON_MS + 6)] == ["h1"]
        assert (await board.change_state("h1", "used", NOON_MS + 7)).changed
        assert await rerouting.hand_to("h1", "d2", NOON_MS + 8) == "d1"
        assert await rerouting.hand_to("nobody", "d2", NOON_MS + 8) is None


async def test_what_became_of_a_hint_says_where_its_customer_belongs(any_redis_url: str, client: redis.Redis) -> None:
    RedisHintWriter(client, lambda: NOON_MS).place(make_hint(branch="sh", region="east", skill="loans"), "d1")
    async with connect_async(any_redis_url) as asynchronous, connect_async(any_redis_url) as waiting:
        await RedisHintRepository(asynchronous, waiting).change_state("h1", "shown", NOON_MS + 1)
    entries: Any = client.xrange(keys.CHANNEL.of("desk:d1"))
    events = [orjson.loads(fields[b"e"]) for _, fields in entries]
    assert [(each["branch"], each["region"]) for each in events] == [("sh", "east")] * 2
    assert events[0]["skill"] == "loans"


async def test_a_hint_whose_owner_stays_away_goes_to_the_queue(any_redis_url: str, client: redis.Redis) -> None:
    belongs(client, Whereabouts("d7", "sh"))
    await on_line(any_redis_url, Seat("d7"))
    store = RedisHintWriter(client, lambda: NOON_MS)
    store.write(Routes(client, lambda: NOON_MS, DESKS).placements([make_hint()]))
    async with connect_async(any_redis_url) as asynchronous:
        rerouting = HintHandover(asynchronous)
        assert await rerouting.overdue(NOON_MS + 59_999) == []
        assert await rerouting.overdue(NOON_MS + 60_000) == ["h1"]
        await rerouting.wait_on("h1", NOON_MS + 60_000)
        assert await rerouting.overdue(NOON_MS + 60_000) == []
        owner = await rerouting.look_up("h1")
        assert owner is not None
        await rerouting.to_queue("h1", owner, NOON_MS + 120_000)
        assert await rerouting.overdue(NOON_MS + HOUR_MS) == []
    assert told(client, "desk:d7")[1:] == [("hint.moved", "away")]
    assert told(client, "queue:sh") == [("hint.created", "m-1")]
