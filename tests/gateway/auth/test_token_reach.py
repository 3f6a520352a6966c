"""What a desk's token says of its skills, its place and whom it may see."""

from typing import Any

import jwt
import pytest

from gateway.auth.tokens import TokenRefused, read_token
from operators.records.routing import EVERYBODY, Reach

SECRET = "a secret of at least thirty-two bytes"
NOW_S = 1_700_000_000


def signed(**claims: Any) -> str:  # noqa: ANN401 - what a claim may hold is what is tried out
    return jwt.encode({"sub": "d1", "role": "agent", "exp": NOW_S + 9, **claims}, SECRET, algorithm="HS256")


def test_a_token_that_says_nothing_may_see_everybody_and_has_every_skill() -> None:
    token = read_token(SECRET, signed(), NOW_S)
    assert (token.skills, token.branch, token.region, token.reach) == (None, None, None, EVERYBODY)


def test_skills_place_and_reach_are_read() -> None:
    claims = {"skills": ["claims"], "branch": "sh-01", "region": "east", "customers": {"branches": ["sh-01"]}}
    token = read_token(SECRET, signed(**claims), NOW_S)
    assert (token.skills, token.branch, token.region) == (("claims",), "sh-01", "east")
    assert token.reach == Reach(branches=("sh-01",))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"customers": {"branch": ["sh"]}}, "unknown field `branch`"),
        ({"customers": {"branches": "sh"}}, "Expected `array`"),
        ({"customers": ["sh"]}, "Expected `object`"),
        ({"skills": "claims"}, "Expected `array | null`"),
        ({"branch": ""}, "length >= 1"),
        ({"sub": "queue:general"}, "which names a queue; expected a desk or a bot"),
    ],
)
def test_a_reach_that_cannot_be_read_is_refused_and_opens_nothing(claims: dict[str, Any], words: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        read_token(SECRET, signed(**claims), NOW_S)
    assert words in caught.value.reason
