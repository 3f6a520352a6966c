"""What desks cost one gateway, and how soon they hear: a real gateway and Redis, beside a bare ``websockets`` server.

In: how many desks, at what rate. Out: memory a desk, percentiles from just before an entry is written to its frame on
the desk's socket, the same beside a desk that does not read, all desks cut at once, connections reset while hints come.
Desks, teller, Redis and servers share the machine. Refused: desks that are not let in (``NotMeasured``).
"""

import asyncio
import gc
import math
import os
import random
import secrets
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import psutil

from bench.figures import Aim, Figure, figure, number, percentile
from bench.inputs import ROOT
from bench.not_measured import NotMeasured
from bench.scale import Scale
from bench.swarm import Swarm, masked
from bench.teller import PublishedHints, desk_name
from gateway.auth.tokens import issue_token
from tests.chaos.program import Program
from tests.parts.redis_server import RedisServer, free_port
from zhiyin.processes.parent_death import bound_command

MEMORY: Final = Aim(at_most=20.0)
HALF: Final = Aim(at_most=2.0)
MOST: Final = Aim(at_most=20.0)
BACK: Final = Aim(at_most=30.0)
NOTHING: Final = Aim(at_most=0.0)
A_LINE_A_DROP: Final = Aim(at_most=1.0)
TOKEN_SECRET: Final = secrets.token_hex(32)
ROUNDS: Final = 2
LONG_EVERY: Final = 10
RESET_DESKS: Final = 200
_ARRIVES_WITHIN_S: Final = 60.0
_KB: Final = 1024


class PushSide(msgspec.Struct, frozen=True):
    """One server that is measured. ``kb``: a desk."""

    name: str
    kind: str
    swarm: Swarm
    kb: float


class Bench:
    """Redis, both servers, and how hints are told; use ``running``."""

    def __init__(self, redis_url: str, gateway: Program, gateway_port: int, bare_pid: int, bare_port: int) -> None:
        self.gateway = gateway
        self.gateway_url = f"ws://127.0.0.1:{gateway_port}"
        self.bare_url = f"ws://127.0.0.1:{bare_port}"
        self._redis_url = redis_url
        self._bare_pid = bare_pid
        self._phases = 0

    async def opened(self, kind: str, desks: int) -> PushSide:
        """All desks of one server, and what they cost it."""
        is_bare = kind == "bare"
        pid = self._bare_pid if is_bare else _gateway_pid()
        tokens = [desk_name(each) if is_bare else token(each) for each in range(desks)]
        swarm = Swarm(self.bare_url if is_bare else self.gateway_url, tokens)
        before = _resident(pid)
        await swarm.open()
        gc.collect()
        gc.freeze()  # or this process would stop to look through its desks, and the server be blamed
        await asyncio.sleep(1)
        return PushSide("bare server" if is_bare else "gateway", kind, swarm, (_resident(pid) - before) / desks / _KB)

    async def told(self, kind: str, rate: int, count: int, desks: int, long: int = 0) -> list[PublishedHints]:
        """Tell so many hints, and wait until they are told."""
        self._phases += 1
        words = [self._redis_url, kind, f"p{self._phases}", *map(str, (rate, count, desks, long))]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.teller", *words, cwd=ROOT, stdout=subprocess.PIPE, limit=1 << 26
        )
        printed, _ = await process.communicate()
        if process.returncode != 0:
            raise NotMeasured("push", f"a teller that ended with {process.returncode}", "0")
        return msgspec.json.decode(printed, type=list[PublishedHints])


def measure(scale: Scale) -> Iterator[Figure]:
    """All figures, in one run."""
    yield from asyncio.run(_measured(scale))


async def _measured(scale: Scale) -> list[Figure]:
    async with running() as bench:
        bare = await bench.opened("bare", scale.push_desks)
        side = await bench.opened("gateway", scale.push_desks)
        figures = [_memory(side, bare, scale), *await _latency(bench, (bare, side), scale)]
        await bare.swarm.close()
        figures += await _deaf(bench, side, scale)
        figures += await _storm(bench, side, scale)
        figures += await _resets(bench, side, scale)
        await side.swarm.close()
    return figures


def _memory(side: PushSide, bare: PushSide, scale: Scale) -> Figure:
    note = f"the bare server: {number(bare.kb)} KB"
    return figure(f"memory of the gateway a desk, {scale.push_desks:,} desks", [side.kb], "KB", MEMORY, note)


async def _latency(bench: Bench, sides: Sequence[PushSide], scale: Scale) -> list[Figure]:
    """Both sides in turns; the gateway's figures with the bare server's beside them."""
    taken: dict[str, list[list[float]]] = {each.kind: [] for each in sides}
    count = round(scale.push_rate * scale.push_seconds)
    for _ in range(ROUNDS):
        for side in sides:
            told = await bench.told(side.kind, scale.push_rate, count, scale.push_desks)
            taken[side.kind].append(await _arrivals_ms(side.swarm, told))
    figures = []
    for share, aim in ((0.5, HALF), (0.99, MOST)):
        bare = percentile([each for run in taken["bare"] for each in run], share)
        spread = [percentile(run, share) for run in taken["gateway"]]
        missing = sum(math.isinf(each) for run in taken["gateway"] for each in run)
        name = f"stream entry -> frame at {scale.push_rate:,}/s over {scale.push_desks:,} desks, p{100 * share:g}"
        note = f"the bare server: {number(bare)} ms; {missing} frames missing of {count * ROUNDS:,}"
        figures.append(figure(name, spread, "ms", aim, note))
    return figures


async def _deaf(bench: Bench, side: PushSide, scale: Scale) -> list[Figure]:
    """The same without and with a desk that does not read what is told to it."""
    count = round(scale.push_rate * scale.push_seconds)
    desks = max(2, scale.push_desks // 50)
    p99 = []
    async with AsyncExitStack() as opened:
        for is_there in (False, True):
            if is_there:
                opened.enter_context(_deaf_desk(bench.gateway_url, token(0)))
            told = await bench.told(side.kind, scale.push_rate, count, desks, LONG_EVERY)
            others = [each for each in told if each.desk != 0]
            p99.append(percentile(await _arrivals_ms(side.swarm, others), 0.99))
    note = f"p99 of the others without it {number(p99[0])} ms, with it {number(p99[1])} ms; every tenth frame of 30 KB"
    return [figure("what a desk that does not read adds to the others' p99", [p99[1] - p99[0]], "ms", MOST, note)]


async def _storm(bench: Bench, side: PushSide, scale: Scale) -> list[Figure]:
    """All desks cut at once while hints come; until the last is back, and what is missing then."""
    swarm = side.swarm
    lines, drops = bench.gateway.log.count("\n"), swarm.drops
    telling = asyncio.create_task(bench.told(side.kind, scale.push_rate // 2, scale.push_desks, scale.push_desks))
    await asyncio.sleep(1)
    began_s = time.perf_counter()
    for desk in swarm.desks:
        _cut(desk.transport)
    await asyncio.sleep(0.5)
    is_back = await swarm.all_subscribed(60)
    back_s = time.perf_counter() - began_s if is_back else math.inf
    told = await telling
    missing, doubles = await _faults(swarm, told)
    cut = swarm.drops - drops
    said = bench.gateway.log.count("\n") - lines
    name = f"{scale.push_desks:,} desks cut at once"
    return [
        figure(f"{name}: all back", [back_s], "s", BACK, f"{cut:,} connections cut; full jitter from 1 s on"),
        figure(f"{name}: hints missed or told twice", [missing + doubles], "", NOTHING, f"of {len(told):,} meanwhile"),
        figure(f"{name}: log lines a drop", [said / max(1, cut)], "", A_LINE_A_DROP, f"{said} lines"),
    ]


async def _resets(bench: Bench, side: PushSide, scale: Scale) -> list[Figure]:
    """Connections reset one after the other while hints come to just these desks."""
    desks = min(RESET_DESKS, scale.push_desks)
    swarm = side.swarm
    before = [len(desk.recovered) for desk in swarm.desks]
    telling = asyncio.create_task(bench.told(side.kind, scale.push_rate // 2, scale.push_resets * 5, desks))
    reset = 0
    while reset < scale.push_resets:
        await asyncio.sleep(0.005)
        desk = random.choice(swarm.desks[1:desks])
        if desk.subscribed.is_set():
            _cut(desk.transport)
            desk.subscribed.clear()
            reset += 1
    told = await telling
    await swarm.all_subscribed(60)
    missing, doubles = await _faults(swarm, told)
    unrecovered = sum(not each for desk, at in zip(swarm.desks, before, strict=True) for each in desk.recovered[at:])
    note = f"{missing} missing, {doubles} twice, of {len(told):,}; {unrecovered} told to reload"
    return [figure(f"{reset:,} connections reset: hints missed or told twice", [missing + doubles], "", NOTHING, note)]


async def _arrivals_ms(swarm: Swarm, told: Sequence[PublishedHints]) -> list[float]:
    """From entry to frame, for each; infinite where it never came."""
    for _ in range(100):
        if all(each.hint_id in swarm.desks[each.desk].heard for each in told):
            break
        await asyncio.sleep(_ARRIVES_WITHIN_S / 100)
    return [1_000 * (swarm.desks[each.desk].heard.get(each.hint_id, math.inf) - each.at_s) for each in told]


async def _faults(swarm: Swarm, told: Sequence[PublishedHints]) -> tuple[int, int]:
    """How many hints never came, and how many came twice."""
    missing = sum(math.isinf(each) for each in await _arrivals_ms(swarm, told))
    doubles = sum(desk.doubles for desk in swarm.desks)
    for desk in swarm.desks:
        desk.doubles = 0
    return missing, doubles


def _cut(transport: asyncio.Transport | None) -> None:
    """End a connection with a reset, as a network that breaks does."""
    if transport is not None and not transport.is_closing():
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()


class _deaf_desk:  # noqa: N801 - used like a function
    """A desk with the smallest buffer there is, that subscribes and never reads."""

    def __init__(self, url: str, of: str) -> None:
        host, port = url.removeprefix("ws://").split(":")
        self._raw = socket.socket()
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._raw.connect((host, int(port)))
        swarm = Swarm(url, [])
        self._raw.sendall(swarm.handshake + masked({"type": "connection_init", "token": of}))
        self._raw.sendall(masked({"type": "subscribe", "id": "1", "channel": "desk"}))

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, *_: object) -> None:
        self._raw.close()


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    """Redis, gateway and bare server inside the ``with``. Raises NotMeasured."""
    with ExitStack() as opening:
        folder = Path(opening.enter_context(tempfile.TemporaryDirectory()))
        (folder / "redis").mkdir()
        redis_server = opening.enter_context(RedisServer(folder / "redis"))
        ws_port, bare_port = free_port(), free_port()
        settings = {
            "REDIS_URL": redis_server.url,
            "ZHIYIN_STATE_DIR": folder,
            "ZHIYIN_WRITE_KEYS": "key",
            "ZHIYIN_TOKEN_SECRET": TOKEN_SECRET,
            "ZHIYIN_HTTP_PORT": free_port(),
            "ZHIYIN_WS_PORT": ws_port,
            "ZHIYIN_GATEWAY_METRICS_PORT": 0,
        }
        gateway = opening.enter_context(Program(["gateway"], folder / "gateway.log", settings, "gateway: http"))
        bare = _bare_server(redis_server.url, bare_port)
        opening.callback(_ended, bare)
        await _until_ready(gateway)
        yield Bench(redis_server.url, gateway, ws_port, bare.pid, bare_port)


async def _until_ready(gateway: Program) -> None:
    for _ in range(600):
        if gateway.is_ready:
            return
        await asyncio.sleep(0.05)
    raise NotMeasured("push", f"a gateway that says {gateway.log[-200:]!r}", "one that is ready within 30 s")


def _bare_server(redis_url: str, port: int) -> "subprocess.Popen[bytes]":
    words = (sys.executable, "-m", "bench.bare_server", redis_url, str(port))
    command = bound_command(os.getpid(), signal.SIGKILL, words)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    if process.stdout is not None:
        process.stdout.readline()
    return process


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def token(desk: int) -> str:
    """A desk's token for the gateway."""
    return issue_token(TOKEN_SECRET, desk_name(desk), "agent", 3_600, int(time.time()))


def _gateway_pid() -> int:
    """Of our own children the gateway: its memory is what is measured."""
    [found] = [each.pid for each in psutil.Process().children() if each.cmdline()[-1:] == ["gateway"]]
    return found


def _resident(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss)
