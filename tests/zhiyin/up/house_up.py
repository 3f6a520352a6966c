"""A real ``zhiyin up`` for a test: started, driven over HTTP and its websocket, stopped, and looked after."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.parts.bound import bound
from tests.parts.machine import ROOT
from tests.parts.processes import PATIENCE_S, marked

QUICK: Final = ROOT / "tests" / "recorded" / "quick.yaml"
ANSWER_WITHIN_S: Final = 120.0


class HouseUp:
    """``zhiyin up --json --port 0`` on the quick catalogue, its state in ``state_dir``; all it said in ``said``."""

    def __init__(self, state_dir: Path, *more: str, environment: Mapping[str, str] | None = None) -> None:
        self.state_dir = state_dir
        self.said: list[str] = []
        self._process = subprocess.Popen(
            bound([sys.executable, "-m", "zhiyin", "up", "--json", "--port", "0", *more]),
            cwd=ROOT,
            env=clean_environment() | {"ZHIYIN_STATE_DIR": str(state_dir)} | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.addresses: dict[str, Any] = json.loads(line) if line else {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._closed()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._process.pid

    def heard(self, words: str) -> bool:
        """Whether a line with ``words`` was said."""
        return any(words in line for line in self.said)

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """Send a signal; the exit code."""
        self._process.send_signal(number)
        return self.ended()

    def kill(self) -> None:
        """End the supervisor as a crash would."""
        self._process.kill()
        self.ended()

    def ended(self) -> int:
        """The exit code, once it has ended."""
        code = self._process.wait(timeout=PATIENCE_S)
        self._closed()
        return code

    def processes(self) -> dict[int, str]:
        """Command lines of what runs with this state folder, by id."""
        return marked(str(self.state_dir))

    def process(self, words: str) -> int:
        """The id of the one process whose command line holds ``words``."""
        [found] = [pid for pid, command in self.processes().items() if words in command]
        return found

    def ready(self) -> bool:
        """Whether the gateway answers that it is ready."""
        try:
            return httpx.get(f"{self.addresses['http']}/ready", timeout=ANSWER_WITHIN_S).is_success
        except httpx.HTTPError:
            return False

    def post(self, *events: dict[str, Any]) -> httpx.Response:
        """Post events in one batch."""
        return httpx.post(
            f"{self.addresses['http']}/v1/batch",
            auth=(self.addresses["write_key"], ""),
            json={"batch": list(events)},
            timeout=ANSWER_WITHIN_S,
        )

    def next_hints(self, customer_id: str) -> httpx.Response:
        """The chatbot's look-up over HTTP."""
        return httpx.get(
            f"{self.addresses['http']}/v1/customers/{customer_id}/next-hints",
            params={"surface": "chatbot"},
            headers={"Authorization": f"Bearer {self.addresses['chatbot_token']}"},
            timeout=ANSWER_WITHIN_S,
        )

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line.rstrip("\n"))

    def _closed(self) -> None:
        self._process.wait(timeout=PATIENCE_S)
        self._listener.join(PATIENCE_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


class DeskClient:
    """A desk's websocket, signed in and subscribed to its own channel."""

    def __init__(self, socket: ClientConnection, token: str) -> None:
        self._socket = socket
        self._send({"type": "connection_init", "token": token})
        assert self._next("connection_ack")
        self._send({"type": "subscribe", "id": "1", "channel": "desk"})
        self.subscribed = self._next("subscribed")

    def event(self, kind: str, customer_id: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next event ``zhiyin.hint.<kind>`` about this customer."""
        give_up = time.monotonic() + within_s
        while True:
            event: dict[str, Any] = self._next("next", give_up - time.monotonic())["event"]
            if event["type"] == f"zhiyin.hint.{kind}" and event["subject"] == customer_id:
                return event

    def _send(self, frame: dict[str, Any]) -> None:
        self._socket.send(json.dumps(frame))

    def _next(self, kind: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        while True:
            frame: dict[str, Any] = json.loads(self._socket.recv(timeout=max(0.0, within_s)))
            if frame["type"] == "ping":
                self._send({"type": "pong"})
            elif frame["type"] == kind:
                return frame


@contextmanager
def desk_of(house: HouseUp) -> Iterator[DeskClient]:
    """The first desk of a running house."""
    with connect(
        house.addresses["ws"], subprotocols=[Subprotocol("zhiyin.desk.v1")], open_timeout=ANSWER_WITHIN_S
    ) as socket:
        yield DeskClient(socket, house.addresses["desk_token"])


def clean_environment() -> dict[str, str]:
    """Our environment without what would change how Zhiyin starts."""
    return {name: value for name, value in os.environ.items() if name != "REDIS_URL" and not name.startswith("ZHIYIN_")}


def event(name: str, customer_id: str, transaction_id: str = "t-1", **more: object) -> dict[str, Any]:
    """One event of a policy loan, as a browser sends it now."""
    return {
        "type": "track",
        "event": name,
        "messageId": uuid.uuid4().hex,
        "userId": customer_id,
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03d}Z",
        "properties": {"journey": "policy_loan", "transaction_id": transaction_id, **more},
    }


def broken_off(customer_id: str, transaction_id: str = "t-1") -> list[dict[str, Any]]:
    """A customer whose face check fails twice, and then silence."""
    return [
        event("Transaction Started", customer_id, transaction_id),
        event("Transaction Step Viewed", customer_id, transaction_id, step="face_check"),
        event("Transaction Step Failed", customer_id, transaction_id, step="face_check", error_code="face_mismatch"),
        event("Transaction Step Failed", customer_id, transaction_id, step="face_check", error_code="face_mismatch"),
    ]
