"""Who may send events: a write key, as the user name of Basic auth or as ``writeKey`` in the body.

In: the Authorization header, or the key of the body. Out: nothing, when the key is one of
ours. Refused, as a 401 ``Problem``: another scheme, what is not base64, an unknown key, none.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

from gateway.problems import ErrorDetail, Problem

CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="zhiyin write key", charset="UTF-8"'}
_EXPECTED: Final = "a write key as the user name of Basic auth, or writeKey in the body"


class WriteKeys:
    """The keys that may send, compared without telling by the time it takes how much was right."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = tuple(key.encode() for key in keys)

    def check_header(self, header: str) -> None:
        """Raises Problem unless ``header`` is Basic auth with one of our keys."""
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() != "basic":
            raise unauthorised("Authorization", f"the scheme {scheme[:20]!r}")
        try:
            user = base64.b64decode(credentials.strip(), validate=True).partition(b":")[0]
        except (binascii.Error, ValueError) as error:
            raise unauthorised("Authorization", "credentials that are not base64") from error
        self._check(user, "Authorization")

    def check_body(self, key: str | None) -> None:
        """Raises Problem unless ``key`` is one of ours."""
        if key is None:
            raise unauthorised("Authorization", "none")
        self._check(key.encode("utf-8", "surrogatepass"), "$.writeKey")

    def _check(self, key: bytes, path: str) -> None:
        if not any(hmac.compare_digest(key, known) for known in self._keys):
            raise unauthorised(path, "a key that is not known here")


def unauthorised(path: str, found: str) -> Problem:
    """A 401 that says which key was looked for where."""
    return Problem("unauthorised", f"found {found}", [ErrorDetail(path, found, _EXPECTED)], CHALLENGE)
