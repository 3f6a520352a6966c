"""A recording shared out among processes: the same facts, the same refusals, and a clear end when one of them dies."""

import io
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import orjson
import psutil
import pytest

from config import load_catalogue
from flows.replay.replay import DEFAULT_KINDS, HINT, KINDS, Replay
from flows.replay.sharded_replay import SharedReplay, is_shareable, own_lines
from flows.sources.recording import RecordingUnreadable
from operators.records.catalogue import Catalogue
from operators.records.facts import FACT_KINDS
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

WITHOUT_SCORES = tuple(kind for kind in KINDS if kind != "idle")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "config" / "catalog", quiet_hours=False)


def told(out: io.BytesIO) -> list[bytes]:
    return sorted(out.getvalue().splitlines())


def by_customer(out: io.BytesIO) -> dict[str, list[bytes]]:
    grouped: dict[str, list[bytes]] = {}
    for line in out.getvalue().splitlines():
        grouped.setdefault(orjson.loads(line)["customer_id"], []).append(line)
    return grouped


@pytest.mark.parametrize("kinds", [DEFAULT_KINDS, WITHOUT_SCORES], ids=["default", "hints too"])
def test_several_processes_tell_what_one_tells(catalogue: Catalogue, recording: Path, kinds: tuple[str, ...]) -> None:
    alone, shared, letters_alone, letters = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    expected = Replay(catalogue, alone, kinds, letters_alone, version="t").run([recording])
    read: list[int] = []
    replay = SharedReplay(catalogue, shared, kinds, letters, version="t", workers=3)
    report = replay.run([recording], read.append)
    assert told(shared) == told(alone)
    assert len(told(alone)) > 500
    assert report.facts == expected.facts
    assert report.dead_letters == expected.dead_letters == REFUSED
    assert without_times(letters) == without_times(letters_alone)
    assert (report.events, report.counts) == (expected.events, expected.counts)
    assert sum(read) == recording.stat().st_size
    assert report.seconds > 0


def test_each_customers_facts_come_in_order(catalogue: Catalogue, recording: Path) -> None:
    alone, shared = io.BytesIO(), io.BytesIO()
    Replay(catalogue, alone).run([recording])
    SharedReplay(catalogue, shared, workers=2).run([recording])
    assert by_customer(shared) == by_customer(alone)


def test_every_line_is_one_shares_and_a_customers_are_all_the_same_ones(recording: Path) -> None:
    lines = recording.read_bytes().splitlines()
    blocks = [lines[first : first + 37] for first in range(0, len(lines), 37)]
    shares = [list(own_lines(blocks, number, 3)) for number in range(3)]
    assert sorted(line for share in shares for line in share) == sorted(lines)
    users = [{read["userId"] for read in map(_read, share) if "userId" in read} for share in shares]
    assert all(len(share) > 50 for share in users)
    assert sum(map(len, users)) == len(set().union(*users))


def test_what_learns_is_not_shared(catalogue: Catalogue) -> None:
    assert not is_shareable(catalogue, ("idle",))
    on_trial = msgspec.structs.replace(
        catalogue, hints=msgspec.structs.replace(catalogue.hints, wording="bandit"), learning=False
    )
    assert not is_shareable(on_trial, (HINT,))
    assert is_shareable(on_trial, FACT_KINDS)
    with pytest.raises(ValueError, match="customers who teach one another"):
        SharedReplay(on_trial, None, (HINT,), workers=2)


def test_a_missing_recording_is_named_and_no_process_is_left(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(RecordingUnreadable, match=r"none\.ndjson: found No such file"):
        SharedReplay(catalogue, io.BytesIO(), workers=2).run([tmp_path / "none.ndjson"])
    assert processes_of(os.getpid()) == []


def test_a_full_disk_ends_all_with_its_own_error(catalogue: Catalogue, recording: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        SharedReplay(catalogue, FullDisk(), workers=2).run([recording])
    assert processes_of(os.getpid()) == []


def test_a_share_that_is_killed_is_told_and_ends_the_others(catalogue: Catalogue, fifo: Path) -> None:
    error = killed(lambda: SharedReplay(catalogue, io.BytesIO(), workers=2).run([fifo]), many=2)
    assert "found exit code -9, expected its report" in str(error)
    assert processes_of(os.getpid()) == []


def test_shares_end_when_who_started_them_is_killed(fifo: Path) -> None:
    command = [sys.executable, "-m", "zhiyin", "replay", str(fifo), "--workers", "2", "--quiet"]
    with subprocess.Popen(bound(command), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        shares = wait_for_processes(process.pid, 2)
        process.kill()
    assert psutil.wait_procs(shares, timeout=120)[1] == []


def _read(line: bytes) -> dict[str, object]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found.get("userId"), str) else {}
