"""The pages: files of this package, served as they are.

In: ``GET /``, ``/desk``, ``/chat``, ``/outreach``, ``/static/*``, and ``/page.json``, where a page learns
the port and protocol of the websocket. Out: the files, under a policy that lets a page load from
this host alone and talk to this host and its websocket. Refused: everything else (404).
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.push.frames import PROTOCOL

FOLDER: Final = Path(__file__).parent
PAGES: Final = {
    "/": "index.html",
    "/desk": "desk.html",
    "/chat": "chat.html",
    "/outreach": "outreach.html",
    "/journeys": "journeys.html",
}
PAGE_STYLES: Final = {
    "/journeys": (
        "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
        "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='",
    )
}
"""Style elements that plotly.js makes: an empty one that it fills by itself, and one of its map charts. By hash."""
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+")


class Site:
    """The routes of pages. ``ws_port``: asked at each request, it is known only once the push serves."""

    def __init__(self, ws_port: Callable[[], int]) -> None:
        self._ws_port = ws_port

    def routes(self) -> list[BaseRoute]:
        """One route a page, the static files, and what pages ask first."""
        pages = [Route(path, self._page, methods=["GET"]) for path in PAGES]
        static = Mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")
        return [*pages, Route("/page.json", self._page_settings, methods=["GET"]), static]

    async def _page(self, request: Request) -> Response:
        headers = {"Content-Security-Policy": self._policy(request), "Cache-Control": "no-cache"}
        return FileResponse(FOLDER / PAGES[request.url.path], headers=headers)

    async def _page_settings(self, _: Request) -> Response:
        body = msgspec.json.encode({"ws_port": self._ws_port(), "protocol": PROTOCOL})
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")

    def _policy(self, request: Request) -> str:
        """Scripts and styles from here only; the websocket is on the same host, on a port of its own."""
        host = request.url.hostname or ""
        sockets = ""
        if _HOST.fullmatch(host):
            name = f"[{host}]" if ":" in host else host
            sockets = f" ws://{name}:{self._ws_port()} wss://{name}:{self._ws_port()}"
        styles = " ".join(("'self'", *PAGE_STYLES.get(request.url.path, ())))
        return (
            f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; font-src 'self'; "
            f"connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
