"""Every view of a hint, bundle or call leaves a line: pushed, looked up, listed; over the wire, with a real Redis."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence

import httpx
import pytest
from websockets.sync.client import connect as connect_websocket
from websockets.typing import Subprotocol

from gateway.auth.tokens import Token
from gateway.services.audit import AGAIN_AFTER_MS, WAITING, Auditor
from operators.support.masking import masked
from state.audit.trail import AuditEntry, AuditTrail, AuditView, ShownItem, read_trail
from state.hints.writer import RedisHintWriter
from state.redis import keys
from state.redis.connections import StoreUnavailable, connect, connect_async
from tests.gateway.api.test_contacts import bundle_now
from tests.gateway.api.test_contacts import tell as tell_bundles
from tests.gateway.api.test_outreach import entry_now, put
from tests.gateway.fixtures import Started
from tests.gateway.running import SECRET, RunningGateway, agent, chatbot
from tests.integration.engine.engine_process import until
from tests.state.houses import make_hint
from zhiyin.cli.main import main

ANNA = masked("anna", SECRET.encode())


def told(gateway: RunningGateway, *names: str, desk: str = "desk-1") -> None:
    """Hints of anna's at a desk."""
    now_ms = round(time.time() * 1000)
    with connect(gateway.settings.redis_url or "") as client:
        store = RedisHintWriter(client, lambda: now_ms)
        for name in names:
            store.place(make_hint(name, created_at_ms=now_ms, expires_at_ms=now_ms + 600_000), desk)


def trail(gateway: RunningGateway) -> list[AuditEntry]:
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


class AwayTrail(AuditTrail):
    """A store that cannot be written to."""

    def __init__(self) -> None:
        self.written: list[AuditView] = []

    async def write(self, views: object) -> None:
        raise StoreUnavailable("writing the audit trail", "127.0.0.1:1", "gone", "refused", "see that it runs")


async def test_what_cannot_be_noted_is_not_shown_and_what_was_pushed_is_counted() -> None:
    lost: list[int] = []
    auditor = Auditor(AwayTrail(), lambda: 1, lost.append)
    token = Token("desk-1", "agent", 9)
    with pytest.raises(StoreUnavailable, match="writing the audit trail"):
        await auditor.shown(token, "list", [{"hint_id": "h1", "customer_id": "anna"}])
    for number in range(WAITING + 2):
        auditor.pushed(token, ShownItem("hint", f"h{number}", "anna"))
    await auditor.stop()
    assert sum(lost) == WAITING + 2


TOKEN = Token("desk-1", "agent", 9)


class Watched(AuditTrail):
    """A trail in Redis that says when a write has failed."""

    has_failed: asyncio.Event

    async def write(self, views: Sequence[AuditView]) -> None:
        try:
            await super().write(views)
        except Exception:
            self.has_failed.set()
            raise


async def test_a_trail_of_another_type_is_mended_and_nothing_is_lost(redis_url: str) -> None:
    client, lost = connect_async(redis_url), list[int]()
    await client.set(keys.AUDIT.of(), "not a stream")
    trail = Watched(client, b"key")
    trail.has_failed = asyncio.Event()
    auditor = Auditor(trail, lambda: 1, lost.append)
    auditor.start()
    auditor.pushed(TOKEN, ShownItem("hint", "h1", "anna"))
    async with asyncio.timeout(20):
        await trail.has_failed.wait()
        auditor.pushed(TOKEN, ShownItem("hint", "h2", "anna"))
        await client.delete(keys.AUDIT.of())
        while await client.xlen(keys.AUDIT.of()) < 2:  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)
    await auditor.stop()
    await client.aclose()
    with connect(redis_url) as reading:
        assert [seen.id for seen in read_trail(reading)] == ["h2", "h1"]
    assert lost == []


async def test_a_trail_of_another_type_at_the_end_is_counted_and_the_end_is_clean(redis_url: str) -> None:
    client, lost, failed = connect_async(redis_url), list[int](), list[str]()
    await client.set(keys.AUDIT.of(), "not a stream")
    auditor = Auditor(AuditTrail(client, b"key"), lambda: 1, lost.append, failed.append)
    auditor.pushed(TOKEN, ShownItem("hint", "h1", "anna"))
    await auditor.stop()
    await client.aclose()
    assert (lost, failed) == ([1], ["audit"])


def failing_tasks(gateway: RunningGateway) -> set[str]:
    return {label.removeprefix('task="').rstrip('"') for label in gateway.metric("zhiyin_background_failures_total")}


def test_a_gateway_over_keys_of_another_type_counts_what_fails_and_goes_on(started: Started, redis_url: str) -> None:
    with connect(redis_url) as client:
        client.set(keys.AWAITED.of(), "not a sorted set")
        client.set(keys.AUDIT.of(), "not a stream")
    running = started(redis_url)
    until(lambda: failing_tasks(running) == {"presence", "retention"}, "failures of presence and retention")
    token = agent()["Authorization"].removeprefix("Bearer ")
    with (
        connect(redis_url) as client,
        connect_websocket(running.addresses.ws, subprotocols=[Subprotocol("zhiyin.desk.v1")]) as socket,
    ):
        client.delete(keys.AWAITED.of())
        socket.send(json.dumps({"type": "connection_init", "token": token}))
        socket.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
        assert [json.loads(socket.recv(10))["type"] for _ in range(2)] == ["connection_ack", "subscribed"]
        told(running, "h1")
        until(lambda: "audit" in failing_tasks(running), "a failure of the audit")
        client.delete(keys.AUDIT.of())
        until(lambda: len(trail(running)) == 1, "the view in the trail")
    assert views(running) == [("agent", "desk-1", "push", "h1", ANNA)]


class Crowded(AuditTrail):
    """A trail during whose first writing more views come than may wait."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.crowd: Callable[[], None] = lambda: None

    async def write(self, views: Sequence[AuditView]) -> None:
        crowd, self.crowd = self.crowd, lambda: None
        crowd()
        self.written += [view.id for view in views]


async def test_each_of_too_many_views_is_noted_or_counted() -> None:
    lost, crowded, count = list[int](), Crowded(), WAITING + 5
    auditor = Auditor(crowded, lambda: 1, lost.append)

    def push(first: int, after: int) -> None:
        for number in range(first, after):
            auditor.pushed(TOKEN, ShownItem("hint", f"h{number}", "anna"))

    push(0, 10)
    crowded.crowd = lambda: push(10, count)
    await auditor.stop()
    assert crowded.written == [f"h{number}" for number in range(count)]
    assert sum(lost) == 5


class KeptTrail(AuditTrail):
    """A trail in a list."""

    def __init__(self) -> None:
        self.written: list[AuditView] = []

    async def write(self, views: Sequence[AuditView]) -> None:
        self.written += views


async def test_an_entry_that_is_listed_for_hours_is_noted_each_hour_and_only_when_it_was_written() -> None:
    now_ms, kept = [0], KeptTrail()
    auditor = Auditor(kept, lambda: now_ms[0], lambda _: None)
    token, entry = Token("desk-1", "agent", 9), {"outreach_id": "o1", "customer_id": "anna"}
    for at_ms in (0, AGAIN_AFTER_MS - 1, AGAIN_AFTER_MS, AGAIN_AFTER_MS + 1):
        now_ms[0] = at_ms
        await auditor.listed(token, [entry])
    assert [view.at_ms for view in kept.written] == [0, AGAIN_AFTER_MS]
    away = Auditor(AwayTrail(), lambda: 1, lambda _: None)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="writing the audit trail"):
            await away.listed(token, [entry])


async def test_what_does_not_say_whom_it_is_about_is_noted_all_the_same(redis_url: str) -> None:
    client = connect_async(redis_url)
    await AuditTrail(client, b"key").write([AuditView(1, "desk-1", "agent", "push", "hint", "gone")])
    await client.aclose()
    with connect(redis_url) as reading:
        assert list(read_trail(reading)) == [AuditEntry(1, "desk-1", "agent", "push", "hint", "gone", "unknown")]
