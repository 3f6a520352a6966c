"""From a contact that is posted to the bundle on the agent's socket, through the whole house: a second is promised."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median, quantiles

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.parts.pace import slowness_since
from tests.parts.processes import PATIENCE_S
from tests.zhiyin.up.house_up import HouseUp

pytestmark = [pytest.mark.requires("redis"), pytest.mark.timeout(150)]

CONTACTS = 60
PROMISED_S = 1.0


def test_a_bundle_is_on_the_socket_within_a_second_of_the_contact(tmp_path: Path) -> None:
    with HouseUp(tmp_path / "var") as house:
        addresses = house.addresses
        began = time.monotonic()
        taken_s = [*_contacts(addresses["http"], addresses["ws"], addresses["write_key"], addresses["desk_token"])]
        promised_s = PROMISED_S * slowness_since(began)
        assert house.interrupt() == 0
    slow = quantiles(taken_s, n=100)[94]  # one of sixty meets whatever else this machine is doing
    assert slow < promised_s, f"median {median(taken_s):.3f} s, p95 {slow:.3f} s of {CONTACTS}"


def _contacts(http: str, ws: str, key: str, token: str) -> list[float]:
    """Seconds from each post to its frame; a policy comes with each, so that there is a need to tell."""
    taken_s: list[float] = []
    with (
        httpx.Client(base_url=http, auth=(key, ""), timeout=120) as client,
        connect(ws, subprotocols=[Subprotocol("zhiyin.desk.v1")]) as socket,
    ):
        socket.send(json.dumps({"type": "connection_init", "token": token}))
        socket.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
        for number in range(CONTACTS):
            policy = {"policy_id": f"p-{number}", "has_beneficiary": False}
            _post(client, number, "Policy Updated", policy)
            contact = {"channel": "phone", "agent_id": "desk-1", "conversation_id": f"k-{number}"}
            began_s = time.perf_counter()
            _post(client, number, "Contact Started", contact)
            codes = _bundle_of(socket, f"latency-{number}")
            taken_s.append(time.perf_counter() - began_s)
            assert codes == ["beneficiary_missing"]
    return taken_s


def _post(client: httpx.Client, number: int, name: str, properties: Mapping[str, object]) -> None:
    event = {"userId": f"latency-{number}", "event": name, "properties": properties}
    assert client.post("/v1/track", json=event).status_code == 200


def _bundle_of(socket: ClientConnection, customer_id: str) -> list[str]:
    """The needs in this customer's bundle, once it comes."""
    while True:
        frame = json.loads(socket.recv(PATIENCE_S))
        event = frame.get("event", {})
        if event.get("type") == "zhiyin.bundle.created" and event["subject"] == customer_id:
            return [need["code"] for need in event["data"]["needs"]]
