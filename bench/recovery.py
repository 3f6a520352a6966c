"""How long an engine that was killed takes until it is where it would have been.

In: how many attempts are open, how often it is killed. Out: the seconds from ``kill -9`` (it is started again at once)
until everything sent before is told, with events coming all the while; and the seconds from a start to the first
word with a million customers. Real: Redis with its file, the engine's process, its snapshots on disk. Refused: an
engine that does not take what it is sent (``NotMeasured``).
"""

import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import orjson
import redis

from bench.figures import Aim, Figure, figure, percentile
from bench.inputs import SHIPPED_CATALOGUE
from bench.not_measured import NotMeasured
from bench.scale import Scale
from bench.visits import BEGINS_MS, JOURNEY, Visits
from flows.steps.messages import Poll
from operators.support.timestamps import iso_text
from state.bus.protocol import partition_of
from state.redis import keys
from tests.chaos.program import Program
from tests.parts.redis_server import RedisServer

AIM: Final = Aim(at_most=30.0)
PARTITIONS: Final = 4
SLOWLY: Final = 0.01
"""Nobody falls silent while this goes on."""

_WINDOW_MS: Final = 60_000
_PATIENCE_S: Final = 300.0
_LOAD_EVENTS: Final = 500
"""Events a second while it is killed."""


def measure(scale: Scale) -> Iterator[Figure]:
    """Kills at one size, one restart at another."""
    with RecoverySetup(scale.recovery_attempts) as house:
        seconds = house.kills(scale.recovery_kills)
    note = f"{_LOAD_EVENTS} events/s meanwhile; kills {len(seconds)}, at any moment of an epoch of 5 s"
    name = f"kill -9 to caught up, {scale.recovery_attempts:,} attempts open"
    yield figure(f"{name}, p50", [percentile(seconds, 0.5)], "s", None, note)
    yield figure(f"{name}, worst", [max(seconds)], "s", AIM)
    with RecoverySetup(scale.recovery_customers) as house:
        first_word = house.kill()
    yield figure(f"kill -9 to first word, {scale.recovery_customers:,} customers", [first_word], "s", AIM)


class RecoverySetup:
    """An engine that holds so many open attempts, one a customer; runs inside its ``with``."""

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._visits = Visits(attempts, struggling=False, window_ms=_WINDOW_MS)
        self._probes = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            folder = Path(opening.enter_context(tempfile.TemporaryDirectory()))
            (folder / "redis").mkdir()
            server = opening.enter_context(RedisServer(folder / "redis", append_only=True))
            self._client = opening.enter_context(redis.Redis.from_url(server.url, socket_timeout=30.0))
            settings = {
                "REDIS_URL": server.url,
                "ZHIYIN_STATE_DIR": folder,
                "ZHIYIN_CATALOGUE": SHIPPED_CATALOGUE,
                "ZHIYIN_SPEED": SLOWLY,
                "ZHIYIN_BUS_PARTITIONS": PARTITIONS,
                "ZHIYIN_ENGINE_METRICS_PORT": 0,
            }
            self._engine = opening.enter_context(Program(["engine"], folder / "engine.log", settings, "engine runs:"))
            self._fill()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def kills(self, count: int) -> list[float]:
        """The seconds of each."""
        chance = random.Random(self._attempts)
        over = threading.Event()
        load = threading.Thread(target=self._load, args=(over,))
        load.start()
        try:
            return [self._killed_after(chance.uniform(0.5, 2.5)) for _ in range(count)]
        finally:
            over.set()
            load.join()

    def kill(self) -> float:
        """Seconds from a kill until everything sent before it is told."""
        return self._killed_after(2.0)

    def _killed_after(self, seconds: float) -> float:
        time.sleep(seconds)
        began = time.perf_counter()
        self._engine.kill()
        self._engine.start()
        self._answered()
        return time.perf_counter() - began

    def _fill(self) -> None:
        for poll in self._visits.fill():
            self._post_poll(poll)
            while self._waiting() > 200_000:  # noqa: PLR2004 - what the bus may hold is a matter of memory
                time.sleep(0.05)
        self._answered()

    def _load(self, over: threading.Event) -> None:
        while not over.wait(0.1):
            [poll] = self._visits.turn(_LOAD_EVENTS // 10)
            self._post_poll(poll)

    def _post_poll(self, poll: Poll) -> None:
        self._post(poll.raws, poll.customers or (), poll.times_ms or ())

    def _post(self, raws: Sequence[bytes], customers: Sequence[str], times_ms: Sequence[int]) -> None:
        with self._client.pipeline(transaction=False) as pipeline:
            for raw, customer, time_ms in zip(raws, customers, times_ms, strict=True):
                key = keys.BUS.of(partition_of(customer, PARTITIONS))
                pipeline.xadd(key, {"k": customer, "t": time_ms, "e": raw})
            pipeline.execute()

    def _waiting(self) -> int:
        return sum(self._client.xlen(keys.BUS.of(partition)) for partition in range(PARTITIONS))

    def _answered(self) -> None:
        """One customer more begins on each partition; returns when that is told. Raises NotMeasured."""
        newest: Any = self._client.xrevrange(keys.FACTS.of(), count=1)
        after = newest[0][0] if newest else b"0-0"
        wanted = self._probe()
        give_up = time.monotonic() + _PATIENCE_S
        while wanted:
            found: Any = self._client.xread({keys.FACTS.of(): after}, count=5_000, block=200)
            for entry_id, fields in found[0][1] if found else ():
                after = entry_id
                wanted.discard(orjson.loads(fields[b"e"])["subject"])
            if time.monotonic() > give_up:
                raise NotMeasured("recovery", f"no word in {_PATIENCE_S:.0f} s: {self._engine.log[-400:]}", "facts")

    def _probe(self) -> set[str]:
        customers: dict[int, str] = {}
        while len(customers) < PARTITIONS:
            self._probes += 1
            name = f"probe-{self._probes}"
            customers.setdefault(partition_of(name, PARTITIONS), name)
        at_ms = BEGINS_MS + _WINDOW_MS
        self._post(
            [_begins(each, at_ms) for each in customers.values()], list(customers.values()), [at_ms] * PARTITIONS
        )
        return set(customers.values())


def _begins(customer: str, at_ms: int) -> bytes:
    return orjson.dumps(
        {
            "type": "track",
            "event": "Transaction Started",
            "messageId": f"{customer}-begins",
            "userId": customer,
            "timestamp": iso_text(at_ms),
            "properties": {"journey": JOURNEY, "transaction_id": customer},
        }
    )
