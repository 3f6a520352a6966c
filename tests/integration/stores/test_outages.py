"""What the stores say, and how soon, while Redis is away, slow, full or starting."""

import asyncio
import os
import shutil
import signal
import socket
import socketserver
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from operators.hints.hint import Retirement
from operators.records.dead_letters import DeadLetter
from operators.records.events import Rejection
from state.bus.protocol import BusUnavailable, OutgoingEvent
from state.bus.redis import RedisBusReader, RedisBusWriter
from state.dead_letters.writer import RedisDeadLetterWriter
from state.facts.stream import RedisFactStream
from state.hints.repository import RedisHintRepository
from state.hints.writer import RedisHintWriter
from state.redis.channels import ChannelOffset
from state.redis.connections import WAIT_TIMEOUT_S, StoreUnavailable, address_of, connect, connect_async
from tests.parts.processes import stop_still
from tests.parts.redis_server import RedisServer, free_port
from tests.state.houses import NOON_MS, make_hint

AT_MOST_S = 3.0
EVENT = OutgoingEvent("anna", 1, b"raw")


async def append_to(url: str) -> BusUnavailable:
    """What appending to this Redis is answered, in time."""
    client = connect_async(url)
    started = time.monotonic()
    with pytest.raises(BusUnavailable) as caught:
        await RedisBusWriter(client, 4, 100).append([EVENT])
    assert time.monotonic() - started < AT_MOST_S
    await client.aclose()
    return caught.value


@contextmanager
def frozen(url: str) -> Iterator[None]:
    """Inside, the server takes connections and answers nothing."""
    with redis.Redis.from_url(url) as client:
        process = int(client.info("server")["process_id"])
    stop_still(process)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


class OneAnswer(socketserver.BaseRequestHandler):
    """Gives one answer to everything."""

    answer: bytes

    def handle(self) -> None:
        while self.request.recv(65_536):
            self.request.sendall(self.answer)


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """The address of a server that gives one answer to everything."""
    handler = type("Handler", (OneAnswer,), {"answer": answer})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"redis://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_nobody_listens() -> None:
    port = free_port()
    error = await append_to(f"redis://:secret@127.0.0.1:{port}")
    assert (error.kind, error.address) == ("gone", f"127.0.0.1:{port}")
    assert str(error).startswith(f"adding to the bus: Redis at 127.0.0.1:{port} is gone (Error ")
    assert str(error).endswith("; see that it runs and that REDIS_URL names it")
    assert "secret" not in str(error)
    assert isinstance(error.__cause__, redis.ConnectionError)


async def test_nobody_takes_the_connection() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        queued = [socket.socket() for _ in range(4)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(address)
        error = await append_to(f"redis://127.0.0.1:{address[1]}")
        for each in queued:
            each.close()
    assert error.kind == "slow"


async def test_no_answer_on_a_new_connection(redis_server: RedisServer) -> None:
    with frozen(redis_server.url):
        error = await append_to(redis_server.url)
    assert error.kind == "slow"
    assert error.advice == "look at its load and at SLOWLOG GET"


async def test_no_answer_on_an_old_connection_then_it_goes_on(redis_server: RedisServer) -> None:
    client = connect_async(redis_server.url)
    writer = RedisBusWriter(client, 4, 100)
    await writer.append([EVENT])
    with frozen(redis_server.url):
        started = time.monotonic()
        answers = await asyncio.gather(*(writer.append([EVENT]) for _ in range(20)), return_exceptions=True)
        assert time.monotonic() - started < AT_MOST_S
    assert {type(answer) for answer in answers} == {BusUnavailable}
    await writer.append([EVENT])
    await client.aclose()


async def test_no_memory_left(any_redis_url: str) -> None:
    with connect(any_redis_url) as client:
        client.config_set("maxmemory", "1")
        try:
            error = await append_to(any_redis_url)
            assert error.kind == "out_of_memory"
            assert "used memory > 'maxmemory'" in error.reason
            assert error.advice == "raise its maxmemory or give it more memory"
            with pytest.raises(StoreUnavailable) as caught:
                RedisHintWriter(client, lambda: NOON_MS).place(make_hint(), "d1")
            assert caught.value.kind == "out_of_memory"
        finally:
            client.config_set("maxmemory", "0")
        assert client.dbsize() == 0


def _try_to_save(client: redis.Redis) -> None:
    client.config_set("save", "3600 1")
    client.bgsave()
    deadline = time.monotonic() + 120
    while client.info("persistence")["rdb_last_bgsave_status"] == "ok":
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_no_disk_left(redis_server: RedisServer, tmp_path: Path) -> None:
    with connect(redis_server.url) as client:
        shutil.rmtree(tmp_path / "redis")
        _try_to_save(client)
        error = await append_to(redis_server.url)
    redis_server.kill()  # in order it would not end before it has saved
    assert error.kind == "disk"
    assert str(error).endswith("; make room on its disk, then see its log")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        (b"-READONLY You can't write against a read only replica.\r\n", "read_only"),
        (b"-BUSY Redis is busy running a script.\r\n", "busy"),
        (b"-NOAUTH Authentication required.\r\n", "refused"),
    ],
)
def test_states_in_which_redis_does_nothing(answer: bytes, kind: str) -> None:
    with saying(answer * 8) as url, connect(url) as client, pytest.raises(BusUnavailable) as caught:
        RedisBusReader(client, 0).length()
    assert caught.value.kind == kind
    assert caught.value.operation == "measuring bus partition 0"


def test_a_wrong_password(redis_server: RedisServer) -> None:
    with connect(redis_server.url) as client:
        client.config_set("requirepass", "right")
    url = redis_server.url.replace("//", "//:wrong@")
    with connect(url) as client, pytest.raises(StoreUnavailable) as caught:
        RedisBusReader(client, 0).length()
    assert caught.value.kind == "refused"
    assert caught.value.advice == "put the right user and password into REDIS_URL"


def _sync_operations(url: str) -> dict[str, Callable[[], object]]:
    client = connect(url)
    store = RedisHintWriter(client, lambda: NOON_MS)
    reader = RedisBusReader(client, 0)
    letter = DeadLetter(b"{", (Rejection("not_json", "$", "'{'", "one JSON object"),), NOON_MS)
    return {
        "writing hints (new)": lambda: store.place(make_hint(), "d1"),
        "writing hints (retired)": lambda: store.retire(Retirement("h1", "anna", "returned", NOON_MS)),
        "writing to zy:facts": lambda: RedisFactStream(client).write([make_hint()]),
        "writing to zy:dead-letters": lambda: RedisDeadLetterWriter(client, "1").write([letter]),
        "reading bus partition 0": lambda: reader.read("0-0", 1),
        "marking bus partition 0 as taken": lambda: reader.taken("1-0"),
        "reading how far bus partition 0 is taken": reader.taken_up_to,
    }


@pytest.mark.parametrize("operation", list(_sync_operations("redis://x")))
def test_every_operation_of_the_engine_says_what_it_was(operation: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        _sync_operations(f"redis://127.0.0.1:{free_port()}")[operation]()
    assert caught.value.operation == operation


@pytest.fixture
async def dead_board() -> AsyncIterator[RedisHintRepository]:
    url = f"redis://127.0.0.1:{free_port()}"
    client, waiting = connect_async(url), connect_async(url, WAIT_TIMEOUT_S)
    yield RedisHintRepository(client, waiting)
    await client.aclose()
    await waiting.aclose()


async def test_every_operation_of_the_gateway_says_what_it_was(dead_board: RedisHintRepository) -> None:
    board = dead_board
    for operation, asked in {
        "reading a customer's hints": board.next_hints("anna", NOON_MS),
        "reading a desk's hints": board.desk_hints("d1", NOON_MS),
        "reading a hint": board.hint("h1"),
        "changing a hint's state": board.change_state("h1", "used", NOON_MS),
        "asking where a channel stands": board.position("chatbot"),
        "reading a channel": board.read("chatbot", 0, 1),
        "waiting on channels": board.wait({"chatbot": ChannelOffset("e", 0)}, 10),
    }.items():
        with pytest.raises(StoreUnavailable) as caught:
            await asked
        assert caught.value.operation == operation


async def test_a_restart_is_felt_at_most_once(redis_server: RedisServer) -> None:
    client = connect_async(redis_server.url)
    writer = RedisBusWriter(client, 1, 100)
    await writer.append([EVENT])
    redis_server.stop()
    with pytest.raises(BusUnavailable):
        await writer.append([EVENT])
    redis_server.start()
    await writer.append([EVENT])
    assert (await writer.fill()).lengths == (2,)
    await client.aclose()


def test_addresses_for_messages() -> None:
    with connect("unix:///run/redis.sock?db=1") as client:
        assert address_of(client) == "/run/redis.sock"
    with connect("redis://user:secret@example.test") as client:
        assert address_of(client) == "example.test:6379"


@pytest.mark.parametrize("make", [connect, connect_async])
def test_no_redis_url(make: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match="must specify one of the following schemes"):
        make("http://localhost")
