"""One run of a peer's program, in a process and an environment of its own.

In: a ``Peer``, its Python, a file of events. Out: ``PeerRun``: its answer and how long it took. Refused: a
program that fails, says something else or never ends (``NotMeasured``).
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from bench.inputs import ROOT
from bench.not_measured import NotMeasured
from bench.peers.environments import Peer, last_line
from bench.peers.session_job import SessionRule
from bench.stock_window import WindowOutcome

TIMEOUT_S: Final = 1_800


class Runs(msgspec.Struct, frozen=True):
    """How a peer is run: its Python, and variables for its environment beside those that are there."""

    peer: Peer
    python: Path
    environment: Mapping[str, str] = {}


class PeerRun(msgspec.Struct, frozen=True):
    """What the program says. ``wall_s``: of the engine's run by the clock; ``cpu_s``: by the processor, all cores."""

    wall_s: float
    cpu_s: float
    completed: int
    cancelled: int
    abandoned: int

    @property
    def outcome(self) -> WindowOutcome:
        """Its answer."""
        return WindowOutcome(self.completed, self.cancelled, self.abandoned)


def run_peer(runs: Runs, file: Path, rule: SessionRule, timeout_s: float = TIMEOUT_S) -> PeerRun:
    """Runs ``bench/peers/NAME/job.py`` over ``file``. Raises NotMeasured."""
    peer = runs.peer
    with tempfile.TemporaryDirectory(prefix=f"zhiyin-{peer.name}-") as folder:
        command = [str(runs.python), "-m", f"bench.peers.{peer.name}.job", str(file), json.dumps(rule), folder]
        try:
            answer = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, **runs.environment},
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NotMeasured(peer.says, f"no answer after {timeout_s:g} s", "one") from error
    if answer.returncode != 0:
        raise NotMeasured(peer.says, f"exit code {answer.returncode}: {last_line(answer.stderr)}", "its answer")
    return parse(peer, answer.stdout)


def parse(peer: Peer, said: str) -> PeerRun:
    """The last line of what the program said; engines like to speak before it. Raises NotMeasured."""
    line = last_line(said)
    try:
        return msgspec.json.decode(line.encode(), type=PeerRun)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise NotMeasured(peer.says, f"{line!r} ({error})", "a line of JSON with its times and counts") from error
