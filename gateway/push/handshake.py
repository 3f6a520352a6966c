"""What is asked of every websocket before it opens: from where it comes, and how often.

In: the opening request. Out: None to go on, or an answer. Refused: a page of an origin that is not allowed (403),
more connections from one address than are allowed (429). ``GET /health`` is answered here too.
"""

import math
from collections.abc import Callable, Sequence
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from gateway.http.client_address import TrustedProxies
from gateway.http.origins import may_ask
from gateway.http.rate_limit import Rates


class Handshake:
    """``origins``: whose pages may open desks; ``clock_s`` never goes back."""

    def __init__(
        self, origins: Sequence[str], proxies: Sequence[str], address_per_s: float, clock_s: Callable[[], float]
    ) -> None:
        self._origins = origins
        self._proxies = TrustedProxies(proxies)
        self._rates = Rates(address_per_s, clock_s)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """None: open it."""
        if request.path == "/health":
            return connection.respond(HTTPStatus.OK, "ok\n")
        wait_s = self._wait_s(connection, request)
        if wait_s > 0:
            response = connection.respond(HTTPStatus.TOO_MANY_REQUESTS, "too many connections from this address\n")
            response.headers["Retry-After"] = str(math.ceil(wait_s))
            return response
        origin = _header(request, "Origin")
        if not may_ask(origin, _header(request, "Host"), self._origins):
            expected = " or ".join(self._origins)
            return connection.respond(HTTPStatus.FORBIDDEN, f"Origin: found {origin}, expected {expected}\n")
        return None

    def _wait_s(self, connection: ServerConnection, request: Request) -> float:
        remote = connection.remote_address
        peer = remote[0] if isinstance(remote, tuple) else None
        address = self._proxies.client(peer, ",".join(request.headers.get_all("X-Forwarded-For")))
        return 0.0 if address is None else self._rates.wait_s(address)


def _header(request: Request, name: str) -> str | None:
    """The header's value; two of them are one that nobody allowed."""
    values = request.headers.get_all(name)
    return ", ".join(values) if values else None
