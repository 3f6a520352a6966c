"""Events posted at fixed times, one or a batch a request, whether or not earlier ones have been answered (open loop).

In: requests as bytes, made before. Out: when each was due, sent and answered. It shares the machine with
what it measures, so it is lean: kept-open connections, raw streams, nothing parsed but status and length.
Refused: an answer other than 200 (``NotMeasured``).
"""

import asyncio
import base64
import re
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from bench.not_measured import NotMeasured

CONNECTIONS: Final = 32
TRACK: Final = "/v1/track"
BATCH: Final = "/v1/batch"
_HEAD_ENDS: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_EXCERPT: Final = 200


class TimedAnswer(NamedTuple):
    """One request, in seconds of ``time.perf_counter``."""

    due_s: float
    sent_s: float
    answered_s: float


class HttpConnection:
    """One kept-open connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def post(self, request: bytes) -> None:
        """Send, and read the answer to its end. Raises NotMeasured."""
        try:
            head, body = await self._exchange(request)
        except (OSError, EOFError) as error:
            raise NotMeasured("latency", f"no answer of the collector ({error!r})", "HTTP 200") from error
        if not head.startswith(b"HTTP/1.1 200"):
            found = (head.partition(b"\r\n")[0] + b" " + body[:_EXCERPT]).decode("utf-8", "replace")
            raise NotMeasured("latency", f"the collector's answer {found!r}", "HTTP 200")

    async def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        self._writer.write(request)
        head = await self._reader.readuntil(_HEAD_ENDS)
        length = _LENGTH.search(head)
        return head, await self._reader.readexactly(int(length[1])) if length is not None else b""

    async def close(self) -> None:
        """Done with it."""
        self._writer.close()
        await self._writer.wait_closed()


class Poster:
    """``async with Poster(url, write_key) as poster``: connections to one collector."""

    def __init__(self, url: str, write_key: str, connections: int = CONNECTIONS) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._connections = connections
        self._free: asyncio.Queue[HttpConnection] = asyncio.Queue()
        self._open = AsyncExitStack()
        key = base64.b64encode(f"{write_key}:".encode()).decode()
        self._head = (
            f" HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Basic {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )

    async def __aenter__(self) -> Self:
        for _ in range(self._connections):
            connection = HttpConnection(*await asyncio.open_connection(self._host, self._port))
            self._open.push_async_callback(connection.close)
            self._free.put_nowait(connection)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def request(self, body: bytes, path: str = TRACK) -> bytes:
        """The request that posts one event, or a batch."""
        return f"POST {path}{self._head}{len(body)}\r\n\r\n".encode() + body

    async def post_all(self, requests: Sequence[bytes], begins_s: float, rate: float) -> list[TimedAnswer]:
        """Request ``i`` is due at ``begins_s + i / rate``; all have been answered when this returns."""
        tasks = []
        for index, request in enumerate(requests):
            due_s = begins_s + index / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            tasks.append(asyncio.create_task(self._post(request, due_s)))
        return await asyncio.gather(*tasks)

    async def _post(self, request: bytes, due_s: float) -> TimedAnswer:
        connection = await self._free.get()
        sent_s = time.perf_counter()
        await connection.post(request)
        self._free.put_nowait(connection)
        return TimedAnswer(due_s, sent_s, time.perf_counter())
