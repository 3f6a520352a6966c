"""SIGTERM while everything that could hold the gateway up does: Redis is away, a sender hangs, a desk does not read."""

import json
import socket
import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.gateway.gateway_process import Process
from tests.gateway.running import agent
from tests.parts.pace import slowness_since
from tests.parts.redis_server import RedisServer

LONGEST_S = 10.0


@pytest.fixture
def process(redis_server: RedisServer) -> Iterator[Process]:
    running = Process(redis_server.url)
    yield running
    running.child.kill()
    running.child.communicate()


def test_it_stops_in_time_and_desks_are_told(process: Process, redis_server: RedisServer) -> None:
    http, ws, _ = process.addresses
    host, _, port = http.removeprefix("http://").partition(":")
    with (
        connect(ws, subprotocols=[Subprotocol("zhiyin.desk.v1")]) as desk,
        socket.create_connection((host, int(port)), timeout=120) as sender,
        socket.create_connection((host, int(port)), timeout=120) as idle,
    ):
        desk.send(json.dumps({"type": "connection_init", "token": agent()["Authorization"].removeprefix("Bearer ")}))
        assert json.loads(desk.recv(timeout=120))["type"] == "connection_ack"
        desk.send(json.dumps({"type": "subscribe", "id": "1", "channel": "desk"}))
        assert json.loads(desk.recv(timeout=120))["type"] == "subscribed"
        sender.sendall(b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        redis_server.kill()
        time.sleep(1.0)
        begun = time.monotonic()
        process.child.terminate()
        with pytest.raises(ConnectionClosed) as closed:
            _read_to_the_end(desk)
        assert process.ended()[0] == 0
        assert time.monotonic() - begun < LONGEST_S * slowness_since(begun)
        assert idle.recv(100) == b""
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def _read_to_the_end(desk: ClientConnection) -> None:
    while True:
        desk.recv(timeout=120)
