"""The user for chatbots on a real Redis, new and old: hints and hot questions to read, and nothing else at all."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import redis

from state.redis import keys
from state.redis.acl import CHATBOT_RULES, CHATBOT_USER, acl_file
from state.redis.connections import connect
from state.redis.keys_page import redis_keys_page
from tests.parts.machine import ROOT

PASSWORD = "a password of more than sixteen"
SHIPPED = ROOT / "deploy" / "redis" / "users.acl"
DENIED = redis.exceptions.NoPermissionError


@pytest.fixture
def client(any_redis_url: str) -> Iterator[redis.Redis]:
    with connect(any_redis_url) as connected:
        yield connected
        connected.acl_deluser(CHATBOT_USER)


@pytest.fixture
def bot(client: redis.Redis, any_redis_url: str) -> Iterator[redis.Redis]:
    """Signed in as the file has it."""
    rules = acl_file(PASSWORD).splitlines()[1].split()[2:]
    asked: Any = client
    asked.execute_command("ACL", "SETUSER", CHATBOT_USER, *rules)
    for key in keys.TABLE:
        if key.type == "string":
            client.set(key.of("anna"), "{}")
    with redis.Redis.from_url(any_redis_url, username=CHATBOT_USER, password=PASSWORD) as signed_in:
        yield signed_in


def test_it_reads_hints_and_hot_questions(bot: redis.Redis) -> None:
    assert bot.get(keys.CHATBOT_HINT.of("anna")) == b"{}"
    assert bot.mget(keys.CHATBOT_HINT.of("anna"), keys.HOT.of("all")) == [b"{}", None]
    assert bot.get(keys.HOT.of("anna")) == b"{}"
    assert bot.pttl(keys.CHATBOT_HINT.of("anna")) == -1
    assert bot.ping()


@pytest.mark.parametrize("key", [each for each in keys.TABLE if each not in (keys.CHATBOT_HINT, keys.HOT)])
def test_no_other_key_can_be_read(bot: redis.Redis, key: keys.RedisKey) -> None:
    with pytest.raises(DENIED):
        bot.get(key.of("anna"))
    with pytest.raises(DENIED):
        bot.mget(keys.CHATBOT_HINT.of("anna"), key.of("anna"))


HINT = keys.CHATBOT_HINT.of("anna")
WORDS: list[tuple[str, ...]] = [
    *(("SET", HINT, "x"), ("DEL", HINT), ("EXPIRE", HINT, "1"), ("GETDEL", HINT), ("APPEND", HINT, "x")),
    *(("KEYS", "*"), ("SCAN", "0"), ("RANDOMKEY",), ("DBSIZE",), ("TYPE", HINT), ("DUMP", HINT)),
    *(("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("CLIENT", "LIST"), ("MONITOR",), ("SHUTDOWN",)),
    *(("EVAL", "return 1", "0"), ("SUBSCRIBE", "x"), ("PUBLISH", "x", "y"), ("SELECT", "1"), ("SAVE",), ("INFO",)),
    *(("XRANGE", "zy:facts", "-", "+"), ("HGETALL", "zy:record:h1"), ("COPY", HINT, HINT), ("RENAME", HINT, "x")),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words[0])
def test_it_can_do_nothing_but_read(bot: Any, words: tuple[str, ...]) -> None:  # noqa: ANN401 - redis-py has no types here
    with pytest.raises(DENIED):
        bot.execute_command(*words)


@pytest.mark.usefixtures("bot")
def test_the_password_is_asked_and_stands_in_no_file(any_redis_url: str) -> None:
    assert PASSWORD not in acl_file(PASSWORD)
    refused: list[Callable[[], Any]] = [
        partial(redis.Redis.from_url, any_redis_url, username=CHATBOT_USER, password=each) for each in ("", "wrong")
    ]
    for made in refused:
        with made() as stranger, pytest.raises(redis.exceptions.AuthenticationError):
            stranger.get(HINT)


def test_the_page_the_shipped_file_and_the_code_say_the_same() -> None:
    rules = " ".join(CHATBOT_RULES)
    assert f"ACL SETUSER {CHATBOT_USER} on >PASSWORD {rules}" in redis_keys_page()
    ours, bots = SHIPPED.read_text("ascii").splitlines()
    assert (ours, bots) == (acl_file("").splitlines()[0], f"user {CHATBOT_USER} off resetpass {rules}")
    assert re.fullmatch(rf"user {CHATBOT_USER} on #[0-9a-f]{{64}} {re.escape(rules)}", acl_file("x").splitlines()[1])
