"""A whole Zhiyin of real parts that may each be killed: Redis with its file, Kafka, gateway, engine, a desk.

In: a folder and which bus. Out: the parts by name, and what they told. Refused: Kafka where its jars are not to be had
(``JarsNotFetched``); a part that ends by itself is noticed in ``fallen``.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import httpx
import redis

from gateway.auth.tokens import issue_token
from state.redis import keys
from tests.chaos.desk import ChaosDesk
from tests.chaos.program import Program
from tests.chaos.strikes import Moment, Victim
from tests.chaos.tap import KafkaTap, RedisTap, Tap
from tests.integration.engine.engine_process import stream_documents
from tests.integration.kafka.topic_house import TopicHouse
from tests.kafka.broker import KafkaBroker
from tests.kafka.cluster import KafkaCluster
from tests.kafka.jars import broker_jars
from tests.parts.machine import ROOT
from tests.parts.redis_server import RedisServer, free_port

CATALOGUE: Final = ROOT / "tests" / "chaos" / "catalogue.yaml"
PARTITIONS: Final = 2
SECRET: Final = "no secret: this house stands for minutes"
WRITE_KEY: Final = "chaos"
READY_TIMEOUT_S: Final = 300.0
LATE_ON_REDIS_MS: Final = 7_500
LATE_ON_KAFKA_MS: Final = 3_500
LOOK_S: Final = 0.002


Part = Program | RedisServer | KafkaBroker


class ChaosSetup:
    """Runs inside its ``with``; ``bus`` is redis or kafka.

    ``variables``: of our programs' environment, instead of what they would get; ``before_engine``: words before its
    command, to run it in something; ``cluster``: that runs already, instead of one broker.
    """

    def __init__(
        self,
        folder: Path,
        bus: str = "redis",
        workers: int = 1,
        redis_server: RedisServer | None = None,
        variables: Mapping[str, str] | None = None,
        before_engine: Sequence[str] = (),
        cluster: KafkaCluster | None = None,
    ) -> None:
        self.folder = folder
        (folder / "redis").mkdir(parents=True)
        self.redis = redis_server or RedisServer(folder / "redis", append_only=True)
        self.kafka = _broker(folder / "kafka") if bus == "kafka" and cluster is None else None
        kafka = self.kafka or cluster
        self.topics = TopicHouse(kafka.servers) if kafka is not None else None
        ports = {name: free_port() for name in ("http_port", "ws_port", "gateway_metrics_port", "engine_metrics_port")}
        topics = self.topics.settings if self.topics is not None else {}
        own = self._settings({**ports, "workers": workers, **topics}) | dict(variables or {})
        self.gateway = Program(["gateway"], folder / "gateway.log", own, "gateway: http ")
        self.engine = Program(["engine"], folder / "engine.log", own, "engine runs:", before_engine)
        self.metrics = f"http://127.0.0.1:{ports['engine_metrics_port']}/metrics"
        self.http = f"http://127.0.0.1:{ports['http_port']}"
        self.desk = ChaosDesk(lambda: f"ws://127.0.0.1:{ports['ws_port']}", _token("desk-1", "agent"))
        self.tap: Tap = (
            RedisTap(self.redis, PARTITIONS)
            if self.topics is None
            else KafkaTap(self.topics.servers, self.topics.events, PARTITIONS)
        )
        headers = {"Authorization": f"Bearer {_token('bot', 'chatbot')}"}
        self._asking = httpx.Client(base_url=self.http, headers=headers, timeout=120)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            if self.kafka is not None:
                opening.enter_context(self.kafka)
            for part in (self.redis, self.gateway, self.engine):
                opening.enter_context(part)
            self.await_programs()
            for listener in (self.tap, self.desk, self._asking):
                opening.enter_context(listener)
            self._await(lambda: self.desk.connections > 0, "the desk")
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def late_ms(self) -> int:
        """What comes to the bus later than that may be late for the engine.

        The lateness of the catalogue; on Kafka less what the gateway's producer may keep an event for, unseen.
        """
        return LATE_ON_REDIS_MS if self.topics is None else LATE_ON_KAFKA_MS

    def part(self, name: Victim) -> Part:
        """A part by the name under which it is struck."""
        part: Part | None = getattr(self, name)
        assert part is not None
        return part

    def await_programs(self) -> None:
        """Until gateway and engine are ready."""
        self._await(lambda: self.gateway.is_ready and self.engine.is_ready, "gateway and engine")

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

    def events_counted(self, outcome: str) -> float:
        """Of the events that the engine has read in this life, those it counted under ``outcome``."""
        text = httpx.get(self.metrics, timeout=120).text
        found = re.search(rf'^zhiyin_engine_events_total{{outcome="{outcome}"}} (\S+)$', text, re.MULTILINE)
        assert found is not None, text
        return float(found[1])

    def documents(self) -> list[dict[str, Any]]:
        """The CloudEvents other systems can read."""
        if self.topics is not None:
            return self.topics.documents(self.topics.facts) + self.topics.documents(self.topics.hints)
        return self._stream(keys.FACTS)

    def dead_letters(self) -> list[dict[str, Any]]:
        """What could not be taken."""
        if self.topics is not None:
            return self.topics.documents(self.topics.dead_letters)
        return self._stream(keys.DEAD_LETTERS)

    def next_hints(self, customer: str) -> list[dict[str, Any]]:
        """What a chatbot finds when it asks."""
        answers: list[httpx.Response] = []

        def answered() -> bool:
            answers.append(self._asking.get(f"/v1/customers/{customer}/next-hints", params={"surface": "chatbot"}))
            return answers[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        self._watch(answered, READY_TIMEOUT_S, 0.1)
        hints: list[dict[str, Any]] = answers[-1].raise_for_status().json()["hints"]
        return hints

    def _stream(self, key: keys.RedisKey) -> list[dict[str, Any]]:
        with redis.Redis.from_url(self.redis.url, socket_timeout=5.0) as client:
            return stream_documents(client, key.of())

    def _settings(self, own: Mapping[str, object]) -> dict[str, object]:
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


def _broker(folder: Path) -> KafkaBroker:
    folder.mkdir()
    return KafkaBroker(broker_jars(), folder)


def _sizes(journals: Path) -> Iterator[int]:
    for file in journals.glob("*/*.journal"):
        try:
            yield file.stat().st_size
        except FileNotFoundError:  # an old segment, just let go
            continue


def _token(subject: str, role: str) -> str:
    return issue_token(SECRET, subject, role, 86_400, round(time.time()))
