import json
from urllib.parse import parse_qs, urlsplit

import pytest

from config import Settings
from gateway.auth.tokens import read_token
from zhiyin.up.banner import addresses_of, banner, json_line, reachable_host, without_password

SETTINGS = Settings(
    redis_url="redis://127.0.0.1:7000/0",
    write_keys=("my-write-key", "another-key"),
    token_secret="s" * 32,
    desks=("counter-7", "counter-8"),
    token_lifetime_s=60,
    speed=30.0,
    quiet_hours=False,
)


def test_the_json_line_is_one_line_with_everything_a_program_needs() -> None:
    line = json_line(addresses_of(SETTINGS, 1_000))
    assert line.count("\n") == 1
    document = json.loads(line)
    token = document.pop("desk_token")
    bot_token = document.pop("chatbot_token")
    assert document == {
        "http": "http://127.0.0.1:8080",
        "ws": "ws://127.0.0.1:8081",
        "redis": "redis://127.0.0.1:7000/0",
        "write_key": "my-write-key",
        "metrics": {"gateway": "http://127.0.0.1:9101/metrics", "engine": "http://127.0.0.1:9102/metrics"},
    }
    assert (read_token("s" * 32, token, 1_059).subject, read_token("s" * 32, token, 1_059).role) == (
        "counter-7",
        "agent",
    )
    assert read_token("s" * 32, bot_token, 1_059).role == "chatbot"


def test_the_pages_are_signed_in_behind_the_hash() -> None:
    addresses = addresses_of(SETTINGS, 1_000)
    desk, chat = urlsplit(addresses.desk_page), urlsplit(addresses.chat_page("c 1&x"))
    assert (desk.path, chat.path) == ("/desk", "/chat")
    assert parse_qs(desk.fragment) == {"token": [addresses.desk_token], "ws": ["ws://127.0.0.1:8081"]}
    assert parse_qs(chat.query)["customer"] == ["c 1&x"]
    assert not desk.query


def test_the_banner_names_what_a_person_needs_and_no_password() -> None:
    text = banner(addresses_of(SETTINGS, 1_000), SETTINGS, "c-000042")
    pages = ("/desk#token=", "/outreach#token=", "/chat?customer=c-000042#token=")
    for words in (*pages, "my-write-key", "desk counter-7", ":9102/metrics"):
        assert words in text
    assert "30 times as fast as life, quiet hours off" in text
    assert text.endswith("Ctrl-C stops everything.\n")
    assert "Demo" not in banner(addresses_of(SETTINGS, 1_000), SETTINGS, None)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:7000/0", "redis://127.0.0.1:7000/0"),
        ("rediss://user:p@ss@cache:6379/0", "rediss://***@cache:6379/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("host", "url_host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - text, nothing is bound
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("desk.example", "desk.example"),
    ],
)
def test_a_host_as_it_stands_in_a_url(host: str, url_host: str) -> None:
    assert reachable_host(host) == url_host
