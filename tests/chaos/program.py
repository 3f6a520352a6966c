"""One of Zhiyin's own processes, for being killed: started again on the same ports, its words in one log."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from tests.parts.bound import bound, started
from tests.parts.machine import ROOT

END_TIMEOUT_S: Final = 150.0


class Program:
    """``python -m zhiyin COMMAND`` with these settings; runs inside its ``with``.

    ``before``: words before the command, to run it in something. ``ready``: what its log says when it works.
    """

    def __init__(
        self,
        command: Sequence[str],
        log_file: Path,
        settings: Mapping[str, object],
        ready: str,
        before: Sequence[str] = (),
    ) -> None:
        self.name = command[0]
        self.log_file = log_file
        self.started_at = 0.0
        self._command = [*before, *bound([sys.executable, "-m", "zhiyin", *command])]
        self._environment = environment(settings)
        self._ready = ready
        self._lives = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            self.kill()

    @property
    def log(self) -> str:
        """What it has said in all its lives."""
        return self.log_file.read_text("utf-8", "replace") if self.log_file.is_file() else ""

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return 0 if self._process is None else self._process.poll()

    @property
    def is_ready(self) -> bool:
        """Whether it has said so in this life."""
        return self.log.count(self._ready) > self._lives

    def start(self) -> None:
        """Start it, from where it was left."""
        self._lives = self.log.count(self._ready)
        self.started_at = time.monotonic()
        with self.log_file.open("ab") as log:
            self._process = started(self._command, log, cwd=ROOT, env=self._environment)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it in order; its exit code."""
        return self._end(signal.SIGTERM)

    def wait(self, within_s: float = END_TIMEOUT_S) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process is not None
        return self._process.wait(within_s)

    def _end(self, by: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(by)
        return self._process.wait(END_TIMEOUT_S)


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Ours without its settings, and these."""
    own = {name: text for name, text in os.environ.items() if name != "REDIS_URL" and not name.startswith("ZHIYIN_")}
    return own | {name: str(value) for name, value in settings.items()}
