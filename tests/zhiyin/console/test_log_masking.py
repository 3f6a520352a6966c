"""What a log line must not hold does not get past the last line, wherever it stands in it."""

import io
import logging

import pytest

from config import Settings
from gateway.auth.tokens import issue_token
from operators.support.masking import masked
from zhiyin.console.log_masking import MaskingFormatter, formatter_for

SECRETS = Settings(
    redis_url="redis://user:redis-passw0rd@cache:6379/0",
    token_secret="token-secret-token-secret-token-secret",
    write_keys=("write-key-1", "write-key-2"),
    write_key_scopes=("write-key-2;events=page",),
    kafka_options=("sasl.username=me", "sasl.password=kafka-passw0rd", "ssl.key.password=pem-passw0rd"),
)
KEY = SECRETS.token_secret.encode()
LINES = formatter_for(SECRETS, "%(message)s", "%H")


@pytest.mark.parametrize(
    "secret",
    ["redis-passw0rd", "token-secret-token-secret-token-secret", "write-key-1", "write-key-2", "kafka-passw0rd"],
)
def test_no_secret_of_the_settings_is_written(secret: str) -> None:
    assert LINES.scrubbed(f"found {secret}, expected another") == "found (secret), expected another"
    assert secret not in repr(SECRETS)


def test_no_token_is_written() -> None:
    token = issue_token("s" * 32, "desk-1", "agent", 60, 1_700_000_000)
    assert LINES.scrubbed(f"init with {token} refused") == "init with (token) refused"


@pytest.mark.parametrize(
    ("line", "customer"),
    [
        ("GET /v1/customers/13912345678/next-hints failed", "13912345678"),
        ("GET /v1/customers/a/b/next-hints?surface=desk failed", "a/b"),
        ("GET /v1/customers/%E5%AE%A2 failed", "客"),
        ("WRONGTYPE of 'zy:hint:13912345678', expected string", "13912345678"),
        ('bad document {"customer_id":"anna","journey":"loan"}', "anna"),
        ("Event(user_id='anna', journey='loan')", "anna"),
        (r'raw "{\"userId\":\"anna\"}"', "anna"),
    ],
)
def test_customers_are_masked_in_what_libraries_and_errors_quote(line: str, customer: str) -> None:
    told = LINES.scrubbed(line)
    assert masked(customer, KEY) in told
    assert customer not in told
    assert told.count("loan") == line.count("loan")


def test_ordinary_lines_stay_as_they_are() -> None:
    for line in (
        "gateway: http http://127.0.0.1:8080, websocket ws://127.0.0.1:8081",
        "push: the store is away (zy:channel:desk:desk-1); desks are told so",
        "engine runs: process 0 of 1, journeys 9, shards 32",
    ):
        assert LINES.scrubbed(line) == line
    assert MaskingFormatter("%(message)s", "%H", ("abc",)).scrubbed("abc") == "abc"


def test_a_traceback_is_looked_through_too() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LINES)
    log = logging.getLogger("tests.masking")
    log.addHandler(handler)
    try:
        dict[str, int]()["zy:hint:anna with write-key-1"]
    except KeyError:
        log.exception("reading failed")
    log.removeHandler(handler)
    assert "anna" not in stream.getvalue()
    assert "write-key-1" not in stream.getvalue()
    assert "Traceback" in stream.getvalue()
