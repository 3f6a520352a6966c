"""Tokens of desks and bots: JSON Web Tokens signed with one secret (HS256).

In: the secret, who it is for, and the time as an argument. Out: the text of a
token, or the ``Token`` it stands for. Refused, each in plain words: what is not
a token, another algorithm, a wrong signature, a missing or expired ``exp``, a
missing ``sub`` or ``role``.
"""

from typing import Annotated, Any, Final

import jwt
import msgspec

from operators.routing import EVERYBODY, Reach, is_queue

ALGORITHM: Final = "HS256"
AGENT: Final = "agent"
CHATBOT: Final = "chatbot"
SECRET_BYTES: Final = 32
"""The shortest secret HS256 is safe with (RFC 7518, section 3.2)."""
TOKEN_CHARS: Final = 4096

_OPTIONS: Final[Any] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "enforce_minimum_key_length": True,
}


class Token(msgspec.Struct, frozen=True):
    """Whose token it is: ``subject`` a desk id or a bot's name, ``expires_s`` epoch seconds.

    ``skills``: None is every skill; ``branch``, ``region``: where the desk is; ``reach``: whom it may see.
    """

    subject: str
    role: str
    expires_s: int
    skills: tuple[str, ...] | None = None
    branch: str | None = None
    region: str | None = None
    reach: Reach = EVERYBODY


class TokenRefused(Exception):
    """The token is not good; ``reason`` says why in words fit for the one who sent it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class WeakSecret(Exception):
    """The secret is too short to sign with; ``found_bytes`` is its length."""

    def __init__(self, found_bytes: int) -> None:
        self.found_bytes = found_bytes
        super().__init__(
            f"token secret: found {found_bytes} bytes, expected at least {SECRET_BYTES}: set a longer random one"
        )


class _Claims(msgspec.Struct):
    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    role: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    exp: Annotated[int, msgspec.Meta(ge=0)]
    skills: tuple[str, ...] | None = None
    branch: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    region: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    customers: Reach = EVERYBODY


def issue_token(secret: str, subject: str, role: str, lifetime_s: int, now_s: int) -> str:
    """A token for ``subject``, good until ``now_s + lifetime_s`` (epoch seconds).

    Raises WeakSecret when the secret has fewer than 32 bytes.
    """
    _check(secret)
    claims = {"sub": subject, "role": role, "iat": now_s, "exp": now_s + lifetime_s}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read_token(secret: str, token: str, now_s: int) -> Token:
    """What ``token`` says. Raises TokenRefused, or WeakSecret as ``issue_token`` does."""
    _check(secret)
    claims = _claims(_signed(secret, token))
    if claims.exp <= now_s:
        raise TokenRefused(f"token expired {now_s - claims.exp} s ago: ask for a new one")
    return _token(claims)


def _token(claims: _Claims) -> Token:
    if is_queue(claims.sub):
        raise TokenRefused(f"token: found sub {claims.sub!r}, which names a queue; expected a desk or a bot")
    return Token(claims.sub, claims.role, claims.exp, claims.skills, claims.branch, claims.region, claims.customers)


def _check(secret: str) -> None:
    found_bytes = len(secret.encode())
    if found_bytes < SECRET_BYTES:
        raise WeakSecret(found_bytes)


def _signed(secret: str, token: str) -> dict[str, Any]:
    if len(token) > TOKEN_CHARS:
        raise TokenRefused(f"token: found {len(token)} characters, expected at most {TOKEN_CHARS}")
    try:
        return jwt.decode(token, secret, algorithms=[ALGORITHM], options=_OPTIONS)
    except jwt.InvalidSignatureError as error:
        raise TokenRefused("token: the signature is not ours: it was made with another secret") from error
    except jwt.InvalidAlgorithmError as error:
        raise TokenRefused(f"token: signed in another way, expected {ALGORITHM}") from error
    except (jwt.InvalidTokenError, ValueError) as error:
        raise TokenRefused(f"token: not a JSON Web Token of ours ({error})") from error


def _claims(payload: dict[str, Any]) -> _Claims:
    try:
        return msgspec.convert(payload, _Claims)
    except msgspec.ValidationError as error:
        raise TokenRefused(f"token: {error}; expected sub, role and exp") from error
