"""A replay in two stages: the same facts in the same order, and a clear end when one of the processes dies."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil
import pytest

from config import load_catalogue
from flows.replay.replay import DEFAULT_KINDS, KINDS, Replay, ReplayObservers
from flows.replay.two_stage_replay import TwoStageReplay
from flows.sources.recording import RecordingUnreadable
from flows.steps.decide import Learns
from operators.records.catalogue import Catalogue
from operators.tracking.features import ScoredPrediction
from tests.flows.replay.replay_processes import (
    REFUSED,
    FullDisk,
    killed,
    processes_of,
    wait_for_processes,
    without_times,
)
from tests.parts.bound import bound
from tests.parts.machine import ROOT


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Break-offs are told when learning says so, and wordings of hints are on trial."""
    found = load_catalogue(ROOT / "config" / "catalog", quiet_hours=False)
    hints = msgspec.structs.replace(found.hints, wording="bandit")
    return msgspec.structs.replace(found, decision="learned", hints=hints)


@pytest.mark.parametrize("kinds", [DEFAULT_KINDS, KINDS], ids=["default", "all"])
def test_two_stages_tell_what_one_process_tells_byte_for_byte(
    catalogue: Catalogue, recording: Path, kinds: tuple[str, ...]
) -> None:
    alone, staged, letters_alone, letters = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    expected = Replay(catalogue, alone, kinds, letters_alone, version="t").run([recording])
    read: list[int] = []
    report = TwoStageReplay(catalogue, staged, kinds, letters, version="t").run([recording], read.append)
    assert staged.getvalue() == alone.getvalue()
    assert alone.getvalue().count(b'"kind":"abandoned"') > 50
    assert alone.getvalue().count(b'"score":null') == 0
    assert without_times(letters) == without_times(letters_alone)
    assert (report.facts, report.dead_letters) == (expected.facts, REFUSED)
    assert (report.events, report.counts) == (expected.events, expected.counts)
    assert sum(read) == recording.stat().st_size
    assert report.seconds > 0


def test_who_watches_what_is_learnt_sees_the_same(catalogue: Catalogue, recording: Path) -> None:
    seen: list[list[tuple[str, ScoredPrediction]]] = []
    for replay in (Replay, TwoStageReplay):
        watcher = Watcher()
        replay(catalogue, None, ("idle",), watching=ReplayObservers(learns=Learns(watcher))).run([recording])
        seen.append(watcher.scored)
    assert seen[0] == seen[1]
    assert len(seen[0]) > 100


class Watcher:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.scored: list[tuple[str, ScoredPrediction]] = []

    def __call__(self, journey: str, scored: Sequence[ScoredPrediction]) -> None:
        self.scored += [(journey, each) for each in scored]


def test_a_missing_recording_is_named_and_no_process_is_left(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(RecordingUnreadable, match=r"none\.ndjson: found No such file"):
        TwoStageReplay(catalogue, io.BytesIO()).run([tmp_path / "none.ndjson"])
    assert processes_of(os.getpid()) == []


def test_a_full_disk_ends_both_with_its_own_error(catalogue: Catalogue, recording: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        TwoStageReplay(catalogue, FullDisk()).run([recording])
    assert processes_of(os.getpid()) == []


def test_a_first_stage_that_is_killed_is_told(catalogue: Catalogue, fifo: Path) -> None:
    error = killed(lambda: TwoStageReplay(catalogue, io.BytesIO()).run([fifo]), many=1)
    assert "replay, tracking: found exit code -9, expected its report" in str(error)
    assert processes_of(os.getpid()) == []


# Whoever runs the tests in the background has Ctrl-C ignored in all below.
HEARS_CTRL_C = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_the_first_stage_ends_with_the_second(fifo: Path, by: signal.Signals) -> None:
    command = [sys.executable, "-m", "zhiyin", "replay", str(fifo), "--emit", "idle", "--workers", "2", "--quiet"]
    command = [sys.executable, "-c", HEARS_CTRL_C, *command]
    process = subprocess.Popen(bound(command), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        [tracking] = wait_for_processes(process.pid, 1)
        process.send_signal(by)
        said = process.communicate(timeout=120)[1].decode()
    finally:
        process.kill()
    assert psutil.wait_procs([tracking], timeout=120)[1] == []
    assert process.returncode == (130 if by == signal.SIGINT else -signal.SIGKILL), said
    assert "Traceback" not in said
