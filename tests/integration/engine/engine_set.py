"""Several real engine processes that share the work, over one recovery folder."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.integration.engine.engine_process import EngineProcess
from tests.parts.processes import PATIENCE_S
from tests.parts.redis_server import free_port


class EngineSet:
    """``size`` processes of ``zhiyin engine -i I -a ...``; alone when it is 1. Their recovery folder is ``folder``'s.

    May be started again after all have ended. All that still run are killed at the end of the ``with``.
    """

    def __init__(
        self,
        url: str,
        catalogue: Path | str,
        folder: Path,
        size: int,
        *,
        addresses: Sequence[str] = (),
        **settings: object,
    ) -> None:
        self.addresses = list(addresses) or [f"127.0.0.1:{port}" for port in _ports(size)]
        self._said: list[str] = []
        self.engines = [
            EngineProcess(url, catalogue, _made(folder / f"of-{size}-{index}"), self._words(folder, index), **settings)
            for index in range(size)
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self.engines:
            engine.kill()

    def start(self) -> None:
        self._said = [engine.log for engine in self.engines]
        for engine in self.engines:
            engine.start()

    def until_running(self) -> None:
        """Waits until all have met; fails with what they said when they do not, or when one has ended."""
        end = time.monotonic() + PATIENCE_S
        while not all("engine runs" in said for said in self.said_since_start()):
            is_over = time.monotonic() > end or any(engine.ended() for engine in self.engines)
            assert not is_over, "not all engines run: " + "\n---\n".join(self.said_since_start())
            time.sleep(0.02)

    def said_since_start(self) -> list[str]:
        """What each has logged since the set was started last."""
        return [engine.log.removeprefix(said) for engine, said in zip(self.engines, self._said, strict=True)]

    def stop(self) -> list[int]:
        """SIGTERM to all; their exit codes."""
        for engine in self.engines:
            engine.send(signal.SIGTERM)
        return [engine.wait() for engine in self.engines]

    def lost(self, index: int) -> list[int]:
        """Kills one; the exit codes of the others."""
        self.engines[index].kill()
        return [engine.wait() for engine in self.others(index)]

    def others(self, index: int) -> list[EngineProcess]:
        return self.engines[:index] + self.engines[index + 1 :]

    def _words(self, folder: Path, index: int) -> tuple[str, ...]:
        recovery = ("--recovery", str(folder / "recovery"))
        return recovery if len(self.addresses) == 1 else ("-i", str(index), "-a", ";".join(self.addresses), *recovery)


def _ports(size: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < size:
        ports.add(free_port())
    return sorted(ports)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
