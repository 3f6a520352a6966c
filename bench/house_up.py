"""A whole ``zhiyin up`` to measure: real processes on free ports, its state in a folder that goes away.

In: a catalogue. Out: where everything is. Refused: a set-up that does not come up, with what it said
(``NotMeasured``).
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from bench.inputs import ROOT
from bench.not_measured import NotMeasured
from zhiyin.processes.parent_death import bound_command

_UP: Final = (sys.executable, "-m", "zhiyin", "up", "--json", "--port", "0")
_STOPS_WITHIN_S: Final = 300.0
_WORDS_BYTES: Final = 400


class Addresses(msgspec.Struct, frozen=True):
    """Where it is, as ``zhiyin up --json`` says, and what opens it."""

    http: str
    ws: str
    desk_token: str
    write_key: str


@contextmanager
def house_up(catalogue: Path) -> Iterator[Addresses]:
    """Up inside the ``with``, stopped in order behind it. Raises NotMeasured."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "said.txt").open("w+b") as said:
        process = subprocess.Popen(
            bound_command(os.getpid(), signal.SIGKILL, (*_UP, "--catalog", str(catalogue))),
            cwd=ROOT,
            env=_environment(folder),
            stdout=subprocess.PIPE,
            stderr=said,
        )
        try:
            yield _addresses(process, said)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_STOPS_WITHIN_S)


def _addresses(process: "subprocess.Popen[bytes]", said: IO[bytes]) -> Addresses:
    line = process.stdout.readline() if process.stdout is not None else b""
    if line:
        return msgspec.json.decode(line, type=Addresses)
    status = process.wait(_STOPS_WITHIN_S)
    said.seek(0)
    words = said.read().decode("utf-8", "replace")[-_WORDS_BYTES:].strip()
    raise NotMeasured("latency", f"'zhiyin up' ended with {status}: {words}", "one JSON line once it is ready")


def _environment(state_dir: str) -> dict[str, str]:
    """Ours without any setting, so that a figure means the same everywhere."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("ZHIYIN_")}
    inherited.pop("REDIS_URL", None)
    return inherited | {"ZHIYIN_STATE_DIR": state_dir, "ZHIYIN_LOG_LEVEL": "warning"}
