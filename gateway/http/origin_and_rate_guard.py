"""What is asked of every HTTP request before anything reads it: from where it comes, and how often.

In: an ASGI application and the rules. Out: the application, behind them. Refused: more requests from one address
than are allowed (429), a page of another origin that asks the API (403). The collector's origins and the desks' are two
lists: anybody's website may be allowed to send events, hardly anybody's may read hints.
"""

from collections.abc import Collection, Sequence
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.client_address import TrustedProxies
from gateway.http.origins import may_ask
from gateway.http.problems import ErrorDetail, HttpProblem, problem_response
from gateway.http.rate_limit import Rates

API: Final = "/v1/"


class Guard:
    """``events_from``: origins that may post to ``collector_paths``; ``desks_from``: origins that may ask the rest."""

    def __init__(
        self,
        app: ASGIApp,
        collector_paths: Collection[str],
        events_from: Sequence[str],
        desks_from: Sequence[str],
        proxies: TrustedProxies,
        rates: Rates,
    ) -> None:
        self._app = app
        self._collector_paths = frozenset(collector_paths)
        self._events_from = events_from
        self._desks_from = desks_from
        self._proxies = proxies
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http":
            try:
                self._check(HTTPConnection(scope))
            except HttpProblem as problem:
                await problem_response(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, request: HTTPConnection) -> None:
        peer = request.client.host if request.client is not None else None
        address = self._proxies.client(peer, request.headers.get("x-forwarded-for"))
        if address is not None:
            self._rates.require(address, "this address")
        path = request.scope["path"]
        if path.startswith(API):
            self._check_origin(request, self._events_from if path in self._collector_paths else self._desks_from)

    def _check_origin(self, request: HTTPConnection, allowed: Sequence[str]) -> None:
        origin = request.headers.get("origin")
        if not may_ask(origin, request.headers.get("host"), allowed):
            wrong = ErrorDetail("Origin", repr(origin)[:120], " or ".join(allowed))
            raise HttpProblem("forbidden", f"found a page of {wrong.found}, expected {wrong.expected}", [wrong])
