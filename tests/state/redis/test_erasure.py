"""A customer in every kind of key: taken out, and nobody else with him."""

import json
import re

import pytest

from state.redis import keys
from state.redis.connections import connect
from state.redis.erasure import RECORDS, WITHOUT_CUSTOMERS, Needles, erase_in_redis
from tests.parts.machine import ROOT
from tests.state.houses import RedisHouse, make_hint

pytestmark = pytest.mark.requires("redis")
AWKWARD = 'cu"st\\omer 客户/1'


@pytest.mark.parametrize("customer_id", ["anna", AWKWARD, "desk", "17"])
async def test_hints_records_channels_and_lists_are_free_of_him(redis_url: str, customer_id: str) -> None:
    house = RedisHouse(redis_url)
    house.store.place(make_hint("h1", customer_id=customer_id), "d1")
    house.store.place(make_hint("h2", customer_id="other"), "d1")
    with connect(redis_url) as client:
        taken = erase_in_redis(client, customer_id)
    assert taken["zy:record"] == 1
    assert taken["zy:channel"] == 2
    assert await house.next_ids(customer_id) == []
    assert await house.chatbot_ids(customer_id) == []
    assert await house.desk_ids() == ["h2"]
    assert await house.next_ids("other") == ["h2"]
    assert await house.told_words("desk:d1") == ["created h2"]
    await house.close()


def test_every_type_of_key_is_looked_into(redis_url: str) -> None:
    mine, other = ({"data": {"customer_id": each}, "journey": "anna"} for each in ("anna", "bert"))
    nested = {"payload": {"raw": json.dumps({"userId": "anna"})}}
    with connect(redis_url) as client:
        for document in (mine, other, nested):
            client.xadd("zy:facts", {"e": json.dumps(document)})
        client.xadd("zy:bus:0", {"k": "anna", "t": "1", "e": "{}"})
        client.sadd("zy:do-not-call", "anna", "bert", "annabel")
        client.zadd("zy:desk-bundles:d1", {"anna": 1, "bert": 2})
        client.hset("zy:some-hash", mapping={"anna": "1", "x": json.dumps(mine), "bert": "anna"})
        client.rpush("zy:some-list", "anna", "bert", "anna")
        client.set("zy:some-string", json.dumps(mine))
        client.set(keys.CHATBOT_HINT.of("anna"), "{}")
        client.set(keys.CHATBOT_HINT.of("annabel"), "{}")
        client.set("theirs:anna", "anna")
        taken = erase_in_redis(client, "anna")
        assert taken == {
            "zy:facts": 2,
            "zy:bus": 1,
            "zy:do-not-call": 1,
            "zy:desk-bundles": 1,
            "zy:some-hash": 2,
            "zy:some-list": 2,
            "zy:some-string": 1,
            "zy:hint": 1,
        }
        assert erase_in_redis(client, "anna") == {}
        assert client.smembers("zy:do-not-call") == {b"bert", b"annabel"}
        assert client.hgetall("zy:some-hash") == {b"bert": b"anna"}
        assert client.exists("theirs:anna", keys.CHATBOT_HINT.of("annabel")) == 2


def test_each_kind_of_key_that_can_hold_him_is_filled_and_then_empty(redis_url: str) -> None:
    document = json.dumps({"data": {"customer_id": "anna"}})
    looked_into = [key for key in keys.TABLE if key not in WITHOUT_CUSTOMERS]
    records = [key.of("anna") for key in RECORDS]
    with connect(redis_url) as client:
        fill = {
            "string": lambda name: client.set(name, document),
            "hash": lambda name: client.hset(name, "customer" if name in records else "anna", "anna"),
            "set": lambda name: client.sadd(name, "anna"),
            "sorted set": lambda name: client.zadd(name, {"anna": 1}),
            "stream": lambda name: client.xadd(name, {"e": document}),
        }
        for key in looked_into:
            fill[key.type](key.of("anna"))
        assert client.dbsize() == len(looked_into)
        taken = erase_in_redis(client, "anna")
        assert taken.total() >= len(looked_into)
        left = [key for key in client.scan_iter() if client.type(key) != b"stream" or client.xlen(key.decode())]
        assert left == []


def test_long_streams_are_looked_through_to_their_end(redis_url: str) -> None:
    with connect(redis_url) as client:
        for _ in range(3):
            with client.pipeline() as pipeline:
                for number in range(1_000):
                    pipeline.xadd("zy:facts", {"e": json.dumps({"subject": "anna" if number % 10 else "bert"})})
                pipeline.execute()
        assert erase_in_redis(client, "anna") == {"zy:facts": 2_700}
        assert client.xlen("zy:facts") == 300


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"anna", True),
        (b'{"subject":"anna"}', True),
        (b'{"customer_id": "anna"}', True),
        (rb'{"raw":"{\"userId\":\"anna\"}"}', True),
        (b'{"subject":"annabel"}', False),
        (b'{"journey":"anna"}', False),
        (b"annabel", False),
    ],
)
def test_he_is_found_as_a_customer_and_never_as_a_part(value: bytes, found: bool) -> None:
    assert Needles("anna").are_in(value) is found


def test_what_is_not_looked_into_holds_counts_and_hashes() -> None:
    assert {key.pattern for key in WITHOUT_CUSTOMERS} <= {key.pattern for key in keys.TABLE}
    assert all("customer" not in key.holds.replace("customer (masked)", "") for key in WITHOUT_CUSTOMERS)


def test_the_how_to_speaks_of_every_kind_of_key_and_every_step_that_remembers() -> None:
    text = (ROOT / "docs" / "how-to" / "erase-a-customer.md").read_text("utf-8")
    told = set(re.findall(r"`(zy:[a-zN:-]+|[a-z]+)`", text))
    kinds = {key.pattern.replace("zy:bus:{}:", "zy:bus:N:").removesuffix(":{}") for key in keys.TABLE}
    assert kinds <= told
    wiring = "".join(path.read_text("utf-8") for path in (ROOT / "flows").rglob("*.py"))
    steps = set(re.findall(r'stateful_batch\(\s*"([a-z]+)"', wiring))
    assert len(steps) > 8
    assert steps <= told
