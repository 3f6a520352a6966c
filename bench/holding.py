"""Processes that hold open attempts (``bench.shard_process``), asked from here."""

import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Final, Self, cast

import msgspec

from bench.inputs import ROOT
from bench.not_measured import NotMeasured

_ENDS_WITHIN_S: Final = 300.0


class Holding:
    """One such process: ``with Holding(10_000, "plain") as holding: holding.ask("memory")``."""

    def __init__(self, attempts: int, kind: str) -> None:
        self.attempts = attempts
        self._what = f"{attempts:,} open attempts ({kind})"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.shard_process", str(attempts), kind],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._orders = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(BrokenPipeError):
            self._orders.close()
        self._answers.close()
        self._process.wait(_ENDS_WITHIN_S)

    def ask(self, order: str) -> dict[str, Any]:
        """The answer to an order. Raises NotMeasured when the process has ended, or holds another number."""
        try:
            self._orders.write(order + "\n")
            self._orders.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise NotMeasured(self._what, f"the process ended with {self._process.wait(_ENDS_WITHIN_S)}", "an answer")
        answer: dict[str, Any] = msgspec.json.decode(line)
        self._require_open(answer["open_attempts"])
        return answer

    def _require_open(self, found: int) -> None:
        if abs(found - self.attempts) > 0.02 * self.attempts:
            raise NotMeasured(self._what, f"{found:,} open", f"about {self.attempts:,}")
