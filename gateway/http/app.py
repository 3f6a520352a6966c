"""The HTTP side put together: routes, errors as problem+json, CORS, security headers, timing.

In: the routes of the collector, the API and health. Out: one ASGI application.
Refused: what no route takes (404, 405), as problem+json like every other error.
"""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.settings.load import Settings
from gateway.http.client_address import TrustedProxies
from gateway.http.origin_and_rate_guard import Guard
from gateway.http.origins import SELF
from gateway.http.problems import HttpProblem, problem_response
from gateway.http.rate_limit import Rates
from gateway.http.store_errors import ERRORS, unavailable
from gateway.runtime.metrics import GatewayMetrics

ALLOWED_HEADERS: Final = (
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Accept-Language",
    "Idempotency-Key",
    "If-None-Match",
    "X-Retry-Count",
)
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
NO_PAGE: Final = b"default-src 'none'; frame-ancestors 'none'"
_CSP: Final = b"content-security-policy"

log = logging.getLogger("zhiyin.http")


def build_app(
    routes: Sequence[BaseRoute], collector_paths: Collection[str], settings: Settings, metrics: GatewayMetrics
) -> ASGIApp:
    """The application, behind its guard; ``settings`` say whose pages may call it, and how often.

    ``collector_paths``: where websites send events; their origins are a list of their own.
    """
    handlers: dict[Any, Any] = {
        HttpProblem: _problem,
        HTTPException: _http_exception,
        Exception: _internal,
        **dict.fromkeys(ERRORS, _unavailable),
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    guard = Guard(
        app,
        collector_paths,
        settings.allowed_origins,
        settings.desk_origins,
        TrustedProxies(settings.trusted_proxies),
        Rates(settings.address_requests_per_s, time.monotonic),
    )
    cors = CORSMiddleware(
        guard,
        allow_origins=[*settings.allowed_origins, *(origin for origin in settings.desk_origins if origin != SELF)],
        allow_methods=("GET", "POST", "PUT", "DELETE"),
        allow_headers=ALLOWED_HEADERS,
        expose_headers=("Retry-After", "ETag"),
        max_age=86_400,
    )
    return Observed(cors, {route.endpoint: route.path for route in routes if isinstance(route, Route)}, metrics)


class Observed:
    """Times every request, and puts the security headers on its answer."""

    def __init__(self, app: ASGIApp, paths: Mapping[Any, str], metrics: GatewayMetrics) -> None:
        self._app = app
        self._paths = paths
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message.get("headers", ()), *SECURITY_HEADERS]
                if not any(name == _CSP for name, _ in headers):
                    headers.append((_CSP, NO_PAGE))
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            endpoint = self._paths.get(scope.get("endpoint"), "other")
            self._metrics.request_seconds.labels(endpoint, str(status)).observe(time.perf_counter() - begun)


async def _problem(_: Request, error: HttpProblem) -> Response:
    return problem_response(error)


async def _unavailable(_: Request, error: Exception) -> Response:
    return problem_response(unavailable(error))


async def _http_exception(request: Request, error: HTTPException) -> Response:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(HttpProblem("not_found", f"nothing at {request.url.path[:200]}"))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = dict(error.headers or {})
        detail = f"found {request.method}, expected {allowed.get('Allow', 'another method')}"
        return problem_response(HttpProblem("method_not_allowed", detail, headers=allowed))
    return problem_response(HttpProblem("invalid", str(error.detail), headers=error.headers))


def _template(request: Request) -> str:
    """The path without whom it is about."""
    path = request.url.path
    for name, value in request.path_params.items():
        path = path.replace(str(value), f"{{{name}}}")
    return path


async def _internal(request: Request, error: Exception) -> Response:
    log.error("%s %s failed: %r", request.method, _template(request), error)  # uvicorn adds the traceback
    return problem_response(HttpProblem("internal", "it has been written to the log; the same request may work later"))
