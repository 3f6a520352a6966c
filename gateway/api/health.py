"""Is it alive, is it ready: pings by name.

In: a name and a ping for each dependency. Out: ``/live`` (the loop turns) and ``/ready``
(each ping answered within a second; 503 and the reason where one did not).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PING_TIMEOUT_S: Final = 1.0
Probe = Callable[[], Awaitable[object]]


class Health:
    """``/live`` and ``/ready``."""

    def __init__(self, pings: Mapping[str, Probe]) -> None:
        self._pings = pings

    def routes(self) -> list[Route]:
        """Both routes."""
        return [Route("/live", self._live, methods=["GET"]), Route("/ready", self._ready, methods=["GET"])]

    async def _live(self, _: Request) -> Response:
        return _json({"status": "live"}, 200)

    async def _ready(self, _: Request) -> Response:
        answers = await asyncio.gather(*(_pinged(ping) for ping in self._pings.values()))
        ready = all(answer["ok"] for answer in answers)
        document = {
            "status": "ready" if ready else "not ready",
            "dependencies": dict(zip(self._pings, answers, strict=True)),
        }
        return _json(document, 200 if ready else 503)


async def _pinged(ping: Probe) -> dict[str, object]:
    """What one dependency answered, and in how many seconds."""
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(PING_TIMEOUT_S):
            await ping()
    except TimeoutError:
        return {"ok": False, "error": f"no answer within {PING_TIMEOUT_S:g} s"}
    except Exception as error:  # noqa: BLE001 - whatever stops the ping is the answer
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}
    return {"ok": True, "seconds": round(time.perf_counter() - begun, 6)}


def _json(document: object, status: int) -> Response:
    return Response(msgspec.json.encode(document), status, {"Cache-Control": "no-store"}, "application/json")
