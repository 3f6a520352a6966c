"""A real engine in a process of its own, over a real Redis, for tests that stop, kill and starve it."""

import atexit
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import redis

from state.bus.protocol import partition_of
from tests.oracle import Expected
from tests.parts.bound import bound, started
from tests.parts.machine import ROOT
from tests.parts.processes import PATIENCE_S, stop_still
from tests.streams import at_ms_of

PARTITIONS = 2
_STARTED: list[subprocess.Popen[bytes]] = []


@atexit.register
def _end_those_left() -> None:
    """What a test that failed has left running does not load the machine for the next run."""
    for process in _STARTED:
        if process.poll() is None:
            process.kill()


def until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Waits for ``condition``; fails with ``what`` when it does not come true in time."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"waited {patience_s:.0f} s in vain: {what}"
        time.sleep(0.02)


def until_told(
    found: Callable[[], Sequence[Expected]], expected: Callable[[], Sequence[Expected]], patience_s: float = PATIENCE_S
) -> None:
    """Waits until both are the same; fails with the difference when they do not become so in time."""
    end = time.monotonic() + patience_s
    while found() != expected():
        too_many, missing = Counter(found()) - Counter(expected()), Counter(expected()) - Counter(found())
        assert time.monotonic() < end, f"after {patience_s:.0f} s: too many {[*too_many]}, missing {[*missing]}"
        time.sleep(0.02)


class EngineProcess:
    """``python -m zhiyin engine`` with its state in ``folder``; may be started again after it ended.

    ``words``: more of the command line.
    """

    def __init__(
        self, url: str, catalogue: Path | str, folder: Path, words: Sequence[str] = (), **settings: object
    ) -> None:
        self.folder = folder
        self._words = tuple(words)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ZHIYIN_")},
            "REDIS_URL": url,
            "ZHIYIN_CATALOGUE": str(catalogue),
            "ZHIYIN_STATE_DIR": str(folder),
            "ZHIYIN_ENGINE_METRICS_PORT": "0",
            "ZHIYIN_BUS_PARTITIONS": str(PARTITIONS),
            "ZHIYIN_SHARDS": "4",
            "ZHIYIN_EPOCH_MS": "200",
            **{f"ZHIYIN_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        file = self.folder / "engine.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def start(self) -> None:
        with (self.folder / "engine.log").open("ab") as log:
            command = [sys.executable, "-m", "zhiyin", "engine", *self._words]
            self._process = started(command, log, cwd=ROOT, env=self._environment)
        _STARTED.append(self._process)

    def kill(self) -> None:
        """Kills it at once, if it runs."""
        if self._process is not None:
            self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def command(self, *words: str) -> str:
        """What another ``zhiyin`` command says, with the settings of this engine."""
        command = [sys.executable, "-m", "zhiyin", *words]
        answer = subprocess.run(
            bound(command),
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        return answer.stdout

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(PATIENCE_S)

    def ended(self) -> bool:
        """Whether it was started and runs no more."""
        return self._process is not None and self._process.poll() is not None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def hang(self) -> None:
        """It holds its connections and does nothing more."""
        assert self._process is not None
        stop_still(self._process.pid)

    def _end(self, by: signal.Signals) -> int:
        self.send(by)
        return self.wait()


def post(client: redis.Redis, events: Sequence[Mapping[str, Any]], wire: Callable[[Any], bytes]) -> None:
    """Puts events on the bus as the collector does."""
    pipeline = client.pipeline(transaction=False)
    for event in events:
        key = f"zy:bus:{partition_of(event['customer'], PARTITIONS)}"
        pipeline.xadd(key, {"k": event["customer"], "t": event["at_ms"], "e": wire(event)})
    pipeline.execute()


def stream_documents(client: redis.Redis, key: str) -> list[dict[str, Any]]:
    """Everything in a stream of ours, decoded."""
    entries: Any = client.xrange(key)
    return [orjson.loads(fields[b"e"]) for _, fields in entries]


def told_facts(client: redis.Redis, kinds: Sequence[str]) -> list[Expected]:
    """The facts other systems can read, as the oracle speaks of them; fails on one told twice."""
    return facts_among(stream_documents(client, "zy:facts"), kinds)


def facts_among(entries: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> list[Expected]:
    """The facts among CloudEvents, as the oracle speaks of them; fails on one told twice."""
    doubles = [each for each, count in Counter(entry["id"] for entry in entries).items() if count > 1]
    assert not doubles, f"told twice: {doubles}"
    facts = [entry["data"] for entry in entries if entry["type"].startswith("zhiyin.transaction.")]
    return sorted((_expected(fact) for fact in facts if fact["kind"] in kinds), key=str)


def _expected(fact: Mapping[str, Any]) -> Expected:
    own = f"recovered={fact['recovered']}" if fact["kind"] == "completed" else ""
    return Expected(
        fact["kind"],
        fact["customer_id"],
        fact["journey"],
        fact["transaction_id"],
        fact["step"],
        at_ms_of(fact["at"]),
        own,
    )
