"""Tokens: what is issued is read back; everything else is refused with words that say why."""

from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.tokens import AGENT, Token, TokenRefused, WeakSecret, issue_token, read_token

SECRET = "a secret of at least thirty-two bytes"
OTHER_SECRET = "another secret, as long as the first one"
NOW_S = 1_700_000_000


def signed(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


def test_what_is_issued_is_read_back() -> None:
    token = issue_token(SECRET, "desk-1", AGENT, 60, NOW_S)
    assert read_token(SECRET, token, NOW_S + 59) == Token("desk-1", "agent", NOW_S + 60)


def test_an_expired_token_says_since_when() -> None:
    token = issue_token(SECRET, "desk-1", AGENT, 60, NOW_S)
    with pytest.raises(TokenRefused, match="token expired 5 s ago: ask for a new one"):
        read_token(SECRET, token, NOW_S + 65)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "not a JSON Web Token"),
        ("abc", "not a JSON Web Token"),
        ("a.b.c", "not a JSON Web Token"),
        ("令牌", "not a JSON Web Token"),
        ("\ud800.\ud800.x", "not a JSON Web Token"),
        ("x" * 5000, "found 5000 characters, expected at most 4096"),
        (signed({"sub": "desk-1", "role": "agent", "exp": NOW_S + 9}, OTHER_SECRET), "signature is not ours"),
        (signed({"sub": "desk-1", "role": "agent", "exp": NOW_S + 9}, SECRET * 2, "HS512"), "expected HS256"),
        (signed({"sub": "desk-1", "role": "agent", "exp": NOW_S + 9}, "", "none"), "expected HS256"),
        (signed({"sub": "desk-1", "role": "agent"}), "missing required field `exp`"),
        (signed({"role": "agent", "exp": NOW_S + 9}), "missing required field `sub`"),
        (signed({"sub": "desk-1", "exp": NOW_S + 9}), "missing required field `role`"),
        (signed({"sub": "", "role": "agent", "exp": NOW_S + 9}), "length >= 1"),
        (signed({"sub": "desk-1", "role": "agent", "exp": "soon"}), "Expected `int`"),
    ],
)
def test_what_is_not_a_good_token_is_refused_in_words(token: str, words: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        read_token(SECRET, token, NOW_S)
    assert words in str(caught.value)
    assert caught.value.reason == str(caught.value)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(WeakSecret, match="found 5 bytes, expected at least 32") as caught:
        issue_token("short", "desk-1", AGENT, 60, NOW_S)
    assert caught.value.found_bytes == 5
    with pytest.raises(WeakSecret):
        read_token("short", "x", NOW_S)


@given(st.text(max_size=200))
def test_no_text_is_ever_taken_for_a_token(text: str) -> None:
    with pytest.raises(TokenRefused):
        read_token(SECRET, text, NOW_S)
