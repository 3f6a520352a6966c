"""Who may send events: a write key, as the user name of Basic auth or as ``writeKey`` in the body.

In: the Authorization header, or the key of the body. Out: what that key may send (``WriteKeyScope``), when it is one
of ours. Refused, as a 401 ``HttpProblem``: another scheme, what is not base64, an unknown key, none.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

from config.settings.write_key_scopes import WriteKeyScope
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.http.rate_limit import Rates

CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="zhiyin write key", charset="UTF-8"'}
_EXPECTED: Final = "a write key as the user name of Basic auth, or writeKey in the body"


class WriteKeys:
    """The keys that may send, compared without telling by the time it takes how much was right."""

    def __init__(self, keys: Sequence[str], scopes: Sequence[WriteKeyScope] = (), rates: Rates | None = None) -> None:
        limited = {scope.key: scope for scope in scopes}
        self._scopes = tuple((key.encode(), limited.get(key, WriteKeyScope(key))) for key in keys)

        self._rates = rates

    def require(self, scope: WriteKeyScope, events: int) -> None:
        """Raises HttpProblem (429) when so many events more are too many for this key now."""
        if self._rates is not None:
            self._rates.require(scope.key, "this write key", events, scope.events_per_s)

    def check_header(self, header: str) -> WriteKeyScope:
        """What the key may send. Raises HttpProblem unless ``header`` is Basic auth with one of our keys."""
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() != "basic":
            raise unauthorised("Authorization", f"the scheme {scheme[:20]!r}")
        try:
            user = base64.b64decode(credentials.strip(), validate=True).partition(b":")[0]
        except (binascii.Error, ValueError) as error:
            raise unauthorised("Authorization", "credentials that are not base64") from error
        return self._scope(user, "Authorization")

    def check_body(self, key: str | None) -> WriteKeyScope:
        """What the key may send. Raises HttpProblem unless ``key`` is one of ours."""
        if key is None:
            raise unauthorised("Authorization", "none")
        return self._scope(key.encode("utf-8", "surrogatepass"), "$.writeKey")

    def _scope(self, key: bytes, path: str) -> WriteKeyScope:
        """Every key is compared, so that the time says nothing of which one it was."""
        scopes = [scope for known, scope in self._scopes if hmac.compare_digest(key, known)]
        if not scopes:
            raise unauthorised(path, "a key that is not known here")
        return scopes[0]


def unauthorised(path: str, found: str) -> HttpProblem:
    """A 401 that says which key was looked for where."""
    return HttpProblem("unauthorised", f"found {found}", [ErrorDetail(path, found, _EXPECTED)], CHALLENGE)
