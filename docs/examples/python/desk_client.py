"""A desk of your own: hears the hints of one agent over any break, and says what became of them.

    desk = DeskClient(http="https://zhiyin.example.com", ws="wss://zhiyin.example.com:8081", token=fetch_token)
    desk.on_hints = draw      # all open hints, newest first, whenever one comes or goes
    desk.on_state = light     # "connecting", "live", "stale", "waiting"
    await desk.run()          # until cancelled; raises DeskRefused when trying again is of no use
    ...
    await desk.ack(hint["hint_id"], "shown")   # then "used" or "dismissed", with helpful=True or False

In: the gateway's addresses, a function that fetches a token. Out: open hints and states, by callback. Refused: by the
server, for good: a token of the wrong role, three tokens in a row.

It needs Python 3.11 and ``websockets``; copy it. The protocol: docs/reference/websocket.md
"""

# ruff: noqa: INP001 - one file to copy, not a package

import asyncio
import json
import random
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("zhiyin.desk.v1")
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
ANSWER_WITHIN_S = 10.0
RENEW_BEFORE_S = 60.0
UNAUTHORISED = 4401
HOPELESS = {4400, 4403, 4409}
REFUSALS_IN_A_ROW = 3
ENDINGS = {"zhiyin.hint.retired", "zhiyin.hint.used", "zhiyin.hint.dismissed"}

Frame = dict[str, Any]


class DeskRefused(Exception):
    """The server will not have this desk. ``code``: its close code."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(f"desk: found close code {code} ({reason}), expected to be let in: mend token or client")


class Away(Exception):
    """Not now: try again."""


class DeskClient:
    """One desk. ``token``: fetches a token; it is asked before each connection and before the old one expires."""

    def __init__(self, http: str, ws: str, token: Callable[[], Awaitable[str]]) -> None:
        self.hints: dict[str, Frame] = {}
        self.on_hints: Callable[[list[Frame]], None] = lambda _hints: None
        self.on_state: Callable[[str], None] = lambda _state: None
        self.on_refused: Callable[[str, str], None] = lambda _hint_id, _code: None
        self._http = http
        self._ws = ws
        self._token = token
        self._socket: ClientConnection | None = None
        self._position: Frame | None = None
        self._unsaid: dict[str, Frame] = {}  # acks that are not confirmed: said again after a break, which does no harm
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._attempts = 0
        self._is_live = False

    async def run(self) -> None:
        """Stay connected. Raises DeskRefused."""
        refusals = 0
        while True:
            try:
                self.on_state("connecting")
                await self._connected()
            except ConnectionClosed as closed:
                code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
                refusals = refusals + 1 if code == UNAUTHORISED and not self._is_live else 0
                if code in HOPELESS or refusals == REFUSALS_IN_A_ROW:
                    raise DeskRefused(code, reason) from closed
            except (OSError, InvalidHandshake, TimeoutError, Away):
                pass
            self._is_live = False
            self.on_state("waiting")
            # Full jitter: thousands of desks that lose one server must not come back as one.
            await asyncio.sleep(random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**self._attempts)))  # noqa: S311 - no secret
            self._attempts += 1

    async def ack(self, hint_id: str, state: str, *, helpful: bool | None = None, reason: str | None = None) -> None:
        """Say what became of a hint: ``shown``, ``used`` or ``dismissed``; ``reason``: the code of the true one."""
        frame: Frame = {"type": "ack", "hint_id": hint_id, "state": state}
        opinion: Frame = {"helpful": helpful, "reason": reason}
        self._unsaid[hint_id] = frame | {name: said for name, said in opinion.items() if said is not None}
        if self._is_live:
            await self._say(self._unsaid[hint_id])

    async def _connected(self) -> None:
        async with connect(
            self._ws, subprotocols=[PROTOCOL], compression=None, ping_interval=None, open_timeout=ANSWER_WITHIN_S
        ) as self._socket:
            try:
                await self._say({"type": "connection_init", "token": await self._token()})
                while (acknowledged := await self._hear(ANSWER_WITHIN_S))["type"] != "connection_ack":
                    pass
                self._renew_before(acknowledged["expires_at"])
                await self._subscribe()
                while True:
                    await self._take(await self._hear(2.2 * acknowledged["ping_interval_s"]))
            finally:
                for task in self._tasks:
                    task.cancel()

    async def _say(self, frame: Frame) -> None:
        if self._socket is not None:
            await self._socket.send(json.dumps(frame))

    async def _hear(self, within_s: float) -> Frame:
        if self._socket is None:
            raise Away
        async with asyncio.timeout(within_s):
            frame: Frame = json.loads(await self._socket.recv())
            return frame

    async def _subscribe(self) -> None:
        if self._position is None:
            self._position = await self._load()
        self._number += 1
        await self._say({"type": "subscribe", "id": str(self._number), "channel": "desk", **self._position})

    async def _load(self) -> Frame:
        """All open hints, and where the channel stands: from there on nothing is missed."""
        headers = {"Authorization": f"Bearer {await self._token()}"}
        request = urllib.request.Request(f"{self._http}/v1/hints", headers=headers)  # noqa: S310 - our own address

        def ask() -> Frame:
            with urllib.request.urlopen(request, timeout=ANSWER_WITHIN_S) as answer:  # noqa: S310 - our own address
                found: Frame = json.load(answer)
                return found

        found = await asyncio.to_thread(ask)
        self.hints = {hint["hint_id"]: hint for hint in found["hints"]}
        self._changed()
        return {"epoch": found["epoch"], "offset": found["offset"]}

    async def _take(self, frame: Frame) -> None:
        kind, about = frame["type"], frame.get("id")
        if kind == "ping":
            await self._say({"type": "pong"})
        elif kind == "connection_ack":
            self._renew_before(frame["expires_at"])
        elif kind == "error" and about in self._unsaid:
            self._refused(frame)
        elif about == str(self._number):
            await self._take_subscribed(kind, frame)

    async def _take_subscribed(self, kind: str, frame: Frame) -> None:
        if kind == "subscribed" and frame["recovered"]:
            self._attempts = 0
            self._is_live = True
            self.on_state("live")
            for ack in list(self._unsaid.values()):
                await self._say(ack)
        elif kind == "subscribed" or frame.get("code") == "history_lost":
            await self._start_anew()
        elif kind == "next":
            self._next(frame)
        elif kind in ("stale", "fresh"):
            self.on_state("stale" if kind == "stale" else "live")
        elif kind == "error":
            raise Away

    async def _start_anew(self) -> None:
        """Our place is not there any more: load everything once more, not all desks in the same instant."""
        self._is_live = False
        self._position = None
        await self._say({"type": "complete", "id": str(self._number)})
        await asyncio.sleep(random.random())  # noqa: S311 - no secret
        await self._subscribe()

    def _next(self, frame: Frame) -> None:
        event = frame["event"]
        data = event["data"]
        self._position = {"epoch": (self._position or {})["epoch"], "offset": frame["offset"]}
        if not event["type"].startswith("zhiyin.hint."):
            return
        if self._unsaid.get(data["hint_id"], {}).get("state") == data.get("state"):
            self._unsaid.pop(data["hint_id"], None)
        if event["type"] == "zhiyin.hint.created":
            self.hints[data["hint_id"]] = data
        elif event["type"] in ENDINGS:
            self._forget(data["hint_id"])
        self._changed()

    def _forget(self, hint_id: str) -> None:
        self.hints.pop(hint_id, None)
        self._unsaid.pop(hint_id, None)

    def _changed(self) -> None:
        now = datetime.now(UTC)
        open_hints = [hint for hint in self.hints.values() if datetime.fromisoformat(hint["expires_at"]) > now]
        self.on_hints(sorted(open_hints, key=lambda hint: str(hint["created_at"]), reverse=True))

    def _refused(self, frame: Frame) -> None:
        """An ack changed nothing: for now (said again in a moment) or for good."""
        if frame["temporary"]:
            self._later(1 + 2 * random.random(), lambda: self._say(self._unsaid[frame["id"]]))  # noqa: S311 - no secret
            return
        self._forget(frame["id"])
        self._changed()
        self.on_refused(frame["id"], frame["code"])

    def _renew_before(self, expires_at: str) -> None:
        left_s = (datetime.fromisoformat(expires_at) - datetime.now(UTC)).total_seconds()
        self._later(max(left_s - RENEW_BEFORE_S, left_s / 2), self._renew)

    async def _renew(self) -> None:
        """A new token on the same connection, before the old one is over."""
        await self._say({"type": "connection_init", "token": await self._token()})

    def _later(self, after_s: float, act: Callable[[], Awaitable[None]]) -> None:
        async def wait_and_act() -> None:
            await asyncio.sleep(after_s)
            with suppress(OSError, ConnectionClosed):
                await act()

        task = asyncio.create_task(wait_and_act())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
