"""Real recorded customers, posted through the collector of a running house at 600 times their speed."""

import json
import lzma
import time
from collections.abc import Iterator
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

from tests.machine import RECORDED_DATA, ROOT
from tests.zhiyin.house_up import HouseUp

SPEED: Final = 600.0
POSTING_S: Final = 12.0
FROM_EVENT: Final = 2_350
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


def frames(socket: ClientConnection, within_s: float) -> Iterator[dict[str, Any]]:
    """What comes over the socket until it has been silent for so long."""
    while True:
        try:
            yield json.loads(socket.recv(timeout=within_s))
        except TimeoutError:
            return


@pytest.mark.parametrize("restamped", [True, False], ids=["on its own clock", "as it was stamped"])
def test_recorded_customers_put_hints_on_a_desk(tmp_path: Path, restamped: bool) -> None:
    speed = ("--speed", str(SPEED)) if restamped else ()
    with HouseUp(tmp_path / "var", "--catalog", str(CATALOGUE), *speed) as house:
        with connect(house.addresses["ws"], subprotocols=[Subprotocol("zhiyin.desk.v1")]) as desk:
            desk.send(json.dumps({"type": "connection_init", "token": house.addresses["desk_token"]}))
            desk.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
            customers = post_at_speed(house, restamped=restamped)
            events = [frame["event"] for frame in frames(desk, 4.0) if frame["type"] == "next"]
        with redis.Redis.from_url(house.addresses["redis"]) as store:
            facts: Any = store.xrange("zy:facts")
            letters = store.xlen("zy:dead-letters")
        metrics = httpx.get(house.addresses["metrics"]["engine"]).text
        assert house.interrupt() == 0
    told = [orjson.loads(fields[b"e"]) for _, fields in facts]
    abandoned = [event for event in told if event["type"] == "zhiyin.transaction.abandoned"]
    created = [event["data"] for event in events if event["type"] == "zhiyin.hint.created"]
    assert letters == 0
    assert len(created) >= 10
    assert {hint["customer_id"] for hint in created} <= customers
    assert len({hint["hint_id"] for hint in created}) == len(created)
    held_back = [line.rpartition(" ")[2] for line in metrics.splitlines() if line.startswith(HELD_BACK)]
    assert len(created) + sum(map(float, held_back)) == len(abandoned)
