import base64

import pytest

from gateway.http.problems import HttpProblem
from gateway.ingest.write_keys import WriteKeys

KEYS = WriteKeys(("first", "zweiter-schlüssel"))


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [basic("first:"), basic("first"), basic("first:ignored"), basic("zweiter-schlüssel:").replace("Basic", "basic")],
)
def test_a_key_of_ours_in_the_header(header: str) -> None:
    KEYS.check_header(header)


def test_a_key_of_ours_in_the_body() -> None:
    KEYS.check_body("first")


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (basic("other:"), "found a key that is not known here"),
        (basic(""), "found a key that is not known here"),
        ("Bearer first", "found the scheme 'Bearer'"),
        ("Basic ***", "found credentials that are not base64"),
        ("Basic \xe9", "found credentials that are not base64"),
        ("", "found the scheme ''"),
    ],
)
def test_a_header_without_a_key_of_ours(header: str, text: str) -> None:
    with pytest.raises(HttpProblem, match=text) as caught:
        KEYS.check_header(header)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(("key", "text"), [(None, "found none"), ("other", "not known"), ("\ud800", "not known")])
def test_a_body_without_a_key_of_ours(key: str | None, text: str) -> None:
    with pytest.raises(HttpProblem, match=text):
        KEYS.check_body(key)


def test_without_keys_nobody_may_send() -> None:
    with pytest.raises(HttpProblem, match="not known"):
        WriteKeys(()).check_body("")
