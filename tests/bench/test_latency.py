import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from bench import latency, struggling
from bench.desk import listening
from bench.house_up import house_up
from bench.latency import Phase
from bench.not_measured import NotMeasured
from bench.posting import Poster, TimedAnswer
from bench.scale import QUICK
from tests.parts.pace import slowness_since

TINY = msgspec.structs.replace(QUICK, rate=50, seconds=2.0)


@pytest.mark.slow
@pytest.mark.requires("redis")
@pytest.mark.timeout(120)
def test_every_event_leads_to_a_frame_and_its_time_is_told() -> None:
    began = time.monotonic()
    figures = {each.name: each for each in latency.measure(TINY)}
    slowest_ms = 10_000 * slowness_since(began)
    assert len(figures) == 4
    for way in ("completion posted -> retired frame", "deadline + lateness -> created frame"):
        half, most = (figures[f"{way}, at 50 events/s, {share}"] for share in ("p50", "p99"))
        assert 0.5 < half.value <= most.value < slowest_ms
        assert most.lowest < most.highest
        assert "100 events, 0 frames missing" in most.note


@pytest.mark.timeout(120)
def test_a_house_that_does_not_come_up_is_said_with_its_words(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("journeys: tea\n", "utf-8")
    with (
        pytest.raises(NotMeasured, match=r"(?s)'zhiyin up' ended with 2: .*wrong\.yaml.*expected one JSON line"),
        house_up(wrong),
    ):
        pytest.fail("it is not up")


def test_says_what_is_missing_and_how_late_the_load_was() -> None:
    timed = [TimedAnswer(0.0, 0.001, 0.011), TimedAnswer(1.0, 1.003, 1.005)]
    says = Phase(timed, [7.0, float("inf")]).says()
    assert says.startswith("2 events, 1 frames missing, largest inf ms")
    assert says.endswith("p99 of the collector's answer 10 ms, of posting late 3 ms")


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"


async def answer_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: list[bytes]) -> None:
    while answers:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.rpartition(b"Content-Length: ")[2]))
        await asyncio.sleep(0.1)
        writer.write(answers.pop(0))
    writer.close()


class TestPoster:
    async def test_counts_from_when_an_event_was_due_not_from_when_it_could_be_sent(self) -> None:
        async with server(lambda r, w: answer_each(r, w, [OK] * 4)) as url, Poster(url, "key", connections=1) as poster:
            requests = [poster.request(b"{}")] * 4
            timed = await poster.post_all(requests, time.perf_counter(), rate=1_000)
        waits_s = [each.answered_s - each.due_s for each in timed]
        assert waits_s == sorted(waits_s)
        assert 0.09 < waits_s[0] < waits_s[-1]
        assert waits_s[-1] > 0.39, "four answers of 0.1 s, one after another"
        assert timed[-1].sent_s - timed[-1].due_s > 0.2

    async def test_a_refusal_ends_the_measurement(self) -> None:
        refusal = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 9\r\n\r\nno such k"
        async with (
            server(lambda r, w: answer_each(r, w, [refusal])) as url,
            Poster(url, "key", connections=1) as poster,
        ):
            with pytest.raises(NotMeasured, match=r"answer 'HTTP/1\.1 401 Unauthorized no such k', expected HTTP 200"):
                await poster.post_all([poster.request(b"{}")], time.perf_counter(), rate=1_000)

    async def test_a_connection_that_is_cut_ends_the_measurement(self) -> None:
        async with (
            server(lambda r, w: answer_each(r, w, [b"HTTP/1.1 2"])) as url,
            Poster(url, "key", connections=1) as poster,
        ):
            with pytest.raises(NotMeasured, match=r"no answer of the collector \(IncompleteReadError"):
                await poster.post_all([poster.request(b"{}")], time.perf_counter(), rate=1_000)


Talk = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def desk_server(talk: Talk) -> AsyncIterator[str]:
    async with serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol("zhiyin.desk.v1")]) as running:
        yield f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}"


async def let_in(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.send('{"type":"connection_ack"}')
    await socket.recv()
    await socket.send('{"type":"subscribed","id":"1"}')


class TestDesk:
    async def test_notes_the_first_frame_of_each_kind_and_customer(self) -> None:
        async def talk(socket: ServerConnection) -> None:
            await let_in(socket)
            await socket.send('{"type":"ping"}')
            assert await socket.recv() == '{"type":"pong"}'
            for subject in ("c-1", "c-2", "c-1"):
                await socket.send(f'{{"type":"next","event":{{"type":"created","subject":"{subject}","data":{{}}}}}}')
            await socket.wait_closed()

        async with desk_server(talk) as url, listening(url, "token") as desk:
            assert await desk.wait_for("created", 2, within_s=5) == 2
            assert list(desk.arrived) == [("created", "c-1"), ("created", "c-2")]
            assert await desk.wait_for("retired", 1, within_s=0.1) == 0

    async def test_says_when_it_is_not_let_in(self) -> None:
        async def talk(socket: ServerConnection) -> None:
            await socket.recv()
            await socket.send('{"type":"error"}')

        async with desk_server(talk) as url:
            with pytest.raises(NotMeasured, match="the desk's frame 'error', expected connection_ack"):
                async with listening(url, "token"):
                    pytest.fail("it was let in")

    async def test_says_when_it_is_closed(self) -> None:
        async def talk(socket: ServerConnection) -> None:
            await let_in(socket)
            await socket.close(1012, "going away")

        async with desk_server(talk) as url, listening(url, "token") as desk:
            with pytest.raises(NotMeasured, match=r"the desk closed: .*1012.*going away.*expected a desk that stays"):
                await desk.wait_for("created", 1, within_s=5)


@pytest.mark.slow
@pytest.mark.requires("redis")
@pytest.mark.timeout(120)
def test_who_struggles_in_a_contact_reaches_the_desk_under_the_load_of_others() -> None:
    tiny = msgspec.structs.replace(TINY, busy_rate=200, struggles_a_second=10)
    began = time.monotonic()
    half, most = struggling.measure(tiny)
    assert 0.5 < half.value <= most.value < 10_000 * slowness_since(began)
    assert "20 events, 0 frames missing" in most.note
