"""Tokens of people and bots: JSON Web Tokens signed with one secret (HS256), or by an identity provider (RS256).

In: what signs (``TokenReader``), and the time as an argument. Out: the text of a token, or the ``Token`` it
stands for. Refused, each in plain words: what is not a token, another algorithm, a wrong signature, a key that is
not in the provider's set, another issuer or audience, a missing or expired ``exp``, a ``nbf`` that is still to come,
a missing ``sub`` or ``role``. Which algorithm a token may use is decided by what we hold, never by the token alone.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Protocol

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.auth.roles import AGENT, CHATBOT
from operators.records.routing import EVERYBODY, Reach, is_queue

__all__ = ["AGENT", "CHATBOT", "Token", "TokenReader", "TokenRefused", "WeakSecret", "issue_token", "read_token"]

SHARED: Final = "HS256"
BY_KEY_SET: Final = "RS256"
SECRET_BYTES: Final = 32
"""The shortest secret HS256 is safe with (RFC 7518, section 3.2)."""
TOKEN_CHARS: Final = 4096
EARLY_S: Final = 60
"""How far ``nbf`` may lie ahead: the clocks of two machines differ a little."""

_OPTIONS: Final[Any] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
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


class PublicKeys(Protocol):
    """The keys of an identity provider."""

    def public_key(self, key_id: str | None) -> RSAPublicKey | None:
        """The RSA key of this ``kid`` (None: the only one there is); None: there is no such key."""


class _Claims(msgspec.Struct):
    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    role: Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
    exp: Annotated[int, msgspec.Meta(ge=0)]
    skills: tuple[str, ...] | None = None
    branch: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    region: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    customers: Reach = EVERYBODY
    nbf: int = 0
    iss: str | None = None
    aud: str | list[str] = []


class TokenReader:
    """Reads tokens signed with ``secret`` (empty: none is good) or by one of ``keys`` (None: none is good).

    ``issuer``, ``audience``: what a token must say of itself (None: anything). Raises WeakSecret.
    """

    def __init__(
        self, secret: str, keys: PublicKeys | None = None, issuer: str | None = None, audience: str | None = None
    ) -> None:
        if secret or keys is None:
            _check(secret)
        self._secret = secret
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    def read(self, token: str, now_s: int) -> Token:
        """What ``token`` says. Raises TokenRefused."""
        claims = _claims(self._signed(token))
        if claims.exp <= now_s:
            raise TokenRefused(f"token expired {now_s - claims.exp} s ago: ask for a new one")
        if claims.nbf > now_s + EARLY_S:
            raise TokenRefused(f"token is good only in {claims.nbf - now_s} s: wait, or set the clocks")
        self._check_purpose(claims)
        return _token(claims)

    def _check_purpose(self, claims: _Claims) -> None:
        if self._issuer is not None and claims.iss != self._issuer:
            raise TokenRefused(f"token: found issuer {str(claims.iss)[:80]!r}, expected {self._issuer!r}")
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if self._audience is not None and self._audience not in audiences:
            found = ", ".join(audiences)[:80] or "none"
            raise TokenRefused(f"token: found audience {found}, expected {self._audience!r}")

    def _signed(self, token: str) -> dict[str, Any]:
        if len(token) > TOKEN_CHARS:
            raise TokenRefused(f"token: found {len(token)} characters, expected at most {TOKEN_CHARS}")
        try:
            algorithm, key = self._key_for(jwt.get_unverified_header(token))
            return jwt.decode(token, key, algorithms=[algorithm], options=_OPTIONS)
        except jwt.InvalidSignatureError as error:
            raise TokenRefused("token: the signature is not ours: it was made with another secret or key") from error
        except (jwt.InvalidTokenError, ValueError) as error:
            raise TokenRefused(f"token: not a JSON Web Token of ours ({error})") from error

    def _key_for(self, header: Mapping[str, Any]) -> tuple[str, Any]:
        """The one algorithm and key this token may have been signed with."""
        algorithm = header.get("alg")
        if algorithm == SHARED and self._secret:
            return SHARED, self._secret
        if algorithm == BY_KEY_SET and self._keys is not None:
            key = self._keys.public_key(header.get("kid"))
            if key is None:
                raise TokenRefused("token: signed with a key that is not in the key set: try again in a minute")
            return BY_KEY_SET, key
        expected = [SHARED] * bool(self._secret) + [BY_KEY_SET] * (self._keys is not None)
        raise TokenRefused(f"token: signed in another way, expected {' or '.join(expected)}")


def issue_token(
    secret: str, subject: str, role: str, lifetime_s: int, now_s: int, more: Mapping[str, object] | None = None
) -> str:
    """A token for ``subject``, good until ``now_s + lifetime_s`` (epoch seconds). ``more``: further claims.

    Raises WeakSecret when the secret has fewer than 32 bytes.
    """
    _check(secret)
    claims = {**(more or {}), "sub": subject, "role": role, "iat": now_s, "exp": now_s + lifetime_s}
    return jwt.encode(claims, secret, algorithm=SHARED)


def purpose(issuer: str | None, audience: str | None) -> dict[str, str]:
    """The claims that a reader with these asks for, to be issued with."""
    return {name: value for name, value in (("iss", issuer), ("aud", audience)) if value is not None}


def read_token(secret: str, token: str, now_s: int) -> Token:
    """What a token signed with ``secret`` says. Raises TokenRefused, or WeakSecret as ``issue_token`` does."""
    return TokenReader(secret).read(token, now_s)


def _token(claims: _Claims) -> Token:
    if is_queue(claims.sub):
        raise TokenRefused(f"token: found sub {claims.sub!r}, which names a queue; expected a desk or a bot")
    return Token(claims.sub, claims.role, claims.exp, claims.skills, claims.branch, claims.region, claims.customers)


def _check(secret: str) -> None:
    found_bytes = len(secret.encode())
    if found_bytes < SECRET_BYTES:
        raise WeakSecret(found_bytes)


def _claims(payload: dict[str, Any]) -> _Claims:
    try:
        return msgspec.convert(payload, _Claims)
    except msgspec.ValidationError as error:
        raise TokenRefused(f"token: {error}; expected sub, role and exp") from error
