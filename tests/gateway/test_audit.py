"""Every view of a hint leaves a line: pushed, looked up, listed; over the wire, with a real Redis."""

import json
import time

import httpx
import pytest
from websockets.sync.client import connect as connect_websocket
from websockets.typing import Subprotocol

from gateway.audit import WAITING, Auditor
from gateway.tokens import Token
from operators.masking import masked
from state import keys
from state.audit import AuditTrail, Seen, View, read_trail
from state.connections import StoreUnavailable, connect, connect_async
from state.hints import RedisHintStore
from tests.flows.engine_process import until
from tests.gateway.running import SECRET, RunningGateway, agent, chatbot
from tests.state.houses import make_hint
from zhiyin.command_line import main

ANNA = masked("anna", SECRET.encode())


def told(gateway: RunningGateway, *names: str) -> None:
    """Hints of anna's on the first desk."""
    now_ms = round(time.time() * 1000)
    with connect(gateway.settings.redis_url or "") as client:
        store = RedisHintStore(client, lambda: now_ms)
        for name in names:
            store.tell(make_hint(name, created_at_ms=now_ms, expires_at_ms=now_ms + 600_000), "desk-1")


def trail(gateway: RunningGateway) -> list[Seen]:
    with connect(gateway.settings.redis_url or "") as client:
        return list(read_trail(client))


def views(gateway: RunningGateway) -> list[tuple[str, str, str, str, str]]:
    return [(each.role, each.who, each.how, each.hint_id, each.customer) for each in trail(gateway)]


def test_look_ups_and_lists_are_noted_with_the_customer_masked(gateway: RunningGateway) -> None:
    told(gateway, "h1")
    url = gateway.addresses.http
    httpx.get(f"{url}/v1/customers/anna/next-hints", headers=chatbot()).raise_for_status()
    httpx.get(f"{url}/v1/customers/nobody/next-hints", headers=chatbot()).raise_for_status()
    httpx.get(f"{url}/v1/hints", headers=agent()).raise_for_status()
    assert views(gateway) == [("agent", "desk-1", "list", "h1", ANNA), ("chatbot", "bot", "look_up", "h1", ANNA)]
    with connect(gateway.settings.redis_url or "") as client:
        assert b"anna" not in repr(client.xrange(keys.AUDIT.of())).encode()


def test_what_is_pushed_is_noted_a_moment_later(gateway: RunningGateway) -> None:
    token = agent()["Authorization"].removeprefix("Bearer ")
    with connect_websocket(gateway.addresses.ws, subprotocols=[Subprotocol("zhiyin.desk.v1")]) as socket:
        socket.send(json.dumps({"type": "connection_init", "token": token}))
        assert json.loads(socket.recv(10))["type"] == "connection_ack"
        socket.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
        assert json.loads(socket.recv(10))["type"] == "subscribed"
        told(gateway, "h1", "h2")
        until(lambda: len(trail(gateway)) == 2, "two views in the trail")
    assert set(views(gateway)) == {("agent", "desk-1", "push", name, ANNA) for name in ("h1", "h2")}


def test_the_command_lists_and_finds_a_customer_by_id(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told(gateway, "h1", "h2")
    httpx.get(f"{gateway.addresses.http}/v1/hints", headers=agent()).raise_for_status()
    monkeypatch.setenv("REDIS_URL", gateway.settings.redis_url or "")
    monkeypatch.setenv("ZHIYIN_TOKEN_SECRET", SECRET)
    assert main(["audit"]) == 0
    assert f"agent desk-1  list  hint h1 of {ANNA}" in capsys.readouterr().out
    assert main(["audit", "--customer", "anna", "--hint", "h2", "--json"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["customer"] == ANNA
    for nothing in (["--customer", "bert"], ["--who", "desk-9"], ["--limit", "1", "--hint", "h9"]):
        assert main(["audit", *nothing]) == 0
        assert capsys.readouterr().out == ""


class Away(AuditTrail):
    """A store that cannot be written to."""

    def __init__(self) -> None:
        self.written: list[View] = []

    async def write(self, views: object) -> None:
        raise StoreUnavailable("writing the audit trail", "127.0.0.1:1", "gone", "refused", "see that it runs")


async def test_what_cannot_be_noted_is_not_shown_and_what_was_pushed_is_counted() -> None:
    lost: list[int] = []
    auditor = Auditor(Away(), lambda: 1, lost.append)
    token = Token("desk-1", "agent", 9)
    with pytest.raises(StoreUnavailable, match="writing the audit trail"):
        await auditor.shown(token, "list", [{"hint_id": "h1", "customer_id": "anna"}])
    for number in range(WAITING + 2):
        auditor.pushed(token, f"h{number}")
    await auditor.stop()
    assert sum(lost) == WAITING + 2


async def test_a_hint_nobody_knows_any_more_is_noted_without_its_customer(redis_url: str) -> None:
    client = connect_async(redis_url)
    await AuditTrail(client, b"key").write([View(1, "desk-1", "agent", "push", "gone")])
    await client.aclose()
    with connect(redis_url) as reading:
        assert list(read_trail(reading)) == [Seen(1, "desk-1", "agent", "push", "gone", "unknown")]
