"""A whole Zhiyin of real parts that may each be killed: Redis with its file, Kafka, gateway, engine, a desk.

In: a folder and which bus. Out: the parts by name, and what they told. Refused: nothing; a part that ends by
itself is noticed in ``fallen``.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import httpx
import redis

from gateway.tokens import issue_token
from state import keys
from tests.chaos.desk import Desk
from tests.chaos.program import Program
from tests.chaos.strikes import Moment
from tests.chaos.tap import RedisTap, Tap
from tests.flows.engine_process import stream_documents
from tests.machine import ROOT
from tests.redis_server import RedisServer, free_port

CATALOGUE: Final = ROOT / "tests" / "chaos" / "catalogue.yaml"
PARTITIONS: Final = 2
SECRET: Final = "no secret: this house stands for minutes"
WRITE_KEY: Final = "chaos"
READY_TIMEOUT_S: Final = 60.0
LOOK_S: Final = 0.002


class House:
    """Runs inside its ``with``; ``bus`` is redis."""

    def __init__(self, folder: Path, bus: str, workers: int, **settings: object) -> None:
        self.folder = folder
        self.bus = bus
        (folder / "redis").mkdir(parents=True)
        self.redis = RedisServer(folder / "redis", append_only=True)
        ports = {name: free_port() for name in ("http_port", "ws_port", "gateway_metrics_port", "engine_metrics_port")}
        common = self._settings(ports | {"workers": workers} | settings)
        self.gateway = Program(["gateway"], folder / "gateway.log", common, "gateway: http ")
        self.engine = Program(["engine"], folder / "engine.log", common, "engine runs:")
        self.http = f"http://127.0.0.1:{ports['http_port']}"
        self.desk = Desk(lambda: f"ws://127.0.0.1:{ports['ws_port']}", _token("desk-1", "agent"))
        self.tap: Tap = RedisTap(self.redis.url, PARTITIONS)
        headers = {"Authorization": f"Bearer {_token('bot', 'chatbot')}"}
        self._asking = httpx.Client(base_url=self.http, headers=headers, timeout=10)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            for part in (self.redis, self.gateway, self.engine, self.tap, self.desk, self._asking):
                opening.enter_context(part)
            self._await(lambda: self.gateway.is_ready and self.engine.is_ready, "gateway and engine")
            self._await(lambda: self.desk.connections > 0, "the desk")
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def part(self, name: str) -> Program | RedisServer:
        """A part by the name under which it is struck."""
        parts: dict[str, Program | RedisServer] = {"engine": self.engine, "gateway": self.gateway, "redis": self.redis}
        return parts[name]

    def fallen(self) -> list[str]:
        """Programs that ended and were not ended by us; each is started again."""
        found = [program for program in (self.engine, self.gateway) if program.code is not None]
        words = [f"{program.name} ended by itself with {program.code}:\n{program.log[-3000:]}" for program in found]
        for program in found:
            program.start()
        return words

    def wait_for(self, moment: Moment, program: Program, within_s: float = 6.0) -> None:
        """Until the moment has come; or for so long, when it does not."""
        if moment == "starting":
            return
        self._watch(lambda: program.is_ready, within_s, 0.02)
        if moment == "snapshot":
            before = self._snapshot_mark()
            self._watch(lambda: self._snapshot_mark() != before, within_s)
        elif moment == "telling":
            offset = self.desk.offset
            self._watch(lambda: self.desk.offset != offset, within_s)

    def documents(self) -> list[dict[str, Any]]:
        """The CloudEvents other systems can read."""
        with redis.Redis.from_url(self.redis.url, socket_timeout=5.0) as client:
            return stream_documents(client, keys.FACTS.of())

    def dead_letters(self) -> list[dict[str, Any]]:
        """What could not be taken."""
        with redis.Redis.from_url(self.redis.url, socket_timeout=5.0) as client:
            return stream_documents(client, keys.DEAD_LETTERS.of())

    def next_hints(self, customer: str) -> list[dict[str, Any]]:
        """What a chatbot finds when it asks."""
        answer = self._asking.get(f"/v1/customers/{customer}/next-hints", params={"surface": "chatbot"})
        hints: list[dict[str, Any]] = answer.raise_for_status().json()["hints"]
        return hints

    def _settings(self, own: dict[str, object]) -> dict[str, object]:
        given = {
            "catalogue": CATALOGUE,
            "state_dir": self.folder,
            "bus_partitions": PARTITIONS,
            "shards": 4,
            "epoch_ms": 200,
            "write_keys": WRITE_KEY,
            "token_secret": SECRET,
            **own,
        }
        return {"REDIS_URL": self.redis.url, **{f"ZHIYIN_{name.upper()}": value for name, value in given.items()}}

    def _snapshot_mark(self) -> tuple[int, ...]:
        return tuple(_sizes(self.folder / "recovery" / "journals"))

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        if not self._watch(condition, READY_TIMEOUT_S, 0.02):
            logs = f"{self.engine.log[-2000:]}\n{self.gateway.log[-2000:]}"
            raise RuntimeError(f"{what} did not come up within {READY_TIMEOUT_S:.0f} s; they said:\n{logs}")

    def _watch(self, condition: Callable[[], bool], within_s: float, look_s: float = LOOK_S) -> bool:
        end = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(look_s)
        return True


def _sizes(journals: Path) -> Iterator[int]:
    for file in journals.glob("*/*.journal"):
        try:
            yield file.stat().st_size
        except FileNotFoundError:  # an old segment, just let go
            continue


def _token(subject: str, role: str) -> str:
    return issue_token(SECRET, subject, role, 86_400, round(time.time()))
