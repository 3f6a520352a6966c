"""Every view of a hint, bundle or call leaves a line: pushed, looked up, listed; over the wire, with a real Redis."""

import json
import time
from collections.abc import Sequence

import httpx
import pytest
from websockets.sync.client import connect as connect_websocket
from websockets.typing import Subprotocol

from gateway.auth.tokens import Token
from gateway.services.audit import AGAIN_AFTER_MS, WAITING, Auditor
from operators.support.masking import masked
from state.audit.trail import AuditTrail, Seen, Shown, View, read_trail
from state.hints.store import RedisHintStore
from state.redis import keys
from state.redis.connections import StoreUnavailable, connect, connect_async
from tests.gateway.api.test_contacts import bundle_now
from tests.gateway.api.test_contacts import tell as tell_bundles
from tests.gateway.api.test_outreach import entry_now, put
from tests.gateway.running import SECRET, RunningGateway, agent, chatbot
from tests.integration.engine.engine_process import until
from tests.state.houses import make_hint
from zhiyin.cli.main import main

ANNA = masked("anna", SECRET.encode())


def told(gateway: RunningGateway, *names: str, desk: str = "desk-1") -> None:
    """Hints of anna's at a desk."""
    now_ms = round(time.time() * 1000)
    with connect(gateway.settings.redis_url or "") as client:
        store = RedisHintStore(client, lambda: now_ms)
        for name in names:
            store.tell(make_hint(name, created_at_ms=now_ms, expires_at_ms=now_ms + 600_000), desk)


def trail(gateway: RunningGateway) -> list[Seen]:
    with connect(gateway.settings.redis_url or "") as client:
        return list(read_trail(client))


def views(gateway: RunningGateway) -> list[tuple[str, str, str, str, str]]:
    return [(each.role, each.who, each.how, each.id, each.customer) for each in trail(gateway)]


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
        assert json.loads(socket.recv(120))["type"] == "connection_ack"
        socket.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
        assert json.loads(socket.recv(120))["type"] == "subscribed"
        told(gateway, "h1", "h2")
        until(lambda: len(trail(gateway)) == 2, "two views in the trail")
    assert set(views(gateway)) == {("agent", "desk-1", "push", name, ANNA) for name in ("h1", "h2")}


def test_bundles_are_noted_pushed_looked_up_and_listed(gateway: RunningGateway) -> None:
    token = agent()["Authorization"].removeprefix("Bearer ")
    url = gateway.addresses.http
    with connect_websocket(gateway.addresses.ws, subprotocols=[Subprotocol("zhiyin.desk.v1")]) as socket:
        socket.send(json.dumps({"type": "connection_init", "token": token}))
        socket.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
        assert [json.loads(socket.recv(120))["type"] for _ in range(2)] == ["connection_ack", "subscribed"]
        tell_bundles(gateway, bundle_now())
        until(lambda: ("agent", "desk-1", "push", "b1", ANNA) in views(gateway), "the view in the trail")
    httpx.get(f"{url}/v1/customers/anna/bundle", headers=chatbot()).raise_for_status()
    httpx.get(f"{url}/v1/bundles", headers=agent()).raise_for_status()
    assert httpx.get(f"{url}/v1/customers/bert/bundle", headers=agent()).status_code == 404
    assert {each.kind for each in trail(gateway) if each.id == "b1"} == {"bundle"}
    assert [each for each in views(gateway) if each[3] == "b1"] == [
        ("agent", "desk-1", "list", "b1", ANNA),
        ("chatbot", "bot", "look_up", "b1", ANNA),
        ("agent", "desk-1", "push", "b1", ANNA),
    ]


def test_calls_to_make_first_are_noted_once_a_desk_and_hour(gateway: RunningGateway) -> None:
    put(gateway, entry_now("audited"))
    url = f"{gateway.addresses.http}/v1/outreach"
    for desk in ("desk-1", "desk-1", "desk-2"):
        httpx.get(url, headers=agent(desk)).raise_for_status()
    assert {each.kind for each in trail(gateway)} == {"outreach"}
    assert views(gateway) == [("agent", desk, "list", "audited", ANNA) for desk in ("desk-2", "desk-1")]


def test_the_queue_is_noted_for_whoever_asks_for_it(gateway: RunningGateway) -> None:
    told(gateway, "h1", desk="queue:general")
    httpx.get(f"{gateway.addresses.http}/v1/queue", headers=agent("desk-7")).raise_for_status()
    assert views(gateway) == [("agent", "desk-7", "queue", "h1", ANNA)]


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
    for nothing in (
        ["--kind", "bundle"],
        ["--customer", "bert"],
        ["--who", "desk-9"],
        ["--limit", "1", "--hint", "h9"],
    ):
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
        auditor.pushed(token, Shown("hint", f"h{number}", "anna"))
    await auditor.stop()
    assert sum(lost) == WAITING + 2


class Kept(AuditTrail):
    """A trail in a list."""

    def __init__(self) -> None:
        self.written: list[View] = []

    async def write(self, views: Sequence[View]) -> None:
        self.written += views


async def test_an_entry_that_is_listed_for_hours_is_noted_each_hour_and_only_when_it_was_written() -> None:
    now_ms, kept = [0], Kept()
    auditor = Auditor(kept, lambda: now_ms[0], lambda _: None)
    token, entry = Token("desk-1", "agent", 9), {"outreach_id": "o1", "customer_id": "anna"}
    for at_ms in (0, AGAIN_AFTER_MS - 1, AGAIN_AFTER_MS, AGAIN_AFTER_MS + 1):
        now_ms[0] = at_ms
        await auditor.listed(token, [entry])
    assert [view.at_ms for view in kept.written] == [0, AGAIN_AFTER_MS]
    away = Auditor(Away(), lambda: 1, lambda _: None)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="writing the audit trail"):
            await away.listed(token, [entry])


async def test_what_does_not_say_whom_it_is_about_is_noted_all_the_same(redis_url: str) -> None:
    client = connect_async(redis_url)
    await AuditTrail(client, b"key").write([View(1, "desk-1", "agent", "push", "hint", "gone")])
    await client.aclose()
    with connect(redis_url) as reading:
        assert list(read_trail(reading)) == [Seen(1, "desk-1", "agent", "push", "hint", "gone", "unknown")]
