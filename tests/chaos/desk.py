"""A real desk: a websocket that comes back with its epoch and offset whenever it is cut off."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.streams import at_ms_of

COME_BACK_S: Final = 0.1
LISTEN_S: Final = 0.5
LOOKED_UP_MS: Final = 500
"""A gateway looks up which hints have ended right after it has let a desk in again."""


class Place(NamedTuple):
    """Where the desk stands in its channel."""

    epoch: str
    offset: int


class ChaosDesk:
    """Listens inside its ``with``.

    ``events``: what it was told; ``connections``: how often it was let in; ``faults``: what must not be: an offset
    that does not grow, a place that was not found again. ``left_out``: hints that ended while the desk was away; then
    only their end is told (docs/reference/websocket.md, "Coming back").
    """

    def __init__(self, url: Callable[[], str], token: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.connections = 0
        self.left_out: set[str] = set()
        self._announced: set[str] = set()
        self._came_back_ms = 0
        self._url = url
        self._token = token
        self._place: Place | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="desk")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    @property
    def offset(self) -> int:
        """Of the last event it was told."""
        return self._place.offset if self._place is not None else -1

    def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(WebSocketException, InvalidHandshake, OSError, TimeoutError):
                self._listen()
            time.sleep(COME_BACK_S)

    def _listen(self) -> None:
        with connect(
            self._url(), subprotocols=[Subprotocol("zhiyin.desk.v1")], open_timeout=3, close_timeout=1
        ) as socket:
            _say(socket, type="connection_init", token=self._token)
            place = {} if self._place is None else self._place._asdict()
            _say(socket, type="subscribe", id="1", channel="desk", **place)
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    if not self._hear(socket, json.loads(socket.recv(timeout=LISTEN_S))):
                        return

    def _hear(self, socket: ClientConnection, frame: dict[str, Any]) -> bool:
        """Whether to listen on."""
        match frame["type"]:
            case "ping":
                _say(socket, type="pong")
            case "subscribed":
                self._subscribed(frame)
            case "next":
                self._told(frame)
            case "error":
                if frame["code"] != "unavailable":
                    self.faults.append(f"error {frame['code']}: {frame['message']}")
                return False
        return True

    def _subscribed(self, frame: dict[str, Any]) -> None:
        self.connections += 1
        if self._place is None:
            self._place = Place(frame["epoch"], frame["offset"])
        elif not frame["recovered"]:
            self.faults.append(f"came back with {self._place}, and found {frame['epoch']} {frame['offset']}")
            self._place = Place(frame["epoch"], frame["offset"])
        else:
            self._came_back_ms = time.time_ns() // 1_000_000

    def _told(self, frame: dict[str, Any]) -> None:
        assert self._place is not None
        if frame["offset"] <= self._place.offset:
            self.faults.append(f"offset {frame['offset']} after {self._place.offset}")
        self._place = self._place._replace(offset=frame["offset"])
        self.events.append(frame["event"])
        if frame["event"]["type"] == "zhiyin.hint.created":
            self._announced.add(frame["event"]["data"]["hint_id"])
        elif may_be_unannounced(frame["event"], self._came_back_ms):
            self.left_out |= {frame["event"]["data"]["hint_id"]} - self._announced


def may_be_unannounced(event: Mapping[str, Any], came_back_ms: int) -> bool:
    """Whether it is the end of a hint, so early that the desk need not have been told of its beginning."""
    is_end = event["type"] == "zhiyin.hint.retired"
    return is_end and at_ms_of(event["time"]) <= came_back_ms + LOOKED_UP_MS


def _say(socket: ClientConnection, **frame: object) -> None:
    socket.send(json.dumps(frame))
