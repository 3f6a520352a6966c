"""What went wrong with a request, as RFC 9457 problem+json.

In: a kind from ``KINDS``, a sentence, and the errors in detail. Out: one document
``{type, title, status, detail, errors[]}`` and the headers that go with it.
Refused: a kind that the table does not have (KeyError: a mistake of ours).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
KINDS: Final[dict[str, tuple[int, str]]] = {
    "invalid": (400, "The request cannot be taken as it is"),
    "interrupted": (400, "The request ended before its body did"),
    "unauthorised": (401, "No valid key or token"),
    "forbidden": (403, "Not with this token"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "Not with this method"),
    "too_slow": (408, "The body took too long"),
    "conflict": (409, "The hint can no longer change to this state"),
    "over": (409, "The call is no longer needed, or its outcome is noted"),
    "taken": (409, "Another agent has claimed it"),
    "unclaimed": (409, "Claim it first"),
    "quiet_hours": (409, "Nobody is called in the quiet hours"),
    "too_big": (413, "More than the limit"),
    "unsupported_encoding": (415, "This content encoding is not read"),
    "key_reused": (422, "The Idempotency-Key belongs to another request"),
    "too_many": (429, "Too often; come again later"),
    "internal": (500, "A mistake of ours"),
    "bus_full": (503, "The bus is full; send it again later"),
    "bus_unavailable": (503, "The bus cannot be reached; send it again later"),
    "store_unavailable": (503, "The store cannot be reached; ask again later"),
}
"""Kind to HTTP status and title."""


class ErrorDetail(msgspec.Struct, frozen=True):
    """One thing that is wrong: where, what was found, what is expected."""

    path: str
    found: str
    expected: str


class HttpProblem(Exception):
    """A request that is answered with a problem document.

    ``errors``: records or dicts that become ``errors[]``; ``more``: further members of the document.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        errors: Sequence[Any] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self.status, self.title = KINDS[kind]
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})
        super().__init__(f"{self.status} {self.title}: {detail}")

    def document(self) -> dict[str, Any]:
        """The members of the problem document, in the order of the RFC."""
        return {
            "type": f"urn:zhiyin:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "errors": self.errors,
            **self.more,
        }


def problem_response(problem: HttpProblem) -> Response:
    """The answer for ``problem``."""
    body = msgspec.json.encode(problem.document())
    return Response(body, problem.status, problem.headers, MEDIA_TYPE)
