"""Real recorded customers, posted through the collector of a running house at 600 times their speed."""

import json
import lzma
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest
import redis
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.integration.engine.engine_process import until
from tests.parts.machine import RECORDED_DATA, ROOT
from tests.zhiyin.up.house_up import HouseUp

SPEED: Final = 600.0
POSTING_S: Final = 12.0
FROM_EVENT: Final = 2_350
QUIET_S: Final = 4.0
HELD_BACK: Final = "zhiyin_hints_held_back_total{"
CATALOGUE: Final = ROOT / "tests" / "recorded" / "online_process.yaml"

pytestmark = [pytest.mark.requires("redis", "recorded_data"), pytest.mark.timeout(120)]


def recorded() -> Iterator[dict[str, Any]]:
    """The recording from a busy morning on."""
    with lzma.open(RECORDED_DATA) as lines:
        for line in islice(lines, FROM_EVENT, None):
            yield orjson.loads(line)


def post_at_speed(house: HouseUp, *, restamped: bool) -> set[str]:
    """Posts for POSTING_S seconds; the customers posted. ``restamped``: with ``sentAt`` on the recording's clock."""
    customers: set[str] = set()
    waiting: list[dict[str, Any]] = []
    events = recorded()
    first = next(events)
    begin = datetime.fromisoformat(first["timestamp"])
    began = time.monotonic()
    with httpx.Client(base_url=house.addresses["http"], auth=(house.addresses["write_key"], "")) as client:
        for event in events:
            due_s = (datetime.fromisoformat(event["timestamp"]) - begin).total_seconds() / SPEED
            if due_s > POSTING_S:
                break
            waiting.append(event)
            customers.add(event["userId"])
            pause_s = began + due_s - time.monotonic()
            if pause_s > 0:
                time.sleep(pause_s)
                body: dict[str, Any] = {"batch": waiting}
                if restamped:
                    body["sentAt"] = (begin + timedelta(seconds=due_s * SPEED)).astimezone(UTC).isoformat()
                assert client.post("/v1/batch", json=body).json()["rejected"] == []
                waiting = []
    return customers


class FrameListener:
    """Reads the desk's frames from the beginning, as a page does: who does not read is sent away."""

    def __init__(self, socket: ClientConnection) -> None:
        self.created: list[dict[str, Any]] = []
        self._socket = socket
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def stop(self) -> None:
        """Reads no more."""
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                frame = json.loads(self._socket.recv(timeout=0.2))
                if frame["type"] == "next" and frame["event"]["type"] == "zhiyin.hint.created":
                    self.created.append(frame["event"]["data"])


def abandoned_in(store: redis.Redis) -> int:
    """How many transactions were told as broken off."""
    facts: Any = store.xrange("zy:facts")
    return sum(orjson.loads(fields[b"e"])["type"] == "zhiyin.transaction.abandoned" for _, fields in facts)


def held_back(house: HouseUp) -> int:
    """How many of them gave no hint."""
    lines = httpx.get(house.addresses["metrics"]["engine"], timeout=120).text.splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(HELD_BACK))


@pytest.mark.parametrize(
    "restamped",
    [pytest.param(True, id="on its own clock", marks=pytest.mark.slow), pytest.param(False, id="as it was stamped")],
)
def test_recorded_customers_put_hints_on_a_desk(tmp_path: Path, restamped: bool) -> None:
    speed = ("--speed", str(SPEED)) if restamped else ()
    with (
        HouseUp(tmp_path / "var", "--catalog", str(CATALOGUE), *speed) as house,
        redis.Redis.from_url(house.addresses["redis"]) as store,
        connect(house.addresses["ws"], subprotocols=[Subprotocol("zhiyin.desk.v1")]) as desk,
    ):
        desk.send(json.dumps({"type": "connection_init", "token": house.addresses["desk_token"]}))
        desk.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
        listener = FrameListener(desk)
        try:
            customers = post_at_speed(house, restamped=restamped)
            counted = -1
            while (abandoned := abandoned_in(store)) != counted:  # until no more are told
                counted = abandoned
                time.sleep(QUIET_S)
            until(
                lambda: len(listener.created) + held_back(house) == abandoned_in(store), "a hint or a why-not for each"
            )
        finally:
            listener.stop()
        assert store.xlen("zy:dead-letters") == 0
        assert house.interrupt() == 0
    assert len(listener.created) >= 10
    assert {hint["customer_id"] for hint in listener.created} <= customers
    assert len({hint["hint_id"] for hint in listener.created}) == len(listener.created)
