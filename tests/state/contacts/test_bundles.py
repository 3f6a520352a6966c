"""Bundles in a real Redis, new and old: told once, ended once, and found by desk and customer."""

from typing import Any

import orjson
import pytest
import redis

from operators.contacts.bundle import Bundle, BundleChanged, BundleEnd, CustomerWhereabouts
from operators.hints.hint import Hint
from operators.records.routing import NOWHERE, Whereabouts
from state.contacts.bundles import RedisBundleRepository, RedisBundleWriter
from state.redis import keys
from state.redis.connections import StoreUnavailable, connect, connect_async
from tests.parts.redis_server import RedisServer
from tests.state.houses import NOON_MS, make_hint

HOUR_MS = 3_600_000


def bundle(name: str = "b1", customer: str = "anna", agent: str | None = "d1", at_ms: int = NOON_MS) -> Bundle:
    return Bundle(
        bundle_id=name,
        customer_id=customer,
        agent_id=agent,
        channel="phone",
        conversation_id="k1",
        at_ms=at_ms,
        expires_at_ms=at_ms + HOUR_MS,
        interruption=make_hint(),
        struggling=None,
        needs=(),
        more=0,
        branch="sh",
        region=None,
        failures={},
    )


def end(name: str = "b1", agent: str | None = "d1") -> BundleEnd:
    return BundleEnd(name, "anna", agent, NOON_MS + 5, "sh", None)


def change(cause: str = "f1", hint: Hint | None = None, name: str = "b1") -> BundleChanged:
    return BundleChanged(name, "anna", "d1", cause, NOON_MS + 3, hint, "sh", None)


@pytest.fixture
def store(client: redis.Redis) -> RedisBundleWriter:
    return RedisBundleWriter(client, lambda: NOON_MS + 10, keep_ms=HOUR_MS)


def told(client: redis.Redis, channel: str) -> list[dict[str, Any]]:
    entries: Any = client.xrange(keys.CHANNEL.of(channel))
    return [orjson.loads(fields[b"e"]) for _, fields in entries]


def test_a_bundle_is_told_once_and_its_end_once(store: RedisBundleWriter, client: redis.Redis) -> None:
    assert store.write([bundle(), bundle(), end(), end(), bundle()]) == [True, False, True, False, False]
    created, closed = told(client, "desk:d1")
    assert (created["type"], created["data"]["bundle_id"]) == ("zhiyin.bundle.created", "b1")
    assert created["data"]["interruption"]["hint_id"] == "h1"
    assert (closed["type"], closed["data"]["bundle_id"], closed["branch"]) == ("zhiyin.bundle.closed", "b1", "sh")
    assert "region" not in created
    assert client.exists(keys.BUNDLE.of("anna"), keys.DESK_BUNDLES.of("d1")) == 0


async def test_what_changes_in_a_bundle_is_told_once_and_found_with_it(
    store: RedisBundleWriter, client: redis.Redis, any_redis_url: str
) -> None:
    trouble = change("f1", make_hint())
    assert store.write([trouble, bundle(), trouble, trouble, change("f2", name="b0")]) == [
        *(False, True),
        *(True, False, False),
    ]
    _, changed = told(client, "desk:d1")
    assert (changed["type"], changed["id"], changed["branch"]) == ("zhiyin.bundle.changed", "b1:f1", "sh")
    assert changed["data"]["struggling"]["hint_id"] == "h1"
    async with connect_async(any_redis_url) as asynchronous:
        board = RedisBundleRepository(asynchronous)
        found = await board.bundle("anna")
        assert found is not None
        assert found["struggling"] == changed["data"]["struggling"]
        assert await board.desk_bundles("d1", NOON_MS + 10) == [found]
        assert store.write([change("f3")]) == [True]
        assert await board.bundle("anna") == {**found, "struggling": None}
    assert told(client, "desk:d1")[-1]["data"]["struggling"] is None


def test_the_end_of_an_earlier_contact_leaves_the_later_one(store: RedisBundleWriter, client: redis.Redis) -> None:
    assert store.write([bundle(), bundle("b2", agent="d2"), end()]) == [True, True, False]
    assert client.hget(keys.BUNDLE.of("anna"), "id") == b"b2"


def test_a_contact_that_is_long_over_is_not_told(store: RedisBundleWriter, client: redis.Redis) -> None:
    assert store.write([bundle(at_ms=NOON_MS - HOUR_MS)]) == [True]
    assert told(client, "desk:d1") == []
    assert client.exists(keys.BUNDLE.of("anna")) == 0


async def test_it_is_found_by_customer_and_by_desk(store: RedisBundleWriter, any_redis_url: str) -> None:
    store.write([bundle(), bundle("b2", "bo", at_ms=NOON_MS + 1), bundle("b3", "cy", agent=None), bundle("b4", "di")])
    store.write(
        [bundle("b5", "di", agent="d2", at_ms=NOON_MS + 2), CustomerWhereabouts("anna", Whereabouts("d7", "sh"))]
    )
    async with connect_async(any_redis_url) as asynchronous:
        board = RedisBundleRepository(asynchronous)
        assert [each["bundle_id"] for each in await board.desk_bundles("d1", NOON_MS + 10)] == ["b2", "b1"]
        assert await board.desk_bundles("d1", NOON_MS + HOUR_MS + 1_000) == []
        found = await board.bundle("cy")
        assert found is not None
        assert (found["bundle_id"], found["agent_id"], found["at"]) == ("b3", None, "2027-01-15T08:00:00.000Z")
        assert await board.bundle("nobody") is None
        assert await board.whereabouts("anna") == Whereabouts("d7", "sh", in_contact="d1")
        assert await board.whereabouts("cy") == Whereabouts()
        assert await board.whereabouts("nobody") == NOWHERE


def test_what_was_last_said_of_a_customer_holds_and_ends(store: RedisBundleWriter, client: redis.Redis) -> None:
    store.write(
        [
            CustomerWhereabouts("anna", Whereabouts("d7", "sh", "east", "gold")),
            CustomerWhereabouts("anna", Whereabouts(branch="bj")),
        ]
    )
    assert client.hgetall(keys.BELONGS.of("anna")) == {b"branch": b"bj"}
    assert 0 < client.pttl(keys.BELONGS.of("anna")) <= HOUR_MS
    store.write([CustomerWhereabouts("anna", NOWHERE)])
    assert client.exists(keys.BELONGS.of("anna")) == 0


def test_a_redis_that_is_away_is_said(redis_server: RedisServer) -> None:
    with connect(redis_server.url) as client:
        store = RedisBundleWriter(client, lambda: NOON_MS, HOUR_MS)
        store.write([bundle()])
        redis_server.kill()
        with pytest.raises(StoreUnavailable):
            store.write([bundle("b2")])
