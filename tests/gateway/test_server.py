import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from config import ConfigurationError
from config.settings.load import variable_of
from gateway.server import CannotListen, check_settings, listening_socket, serve
from state.redis.connections import connect as redis_client
from tests.gateway.events_made import event_json
from tests.gateway.fixtures import Started
from tests.gateway.gateway_process import Process
from tests.gateway.running import WRITE_KEY, RunningGateway, gateway_settings
from tests.integration.engine.engine_process import until
from tests.parts.pace import slowness_since
from tests.parts.redis_server import RedisServer, free_port

PORT_SETTINGS: Final = ("http_port", "ws_port", "gateway_metrics_port")

HEAD = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
READS_ON = b"HTTP/1.1 100 Continue"
"""What the gateway answers as it begins to read a body."""


@pytest.fixture
def process(redis_url: str) -> Iterator[Process]:
    running = Process(redis_url)
    yield running
    running.child.kill()
    running.child.communicate()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_in_order(process: Process, number: signal.Signals) -> None:
    http, ws, metrics = process.addresses
    assert httpx.get(f"{http}/ready").json()["status"] == "ready"
    with connect(ws, subprotocols=["zhiyin.desk.v1"]) as desk:  # type: ignore[list-item]  # plain text is what it takes
        begun = time.monotonic()
        process.child.send_signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            desk.recv(timeout=120)
        assert process.ended() == (0, "")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert time.monotonic() - begun < 10 * slowness_since(begun)
    for url in (http, metrics):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)


def takes_no_more(host: str, port: int) -> bool:
    """Whether the gateway has begun to stop."""
    try:
        socket.create_connection((host, port), timeout=120).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_request_under_way_is_finished_before_the_end(process: Process) -> None:
    host, _, port = process.addresses[0].removeprefix("http://").partition(":")
    body = event_json(writeKey=WRITE_KEY)
    with socket.create_connection((host, int(port)), timeout=120) as sender:
        sender.sendall(HEAD % len(body))
        assert sender.recv(100).startswith(READS_ON)
        sender.sendall(body[:10])
        process.child.terminate()
        until(lambda: takes_no_more(host, int(port)), "the stop")
        sender.sendall(body[10:])
        assert sender.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert process.ended() == (0, "")


def test_a_sender_that_never_ends_does_not_hold_the_end_up(process: Process) -> None:
    host, _, port = process.addresses[0].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=120) as sender:
        sender.sendall(HEAD % 10)
        assert sender.recv(100).startswith(READS_ON)
        sender.sendall(b"{")
        begun = time.monotonic()
        process.child.terminate()
        assert process.ended()[0] == 0
        assert time.monotonic() - begun < 10 * slowness_since(begun)


@pytest.mark.parametrize("setting", PORT_SETTINGS)
def test_a_port_in_use_is_one_clear_line(redis_url: str, taken_port: int, setting: str) -> None:
    code, errors = Process(redis_url, **{setting: taken_port}).ended()
    assert code == 1
    (line,) = errors.splitlines()
    assert line.startswith(f"gateway: {setting}: found port {taken_port} on 127.0.0.1 not to be had (")
    assert f"or set {variable_of(setting)} to another port (0: any free one)" in line


@pytest.mark.parametrize("setting", PORT_SETTINGS)
async def test_what_was_started_before_is_stopped_again(redis_url: str, taken_port: int, setting: str) -> None:
    ports = {name: free_port() for name in PORT_SETTINGS} | {setting: taken_port}
    with pytest.raises(CannotListen) as caught:
        await serve(gateway_settings(redis_url, **ports))
    assert (caught.value.setting, caught.value.port, caught.value.host) == (setting, taken_port, "127.0.0.1")
    for name in PORT_SETTINGS:
        if name != setting:
            listening_socket("127.0.0.1", ports[name]).close()


def test_an_address_that_is_none() -> None:
    code, errors = Process("redis://127.0.0.1:1/0", host="no.such.host.invalid").ended()
    assert code == 1
    assert "gateway_metrics_port: found port 0 on no.such.host.invalid not to be had" in errors


def test_settings_that_lack_something_are_named_all_at_once() -> None:
    settings = gateway_settings(None, write_keys=(), token_secret="short")
    with pytest.raises(ConfigurationError) as caught:
        check_settings(settings)
    text = str(caught.value)
    assert "REDIS_URL" in text
    assert "ZHIYIN_WRITE_KEYS" in text
    assert "found 5 bytes, expected at least 32 random bytes" in text


def test_redis_gone_at_the_start(redis_server: RedisServer) -> None:
    redis_server.stop()
    running = RunningGateway(gateway_settings(redis_server.url))
    try:
        unready = running.http.get("/ready")
        assert (unready.status_code, unready.json()["status"]) == (503, "not ready")
        assert "Connect call failed" in unready.json()["dependencies"]["redis"]["error"]
        assert running.http.get("/live").status_code == 200
        assert running.http.post("/v1/track", content=event_json()).status_code == 503
        redis_server.start()
        assert running.http.post("/v1/track", content=event_json()).status_code == 200
        assert running.http.get("/ready").json()["dependencies"]["redis"]["ok"] is True
        assert len(running.bus()) == 1
    finally:
        running.stop()


async def test_serve_ends_when_its_task_is_cancelled(redis_url: str) -> None:
    ready = asyncio.Event()
    task = asyncio.create_task(serve(gateway_settings(redis_url), lambda _: ready.set()))
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_ipv6_addresses_are_written_as_urls_are(redis_url: str) -> None:
    try:
        listening_socket("::1", 0).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    running = RunningGateway(gateway_settings(redis_url, host="::1"))
    try:
        assert running.addresses.http.startswith("http://[::1]:")
        assert running.http.get("/live").status_code == 200
    finally:
        running.stop()


def test_what_was_kept_long_enough_is_gone_soon_after_the_start(started: Started, redis_url: str) -> None:
    with redis_client(redis_url) as client:
        client.xadd("zy:facts", {"e": "{}"}, id="1-0")
        client.xadd("zy:facts", {"e": "{}"})
        started(redis_url)
        until(lambda: client.xlen("zy:facts") == 1, "the old fact to go")
