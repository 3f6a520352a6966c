"""Who asks: the token in ``Authorization: Bearer``.

In: a request's header, what reads tokens, the time, the roles that may ask. Out: the ``Token``.
Refused: none or a bad one (401 ``HttpProblem``), one of another role (403), one that asks too often (429).
"""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request

from gateway.auth.tokens import Token, TokenReader, TokenRefused
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.http.rate_limit import Rates

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="zhiyin"'}


class Bearers:
    """Reads the tokens of requests. ``clock_ms``: epoch ms; ``rates``: how often a subject may ask (None: always)."""

    def __init__(self, reader: TokenReader, clock_ms: Callable[[], int], rates: Rates | None = None) -> None:
        self._reader = reader
        self._clock_ms = clock_ms
        self._rates = rates

    def token(self, request: Request, roles: tuple[str, ...]) -> Token:
        """The token of ``request``, which has one of ``roles``. Raises HttpProblem."""
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorised("none" if not scheme else f"the scheme {scheme[:20]!r}")
        try:
            token = self._reader.read(text.strip(), self._clock_ms() // 1000)
        except TokenRefused as error:
            raise _unauthorised(str(error)) from error
        if token.role not in roles:
            wrong = ErrorDetail("Authorization", f"a token with role {token.role!r}", f"role {' or '.join(roles)}")
            raise HttpProblem("forbidden", f"found {wrong.found}, expected {wrong.expected}", [wrong])
        if self._rates is not None:
            self._rates.require(f"{token.role}:{token.subject}", "this token")
        return token


def _unauthorised(found: str) -> HttpProblem:
    wrong = ErrorDetail("Authorization", found, "Bearer and a token of ours")
    return HttpProblem("unauthorised", f"found {found}, expected {wrong.expected}", [wrong], CHALLENGE)
