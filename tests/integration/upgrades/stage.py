"""Redis, gateway and engine of one checkout, by a clock of their own that shows an instant of the story.

In: a folder with the state (and a dump of Redis) to go on from, a checkout. Out: phases played, and what has become of
them. Refused: a phase that is not answered within ``PATIENCE_S``, a program that does not start (AssertionError).
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import httpx
import redis

from gateway.auth.tokens import issue_token
from tests.chaos.clock import PreloadedClock
from tests.chaos.program import Program
from tests.integration.engine.engine_process import stream_documents, until
from tests.integration.upgrades.outcome import outcome_of
from tests.integration.upgrades.story import PARTITIONS, SHARDS, BusEvent, instant_ms
from tests.parts.machine import ROOT
from tests.parts.redis_server import RedisServer, free_port

SECRET: Final = "no secret: this house stands for minutes"
PATIENCE_S: Final = 60.0
_STILL_LOOKS: Final = 5
_LOOK_S: Final = 0.3
_STEP_MS: Final = 1_100
"""The clock moves in steps of more than a second: the source takes each for an outage and holds its ticks back.

They are short because Bytewax may sleep for as long as a step: where the clock moves between its look at the clock and
ours, it takes the step for a wait. Stillness is awaited longer than that.
"""
_BETWEEN_STEPS_S: Final = 0.003
_TICK_MS: Final = 60_000
"""The clock moves event time on only where no event does for a minute: no phase lasts so long."""


class Stage:
    """Runs inside its ``with``. ``folder`` has ``catalogue.yaml``, and ``redis/dump.rdb`` and ``state`` to go on from.

    ``began_ms``: what the clock shows at the start. ``checkout``: whose programs run.
    """

    def __init__(self, folder: Path, began_ms: int, checkout: Path = ROOT) -> None:
        (folder / "redis").mkdir(exist_ok=True)
        self.state = folder / "state"
        self._clock = PreloadedClock(folder)
        self._began_ms = began_ms
        self._set_clock(began_ms)
        self.redis = RedisServer(folder / "redis", variables=self._clock.environment)
        ports = {name: free_port() for name in ("http_port", "ws_port", "gateway_metrics_port", "engine_metrics_port")}
        settings = {
            "REDIS_URL": self.redis.url,
            **{f"ZHIYIN_{name.upper()}": value for name, value in self._settings(folder, ports).items()},
            **self._clock.environment,
        }
        inside = ("env", "-C", str(checkout))
        self.engine = Program(["engine"], folder / "engine.log", settings, "engine runs:", inside)
        self.gateway = Program(["gateway"], folder / "gateway.log", settings, "gateway: http ", inside)
        self._http = f"http://127.0.0.1:{ports['http_port']}"
        self._metrics = f"http://127.0.0.1:{ports['engine_metrics_port']}/metrics"
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self.redis)
            self.client = opening.enter_context(redis.Redis.from_url(self.redis.url, socket_timeout=20.0))
            self.http = opening.enter_context(httpx.Client(base_url=self._http, timeout=20))
            for program in (self.gateway, self.engine):
                opening.enter_context(program)
                self._await_start(program)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def play(self, phase: int, events: Sequence[BusEvent]) -> None:
        """Lets the phase begin, puts its events on the bus, and waits until nothing follows from them any more."""
        self._move_clock(instant_ms(phase))
        self.put(events)
        at = {event.customer for event in events if event.at_ms == instant_ms(phase)}
        assert at, "a phase has events at its very instant, for which it is waited"
        end = time.monotonic() + PATIENCE_S
        while not at <= self._started(f"m{phase}"):
            assert time.monotonic() < end, f"phase {phase} is not answered: {self._said()}"
            time.sleep(_LOOK_S)
        self.await_stillness()

    def put(self, events: Sequence[BusEvent]) -> None:
        """Puts events on the bus as the collector does, all at once."""
        with self.client.pipeline(transaction=True) as pipeline:
            for event in events:
                fields: dict[Any, Any] = {"k": event.customer, "t": event.at_ms, "e": event.raw}
                pipeline.xadd(f"zy:bus:{event.partition}", fields)
            pipeline.execute()

    def await_stillness(self) -> dict[str, list[str]]:
        """What has become of it all, once that has not changed for a while."""
        end = time.monotonic() + PATIENCE_S
        looks = [self.outcome()]
        while len(looks) < _STILL_LOOKS:
            assert time.monotonic() < end, "Redis does not come to rest"
            time.sleep(_LOOK_S)
            now = self.outcome()
            looks = [*looks, now] if now == looks[-1] else [now]
        return looks[-1]

    def outcome(self) -> dict[str, list[str]]:
        """What is in Redis, the engine's counts, and the saved models."""
        return outcome_of(self.client, httpx.get(self._metrics, timeout=20).text)

    def token(self, role: str, subject: str) -> dict[str, str]:
        """The header of somebody who may ask the gateway."""
        now_s = self._clock.now_ms() // 1000
        return {"Authorization": f"Bearer {issue_token(SECRET, subject, role, 86_400, now_s)}"}

    def _await_start(self, program: Program) -> None:
        """The clock stands still meanwhile: a start takes as long as it takes."""

        def is_ready() -> bool:
            self._set_clock(self._began_ms)
            return program.is_ready

        until(is_ready, f"the start of {program.name}", PATIENCE_S)

    def _said(self) -> str:
        metrics = httpx.get(self._metrics, timeout=20).text
        events = "".join(each for each in metrics.splitlines(keepends=True) if "engine_events" in each or "lag" in each)
        letters = stream_documents(self.client, "zy:dead-letters")[-1:]
        return f"{events}\n{letters}\n{self.engine.log[-3000:]}"

    def _started(self, transaction: str) -> set[str]:
        facts = [entry["data"] for entry in stream_documents(self.client, "zy:facts")]
        return {
            fact["customer_id"]
            for fact in facts
            if fact.get("kind") == "started" and fact["transaction_id"] == transaction
        }

    def _move_clock(self, to_ms: int) -> None:
        """Moves the clock on in small steps."""
        gap_ms = to_ms - self._clock.now_ms()
        assert gap_ms > 0, "too slow: the clock would go back"
        began_ms, steps = self._clock.off_by_ms, max(1, gap_ms // _STEP_MS)
        for step in range(1, steps):
            self._clock.set_off_by(began_ms + gap_ms * step // steps)
            time.sleep(_BETWEEN_STEPS_S)
        self._set_clock(to_ms)

    def _set_clock(self, at_ms: int) -> None:
        self._clock.set_off_by(at_ms - time.time_ns() // 1_000_000)

    def _settings(self, folder: Path, ports: dict[str, int]) -> dict[str, object]:
        return {
            "catalogue": folder / "catalogue.yaml",
            "state_dir": self.state,
            "bus_partitions": PARTITIONS,
            "shards": SHARDS,
            "epoch_ms": 200,
            "tick_ms": _TICK_MS,
            "poll_events": 5_000,
            "models_every_s": 1,
            "models_kept": 3,
            "write_keys": "upgrades",
            "token_secret": SECRET,
            **ports,
        }
