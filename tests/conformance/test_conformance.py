"""Our own gateway, in a process of its own, keeps every promise; a server that does not is found out."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.conformance.__main__ import CASES, SECRET, main
from tests.conformance.case import CaseOutcome, PromiseCase, outcome, table
from tests.conformance.target import BrokenTarget, Target
from tests.gateway.gateway_process import Process
from tests.gateway.running import SECRET as OURS
from tests.parts.redis_server import RedisServer, free_port

pytestmark = [pytest.mark.requires("redis"), pytest.mark.timeout(90)]


class Served:
    """A gateway of ours that can be restarted on the same port."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._port = free_port()
        self._process = self._start()
        self.target = Target(f"ws://127.0.0.1:{self._port}", OURS, redis_url, self.restart)

    async def restart(self) -> None:
        """SIGTERM, and start again."""
        await asyncio.to_thread(self._restart)

    def stop(self) -> None:
        """SIGTERM; it has to end in order."""
        self._process.child.send_signal(signal.SIGTERM)
        status, said = self._process.ended()
        assert status == 0, said

    def _restart(self) -> None:
        self.stop()
        self._process = self._start()

    def _start(self) -> Process:
        return Process(self._redis_url, ws_port=self._port, desk_queue_frames=64)


@pytest.fixture(scope="module")
def served(shared_redis_url: str) -> Iterator[Served]:
    running = Served(shared_redis_url)
    yield running
    running.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.group}: {case.name}")
async def test_our_gateway_keeps_its_promises(case: PromiseCase, served: Served) -> None:
    found = await outcome(case, served.target)
    assert (found.verdict, found.words) == ("ok", "")


def test_every_kind_of_promise_is_tried() -> None:
    groups = {case.group for case in CASES}
    assert groups >= {"init", "auth", "subscribe", "resume", "gap", "two tabs", "slow desk", "expiry", "drain"}
    assert len({(case.group, case.name) for case in CASES}) == len(CASES)


async def test_a_server_that_answers_anything_is_found_out() -> None:
    async def junk(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            async for _ in connection:
                await connection.send(json.dumps({"type": "connection_ack", "subject": "me"}))

    async with serve(junk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        target = Target(f"ws://127.0.0.1:{port}", OURS)
        firsts = [next(case for case in CASES if case.group == group) for group in ("init", "subscribe", "drain")]
        init, subscribe, drain = [await outcome(case, target) for case in firsts]
    assert (init.verdict, subscribe.verdict, drain.verdict) == ("BROKEN", "BROKEN", "not tried")
    assert init.words.startswith("fields: found ['subject', 'type'], expected ['expires_at'")
    assert subscribe.words.endswith("expected 'subscribed'")


def test_the_table_and_the_words() -> None:
    case = CASES[0]
    lines = table([CaseOutcome(case, "ok", "", 0.1), CaseOutcome(case, "not tried", "needs rest", 0.0)]).splitlines()
    assert re.fullmatch(r"init       ok          0.10 s  connection_init is answered .*", lines[0])
    assert lines[1].endswith("   needs rest")
    assert lines[-1] == "1 ok, 0 BROKEN, 1 not tried"
    assert str(BrokenTarget("close code", 1000, 4401)) == "close code: found 1000, expected 4401"


def test_hints_cannot_be_told_without_a_redis() -> None:
    with pytest.raises(RuntimeError, match="found a case that tells hints without one"):
        Target("ws://nowhere", OURS).tell("desk", ["a"])


def test_the_command_needs_the_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(SECRET, raising=False)
    assert main(["ws://127.0.0.1:1"]) == 2
    assert "ZHIYIN_TOKEN_SECRET: found nothing" in capsys.readouterr().err


def test_the_command_says_that_nobody_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], redis_server: RedisServer
) -> None:
    monkeypatch.setenv(SECRET, OURS)
    assert main([f"ws://127.0.0.1:{free_port()}", "--redis", redis_server.url]) == 1
    printed = capsys.readouterr().out
    assert "BROKEN" in printed
    assert "1 not tried" in printed.splitlines()[-1]
