"""Facts and dead letters: each written once, in order, and safely written again."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.hints.hint import Retirement
from operators.records.dead_letters import DeadLetter, letter_id
from operators.records.events import Rejection
from operators.records.facts import Fact
from state.dead_letters.writer import DeadLetterWriter, RedisDeadLetterWriter
from state.facts.stream import FactStream, PublicItem, RedisFactStream, event_of
from state.redis import keys
from state.redis.connections import Client, connect
from state.redis.idempotent_append import DOCUMENTS_A_CALL
from tests.state.houses import NOON_MS, make_hint
from tests.state.stream_doubles import MemoryDeadLetterWriter, MemoryFactStream

DAY_MS = 86_400_000


@pytest.fixture
def client(any_redis_url: str) -> Iterator[Client]:
    with connect(any_redis_url) as made:
        yield made


def fact(number: int = 0) -> Fact:
    return Fact("started", NOON_MS + number, "a", "anna", "policy_loan", "t-1", "apply", "m-1")


def letter(raw: bytes = b"{", at_ms: int = NOON_MS) -> DeadLetter:
    return DeadLetter(raw, (Rejection("not_json", "$", "'{'", "one JSON object"),), at_ms)


def written(client: Client, key: keys.RedisKey) -> list[dict[str, Any]]:
    entries: Any = client.xrange(key.of())
    return [json.loads(fields[b"e"]) for _, fields in entries]


def test_facts_and_hints_are_written_as_cloud_events(client: Client) -> None:
    told: list[PublicItem] = [fact(), make_hint(), Retirement("h1", "anna", "returned", NOON_MS + 1)]
    assert RedisFactStream(client).write(told) == 3
    assert [event["type"] for event in written(client, keys.FACTS)] == [
        "zhiyin.transaction.started",
        "zhiyin.hint.created",
        "zhiyin.hint.retired",
    ]
    assert written(client, keys.FACTS)[0] == event_of(fact())


def test_a_mark_lasts_a_day(client: Client) -> None:
    RedisFactStream(client).write([fact()])
    left_ms = client.pttl(keys.TOLD.of(fact().id))
    assert DAY_MS - 10_000 < left_ms <= DAY_MS


def test_long_lists_are_written_in_order(client: Client) -> None:
    facts = [fact(number) for number in range(2 * DOCUMENTS_A_CALL + 7)]
    assert RedisFactStream(client).write(facts) == len(facts)
    assert [event["id"] for event in written(client, keys.FACTS)] == [each.id for each in facts]
    assert RedisFactStream(client).write(facts) == 0


def test_the_newest_are_kept(client: Client) -> None:
    stream = RedisFactStream(client, kept_facts=100)
    stream.write([fact(number) for number in range(1_000)])
    kept = written(client, keys.FACTS)
    assert 100 <= len(kept) <= 300
    assert kept[-1]["id"] == fact(999).id


@given(lists=st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=6))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_streams_write_the_same_once(lists: list[list[int]], client: Client) -> None:
    client.flushdb()
    memory, real = MemoryFactStream(), RedisFactStream(client)
    for numbers in lists:
        facts = [fact(number) for number in numbers]
        assert memory.write(facts) == real.write(facts)
    assert written(client, keys.FACTS) == [json.loads(event) for event in memory.events.values()]


def test_scripts_that_redis_forgot_are_given_again(client: Client) -> None:
    stream: FactStream = RedisFactStream(client)
    stream.write([fact(0)])
    client.script_flush()
    assert stream.write([fact(0), fact(1)]) == 1


def test_dead_letters_are_kept_whole_and_once(client: Client) -> None:
    letters = [letter(), letter(b"\xff\x00"), letter(), letter(at_ms=NOON_MS + 1)]
    memory, real = MemoryDeadLetterWriter("0.1"), RedisDeadLetterWriter(client, "0.1")
    stores: tuple[DeadLetterWriter, ...] = (memory, real)
    assert [store.write(letters) for store in stores] == [3, 3]
    assert [store.write(letters) for store in stores] == [0, 0]
    assert written(client, keys.DEAD_LETTERS) == list(memory.letters.values())
    assert written(client, keys.DEAD_LETTERS)[1] == {
        "id": letter_id(letters[1]),
        "failure": {
            "timestamp": "2027-01-15T08:00:00.000Z",
            "kind": "not_json",
            "messages": [{"path": "$", "found": "'{'", "expected": "one JSON object"}],
        },
        "payload": {"customer_id": None, "time": None, "raw": "\\xff\x00", "raw_base64": "/wA="},
        "processor": {"artifact": "zhiyin", "version": "0.1"},
    }
