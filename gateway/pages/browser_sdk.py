"""``zhiyin.js`` for other people's pages, and a form page of our own that uses it.

In: ``GET /zhiyin.js``; where the setting ``demo_page`` is on also ``GET /demo`` and ``/demo.json``, where that page
learns a write key. Out: the file, with an ETag and an hour of caching, compressed for who takes that; any origin may
load it. Refused: ``/demo`` where it was not asked for (404): it hands out a write key to whoever looks.
"""

import gzip
import hashlib
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.pages.site import FOLDER

FILE: Final = FOLDER / "static" / "sdk" / "zhiyin.js"
CACHING: Final = "public, max-age=3600, stale-while-revalidate=86400"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class BrowserSdk:
    """The routes of the script; of the demo page too where ``demo_write_key`` is given."""

    def __init__(self, demo_write_key: str | None = None) -> None:
        self._demo_write_key = demo_write_key
        self._script = FILE.read_bytes()
        self._zipped = gzip.compress(self._script, 9, mtime=0)
        self._tag = f'"{hashlib.sha256(self._script).hexdigest()[:32]}"'

    def routes(self) -> list[BaseRoute]:
        """One route a file."""
        routes: list[BaseRoute] = [Route("/zhiyin.js", self._sent_script, methods=["GET"])]
        if self._demo_write_key is not None:
            routes += [Route("/demo", self._page, methods=["GET"]), Route("/demo.json", self._key, methods=["GET"])]
        return routes

    async def _sent_script(self, request: Request) -> Response:
        headers = {
            "Cache-Control": CACHING,
            "ETag": self._tag,
            "Vary": "Accept-Encoding",
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if self._tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self._script, headers=headers, media_type="text/javascript")
        headers["Content-Encoding"] = "gzip"
        return Response(self._zipped, headers=headers, media_type="text/javascript")

    async def _page(self, _: Request) -> Response:
        return FileResponse(
            FOLDER / "demo.html", headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        )

    async def _key(self, _: Request) -> Response:
        body = msgspec.json.encode({"write_key": self._demo_write_key})
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")
