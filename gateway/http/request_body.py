"""Reads a request's body within its limit.

In: a request, plain or ``Content-Encoding: gzip``. Out: its bytes. Refused, as a
``HttpProblem``: more than the limit (counted after unpacking, and unpacked no further than
that), a body that is no whole gzip stream, another encoding, one that takes longer than
30 s, one that ends before it is complete.
"""

import asyncio
import zlib
from collections.abc import Mapping
from typing import Final

from starlette.requests import ClientDisconnect, Request

from gateway.http.problems import ErrorDetail, HttpProblem

BODY_TIMEOUT_S: Final = 30.0
DRAIN_BYTES: Final = 4 * 1024 * 1024
"""Read and thrown away of a body that is too big, so that the sender is still there to hear why."""
HANG_UP: Final = {"Connection": "close"}
"""For an answer to a body that nobody reads to its end."""
_GZIP_WINDOW: Final = 31


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The body, unpacked. Raises HttpProblem."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        wrong = ErrorDetail("Content-Encoding", encoding[:40], "gzip or none")
        raise HttpProblem("unsupported_encoding", str(wrong.expected), [wrong], {"Accept-Encoding": "gzip"})
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await _received(request, limit_bytes)
    except TimeoutError as error:
        detail = f"the body was not complete after {BODY_TIMEOUT_S:.0f} s"
        raise HttpProblem("too_slow", detail, headers=HANG_UP) from error
    except ClientDisconnect as error:
        raise HttpProblem("interrupted", "the connection closed before the body was complete") from error
    return unpacked(body, limit_bytes) if encoding == "gzip" else body


async def _received(request: Request, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit_bytes:
            chunks.append(chunk)
        elif size > DRAIN_BYTES:
            break
    if size > limit_bytes:
        length = request.headers.get("content-length", f"at least {size}")
        raise too_big(f"{length} bytes", limit_bytes, HANG_UP if size > DRAIN_BYTES else {})
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def unpacked(body: bytes, limit_bytes: int) -> bytes:
    """The content of one gzip stream, at most ``limit_bytes`` of it. Raises HttpProblem."""
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = unpacker.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise _no_gzip(str(error)) from error
    if len(content) > limit_bytes:
        raise too_big(f"more than {limit_bytes} bytes after unpacking {len(body)}", limit_bytes)
    if not unpacker.eof:
        raise _no_gzip(f"a stream that is not complete after {len(body)} bytes")
    if unpacker.unused_data:
        raise _no_gzip(f"{len(unpacker.unused_data)} bytes after its end")
    return content


def too_big(found: str, limit_bytes: int, headers: Mapping[str, str] | None = None) -> HttpProblem:
    """The answer to a request of more than ``limit_bytes``."""
    wrong = ErrorDetail("$", found, f"at most {limit_bytes} bytes a request")
    return HttpProblem(
        "too_big", f"the request has {found}, {wrong.expected} are taken: send smaller batches", [wrong], headers
    )


def _no_gzip(found: str) -> HttpProblem:
    return HttpProblem("invalid", f"the body is no gzip stream: {found}", [ErrorDetail("$", found, "one gzip stream")])
