"""A recording shared out among processes: the same facts, the same refusals, and a clear end when one of them dies."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import orjson
import psutil
import pytest

from config import load_catalogue
from flows.file_source import RecordingUnreadable
from flows.replay import DEFAULT_KINDS, KINDS, Replay
from flows.replay_shares import NotShared, SharedReplay, ShareLost, own_lines
from operators.catalogue import Catalogue
from operators.facts import FACT_KINDS
from tests.machine import ROOT
from zhiyin.simulate import Plan, write_file

WITHOUT_SCORES = tuple(kind for kind in KINDS if kind != "idle")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(ROOT / "config" / "catalog", quiet_hours=False)


@pytest.fixture(scope="module")
def recording(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some hundred customers, and lines that nobody can read among theirs."""
    path = tmp_path_factory.mktemp("recording") / "events.ndjson"
    write_file(catalogue, Plan(customers=300, seed=5, duration_ms=7_200_000), path)
    lines = path.read_bytes().splitlines(keepends=True)
    for place, bad in enumerate((b"no json\n", b'{"userId": 7}\n', b"{}\n", b'{"userId":"a","event":"Call Me"}\n')):
        lines.insert(100 * (place + 1), bad)
    path.write_bytes(b"".join(lines))
    return path


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
    assert (
        report.dead_letters == expected.dead_letters == {"not_json": 1, "wrong_type": 1, "no_customer": 1, "no_time": 1}
    )
    assert _without_times(letters) == _without_times(letters_alone)
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
    with pytest.raises(NotShared, match=r"found journeys that learn \(.*policy_loan.*replay with one worker"):
        SharedReplay(catalogue, None, ("idle",), workers=2)
    on_trial = msgspec.structs.replace(
        catalogue, hints=msgspec.structs.replace(catalogue.hints, wording="bandit"), learning=False
    )
    with pytest.raises(NotShared, match="hints whose wordings are on trial"):
        SharedReplay(on_trial, None, ("hint",), workers=2)
    SharedReplay(on_trial, None, FACT_KINDS, workers=2)


def test_a_missing_recording_is_named_and_no_process_is_left(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(RecordingUnreadable, match=r"none\.ndjson: found No such file"):
        SharedReplay(catalogue, io.BytesIO(), workers=2).run([tmp_path / "none.ndjson"])
    assert _shares_of(os.getpid()) == []


class FullDisk(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_ends_all_with_its_own_error(catalogue: Catalogue, recording: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        SharedReplay(catalogue, FullDisk(), workers=2).run([recording])
    assert _shares_of(os.getpid()) == []


def test_a_share_that_is_killed_is_told_and_ends_the_others(catalogue: Catalogue, fifo: Path) -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            SharedReplay(catalogue, io.BytesIO(), workers=2).run([fifo])
        except ShareLost as error:
            raised.append(error)

    running = threading.Thread(target=run)
    running.start()
    first, _ = _wait_for_shares(os.getpid(), 2)
    first.send_signal(signal.SIGKILL)
    running.join(30)
    assert not running.is_alive()
    [error] = raised
    assert "found exit code -9, expected its report" in str(error)
    assert _shares_of(os.getpid()) == []


def test_shares_end_when_who_started_them_is_killed(fifo: Path) -> None:
    command = [sys.executable, "-m", "zhiyin", "replay", str(fifo), "--workers", "2", "--quiet"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        shares = _wait_for_shares(process.pid, 2)
        process.kill()
    assert psutil.wait_procs(shares, timeout=20)[1] == []


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A recording that never comes to its end."""
    path = tmp_path / "events.ndjson"
    os.mkfifo(path)
    return path


def _read(line: bytes) -> dict[str, object]:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found.get("userId"), str) else {}


def _without_times(letters: io.BytesIO) -> list[object]:
    """What was refused and why; not when, which is the clock's."""
    read = [orjson.loads(line) for line in letters.getvalue().splitlines()]
    return sorted(({"payload": each["payload"], "failure": each["failure"]["messages"]} for each in read), key=repr)


def _shares_of(pid: int) -> list[psutil.Process]:
    """Children of the server that forks them for ``pid``."""
    return [share for server in psutil.Process(pid).children() for share in server.children()]


def _wait_for_shares(pid: int, many: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 30
    while len(found := _shares_of(pid)) < many:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found
