"""Two SDKs as their makers publish them, pointed at us, deliver."""

import json
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from segment.analytics import Client  # type: ignore[import-untyped]  # published without types

from state.bus.protocol import BusEntry
from tests.gateway.fixtures import Started
from tests.gateway.running import WRITE_KEY, RunningGateway
from tests.parts.bound import bound
from tests.parts.machine import ROOT
from tests.parts.redis_server import RedisServer

SEND: Final = ROOT / "tests" / "node" / "send.mjs"
EVENTS: Final = 250


def by_event(gateway: RunningGateway) -> dict[str, list[tuple[BusEntry, dict[str, Any]]]]:
    found: dict[str, list[tuple[BusEntry, dict[str, Any]]]] = {}
    for entry in gateway.bus():
        event = json.loads(entry.raw)
        found.setdefault(event.get("event") or event["type"], []).append((entry, event))
    return found


def python_sdk(gateway: RunningGateway, errors: list[object], gzip: bool = False) -> Client:
    def failed(error: object, _items: object) -> None:
        errors.append(error)

    return Client(WRITE_KEY, host=gateway.addresses.http, on_error=failed, upload_interval=0.1, gzip=gzip)


@pytest.mark.parametrize("gzip", [False, True])
def test_segment_analytics_python(gateway: RunningGateway, gzip: bool) -> None:
    errors: list[object] = []
    sdk = python_sdk(gateway, errors, gzip=gzip)
    begun = datetime.now(UTC)
    sdk.identify("客户-1", {"plan": "gold"})
    sdk.track("客户-1", "Transaction Started", {"journey": "policy_loan", "transaction_id": "t-1"}, timestamp=begun)
    sdk.page("客户-1", "loan", "apply")
    sdk.alias("visitor", "客户-1")
    sdk.group("客户-1", "household")
    sdk.screen("客户-1", "app", "home")
    for number in range(EVENTS):
        sdk.track(f"c-{number}", "Policy Viewed", {"number": number})
    sdk.shutdown()
    found = by_event(gateway)
    assert errors == []
    assert {name: len(events) for name, events in found.items()} == {
        "identify": 1,
        "Transaction Started": 1,
        "page": 1,
        "alias": 1,
        "group": 1,
        "screen": 1,
        "Policy Viewed": EVENTS,
    }
    entry, event = found["Transaction Started"][0]
    assert entry.customer_id == "客户-1"
    assert event["properties"] == {"journey": "policy_loan", "transaction_id": "t-1"}
    assert abs(entry.time_ms - begun.timestamp() * 1000) < 2_000
    assert len({event["messageId"] for _, event in found["Policy Viewed"]}) == EVENTS


def test_the_python_sdk_is_told_which_key_is_wrong(gateway: RunningGateway) -> None:
    errors: list[Any] = []
    sdk = Client("another", host=gateway.addresses.http, on_error=lambda error, _: errors.append(error))
    sdk.track("c-1", "Policy Viewed")
    sdk.shutdown()
    assert [error.status for error in errors] == [401]
    assert gateway.bus() == []


def test_the_python_sdk_comes_back_after_redis_was_away(started: Started, redis_server: RedisServer) -> None:
    gateway = started(redis_server.url)
    errors: list[object] = []
    redis_server.stop()
    sdk = python_sdk(gateway, errors)
    sdk.track("c-1", "Policy Viewed")
    time.sleep(0.5)
    redis_server.start()
    deadline = time.monotonic() + 120
    while not gateway.bus() and time.monotonic() < deadline:
        time.sleep(0.1)
    sdk.shutdown()
    assert [entry.customer_id for entry in gateway.bus()] == ["c-1"]
    assert errors == []


@pytest.mark.slow
def test_segment_analytics_node(gateway: RunningGateway, node_packages: Path, tmp_path: Path) -> None:
    script = node_packages / "send.mjs"
    shutil.copy(SEND, script)
    command = ["node", str(script), gateway.addresses.http, WRITE_KEY, str(EVENTS)]
    answer = subprocess.run(bound(command), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
    found = by_event(gateway)
    assert {name: len(events) for name, events in found.items()} == {
        "identify": 1,
        "Transaction Started": 1,
        "page": 1,
        "Policy Viewed": EVENTS,
    }
    entry, event = found["Transaction Started"][0]
    assert entry.customer_id == "客户-1"
    assert event["properties"]["journey"] == "policy_loan"
    assert abs(entry.time_ms - time.time() * 1000) < 20_000
