import gzip
import json
import lzma
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard

from config import load_catalogue
from operators.records.catalogue import Catalogue
from operators.records.events import Event, read_event
from tests.parts.processes import until
from tests.zhiyin.up.house_up import QUICK
from zhiyin.console.errors import CommandFailure
from zhiyin.processes.supervisor import StopRequest
from zhiyin.simulate.posting import CollectorClient
from zhiyin.simulate.run import SimulationPlan, post_live, write_file


def plan(**more: object) -> SimulationPlan:
    return SimulationPlan(**{"customers": 60, "seed": 4, "duration_ms": 600_000, **more})  # type: ignore[arg-type] # what a test wants to differ


READERS: dict[str, Callable[[Path], bytes]] = {
    "": Path.read_bytes,
    ".gz": lambda path: gzip.decompress(path.read_bytes()),
    ".xz": lambda path: lzma.decompress(path.read_bytes()),
    ".zst": lambda path: zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes()),
}


@pytest.mark.parametrize("suffix", READERS)
def test_a_file_is_the_same_for_the_same_seed_whatever_it_is_packed_in(
    catalogue: Catalogue, tmp_path: Path, suffix: str
) -> None:
    path, plain = tmp_path / f"events.ndjson{suffix}", tmp_path / "plain.ndjson"
    assert write_file(catalogue, plan(), path) == write_file(catalogue, plan(), plain)
    assert READERS[suffix](path) == plain.read_bytes()
    packed = path.read_bytes()
    write_file(catalogue, plan(), path)
    assert path.read_bytes() == packed


def test_each_line_is_an_event_the_decoder_takes_in_order_of_time(catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    count = write_file(catalogue, plan(customers=300), path)
    read = [read_event(line) for line in path.read_bytes().splitlines()]
    assert len(read) == count
    times = [event.timestamp for event in read if isinstance(event, Event) and event.timestamp is not None]
    assert len(times) == count
    assert times == sorted(times)
    assert times[0].isoformat().startswith("2026-01-05T09:")


def test_the_truth_is_written_beside_it(catalogue: Catalogue, tmp_path: Path) -> None:
    truth = tmp_path / "truth.ndjson"
    write_file(catalogue, plan(truth=truth), tmp_path / "events.ndjson")
    documents = [json.loads(line) for line in truth.read_text().splitlines()]
    assert len(documents) == 60
    assert set(documents[0]) == {
        *("customer", "journey", "transaction_id", "broke_off", "reason", "step", "at", "returned", "completed")
    }
    events = (tmp_path / "events.ndjson").read_text()
    assert all(each["transaction_id"] in events for each in documents)
    assert all(f'"timestamp":"{each["at"]}"' in events for each in documents)


def test_twice_the_speed_is_half_the_time(catalogue: Catalogue, tmp_path: Path) -> None:
    def seconds(speed: float) -> float:
        path = tmp_path / "events.ndjson"
        write_file(catalogue, plan(speed=speed), path)
        lines = path.read_bytes().splitlines()
        first, last = (read_event(line) for line in (lines[0], lines[-1]))
        assert isinstance(first, Event)
        assert isinstance(last, Event)
        assert first.timestamp is not None
        assert last.timestamp is not None
        return (last.timestamp - first.timestamp).total_seconds()

    assert seconds(2.0) == pytest.approx(seconds(1.0) / 2, rel=0.01)


def test_a_file_that_cannot_be_written_is_named(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(CommandFailure) as raised:
        write_file(catalogue, plan(), tmp_path / "no" / "events.ndjson")
    assert str(raised.value) == (
        f"--out {tmp_path / 'no' / 'events.ndjson'}: No such file or directory, expected a file that can be written"
    )


class Answers(BaseHTTPRequestHandler):
    """A collector that answers as ``server.answers`` says, the last one for ever, and keeps what it got."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        assert isinstance(server, PostListener)
        server.got.append((self.path, self.headers["Authorization"], body))
        status, headers = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing."""


class PostListener(ThreadingHTTPServer):
    """What listens, and what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.answers: list[tuple[int, dict[str, str]]] = [(200, {})]
        self.got: list[tuple[str, str, dict[str, list[dict[str, object]]]]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def listener() -> Iterator[PostListener]:
    """A real HTTP server that plays the collector."""
    with PostListener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


EVENTS = [{"type": "track", "event": "Transaction Started", "userId": "c-1"}]


def test_a_batch_is_posted_with_its_key_and_the_time_it_was_sent(listener: PostListener) -> None:
    with CollectorClient(f"{listener.url}/", "my-key", lambda _: None, lambda: False) as collector:
        collector.post(EVENTS)
    path, authorization, body = listener.got[0]
    assert (path, authorization) == ("/v1/batch", "Basic bXkta2V5Og==")
    assert body["batch"] == EVENTS
    assert body["sentAt"]
    assert str(collector.posted) == "1 events posted, 0 refused, 0 retries"


def test_a_full_collector_is_asked_again_after_what_it_says(listener: PostListener) -> None:
    listener.answers = [(503, {"Retry-After": "1"}), (429, {}), (200, {})]
    told: list[str] = []
    began = time.monotonic()
    with CollectorClient(listener.url, "my-key", told.append, lambda: False) as collector:
        collector.post(EVENTS)
    assert time.monotonic() - began >= 1.0
    assert str(collector.posted) == "1 events posted, 0 refused, 2 retries"
    assert told[0] == f"collector {listener.url}: HTTP 503 {{}}; asking again"


def test_a_collector_that_is_away_is_asked_until_we_are_stopped() -> None:
    told: list[str] = []
    with CollectorClient("http://127.0.0.1:1", "my-key", told.append, lambda: len(told) > 1) as collector:
        collector.post(EVENTS)
    assert (
        told[0] == "collector http://127.0.0.1:1: ConnectionRefusedError: [Errno 111] Connection refused; asking again"
    )
    assert collector.posted.taken == 0


def test_what_is_refused_for_good_is_counted_and_said(listener: PostListener) -> None:
    listener.answers = [(400, {})]
    told: list[str] = []
    with CollectorClient(listener.url, "my-key", told.append, lambda: False) as collector:
        collector.post(EVENTS)
    assert collector.posted.refused == 1
    assert told == [f"collector {listener.url}: 1 events refused: HTTP 400 {{}}"]


def test_a_key_it_does_not_know_ends_it(listener: PostListener) -> None:
    listener.answers = [(401, {})]
    with (
        CollectorClient(listener.url, "my-key", lambda _: None, lambda: False) as collector,
        pytest.raises(CommandFailure) as raised,
    ):
        collector.post(EVENTS)
    assert str(raised.value) == (
        f"collector {listener.url}: write key refused (HTTP 401), expected one it knows; "
        "give --write-key the key 'zhiyin up' prints"
    )


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "", "http://x:port"])
def test_an_address_that_is_none_is_said(url: str) -> None:
    with pytest.raises(CommandFailure) as raised:
        CollectorClient(url, "my-key", lambda _: None, lambda: False)
    assert str(raised.value) == (
        f"collector: found {url!r}, expected http://HOST:PORT; give --to the URL 'zhiyin up' prints"
    )


def test_live_events_are_posted_when_their_time_has_come(listener: PostListener) -> None:
    quick = load_catalogue(QUICK)
    began = time.time()
    with CollectorClient(listener.url, "my-key", lambda _: None, lambda: False) as collector:
        post_live(quick, plan(customers=8, duration_ms=100_000, speed=200.0), collector, StopRequest())
    posted = [event for _, _, body in listener.got for event in body["batch"]]
    assert len(posted) == collector.posted.taken
    assert len({event["userId"] for event in posted}) == 8
    times = [read_event(json.dumps(event).encode()) for event in posted]
    assert all(isinstance(event, Event) and event.timestamp is not None for event in times)
    last = max(event.timestamp.timestamp() for event in times if isinstance(event, Event) and event.timestamp)
    assert began <= last <= time.time()


def test_a_live_stream_goes_on_until_it_is_stopped(listener: PostListener) -> None:
    stop = StopRequest()
    endless = plan(customers=20, duration_ms=1_000, speed=100.0, rounds=0)
    with CollectorClient(listener.url, "my-key", lambda _: None, lambda: bool(stop)) as collector:
        thread = threading.Thread(target=post_live, args=(load_catalogue(QUICK), endless, collector, stop))
        thread.start()
        until(lambda: collector.posted.taken > 500)
        stop.ask()
        thread.join(120)
        assert not thread.is_alive()
