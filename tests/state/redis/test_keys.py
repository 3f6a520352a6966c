"""The table of keys: no two kinds can meet, every script names its keys, and the page says what the table says."""

import re
from itertools import combinations
from pathlib import Path

import pytest

from state.redis import keys
from state.redis.keys_page import redis_keys_page
from tests.parts.machine import ROOT

PAGE = ROOT / "docs" / "reference" / "redis-keys.md"
SCRIPTS = sorted((ROOT / "state" / "redis" / "scripts").rglob("*.lua"))
NUMBERED = {keys.BUS, keys.BUS_TAKEN}


def test_the_page_is_the_table() -> None:
    told = "out of date: run  python -m state.redis.keys_page > docs/reference/redis-keys.md"
    assert PAGE.read_text("utf-8") == redis_keys_page(), told


def test_every_key_is_in_the_table_once() -> None:
    named = [value for value in vars(keys).values() if isinstance(value, keys.RedisKey)]
    assert sorted(named) == sorted(keys.TABLE)
    assert len({key.pattern for key in keys.TABLE}) == len(keys.TABLE)
    assert all(key.pattern.startswith(f"{keys.PREFIX}:") for key in keys.TABLE)


@pytest.mark.parametrize(("one", "other"), list(combinations(keys.TABLE, 2)), ids=lambda key: key.pattern)
def test_no_id_makes_two_kinds_meet(one: keys.RedisKey, other: keys.RedisKey) -> None:
    def matcher(key: keys.RedisKey) -> str:
        anything = r"\d+" if key in NUMBERED else ".*"
        return re.escape(key.pattern).replace(r"\{\}", anything)

    for first, second in ((one, other), (other, one)):
        ids = ("0", "17") if first in NUMBERED else ("", "x", "x:taken", ":", "{}", "0:taken", "desk:1:epoch")
        assert not any(re.fullmatch(matcher(second), first.of(each), re.DOTALL) for each in ids)


def test_ids_go_in_as_they_are() -> None:
    assert keys.CHATBOT_HINT.of("a{}b:c") == "zy:hint:a{}b:c"
    assert keys.BUS.of(3) == "zy:bus:3"
    assert keys.FACTS.of() == "zy:facts"
    assert keys.desk_channel("d 1") == "desk:d 1"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_spell_no_key_and_encode_no_document(script: Path) -> None:
    text = script.read_text("utf-8")
    assert f"'{keys.PREFIX}:" not in text
    assert "cjson" not in text
