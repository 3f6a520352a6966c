"""The charts of the page ``/journeys``: plotly.js, as its Python package carries it.

In: ``GET /plotly.js``. Out: the file, packed where the browser takes that, to be kept for a day and then asked for
by its tag. Refused: nothing. Nothing is fetched from anywhere else.
"""

import gzip
import zlib
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CACHING: Final = "public, max-age=86400"


def plotly_route() -> Route:
    """``GET /plotly.js``."""
    return Route("/plotly.js", _plotly, methods=["GET"])


async def _plotly(request: Request) -> Response:
    plain, packed, tag = await run_in_threadpool(_file)
    headers = {"Cache-Control": CACHING, "ETag": tag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, headers={**headers, "Content-Encoding": "gzip"}, media_type="text/javascript")
    return Response(plain, headers=headers, media_type="text/javascript")


@cache
def _file() -> tuple[bytes, bytes, str]:
    """Plain, packed, and its tag: read and packed once, when it is first asked for."""
    plain = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return plain, gzip.compress(plain, 6), f'"{len(plain):x}-{hash_of(plain)}"'


def hash_of(content: bytes) -> str:
    """Eight hex digits that change with the content."""
    return f"{zlib.crc32(content):08x}"
