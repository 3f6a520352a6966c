"""The recovery folder: made once by whoever comes first, held while in use, refused when it does not fit."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.cluster.member import Member
from flows.cluster.recovery_folder import RECOVERY_PARTITIONS, Layout, RecoveryInUse, RecoveryMismatch, RecoveryUnusable
from tests.integration.engine.engine_process import until
from tests.parts.bound import bound
from tests.parts.machine import ROOT

MAKER = """
import sys, time
from pathlib import Path
from flows.cluster.recovery_folder import Layout
folder, number = Path(sys.argv[1]), sys.argv[2]
(folder.parent / f"here-{number}").touch()
while not (folder.parent / "go").exists():
    time.sleep(0.001)
layout = Layout(folder, 4, 2)
layout.prepare()
layout.journals.mkdir(exist_ok=True)
(layout.journals / number).touch()
(folder / f"part-9{number}.sqlite3").touch()
"""
HOLDER = """
import sys, time
from pathlib import Path
from flows.cluster.member import Member
from flows.cluster.recovery_folder import Layout
layout = Layout(Path(sys.argv[1]), 4, 2)
layout.prepare()
with layout.held(Member(2, ("a:1", "b:2", "c:3"))):
    Path(sys.argv[1], "holds").touch()
    time.sleep(60)
"""


def started(program: str, *words: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(bound([sys.executable, "-c", program, *map(str, words)]), cwd=ROOT)


def test_of_three_processes_that_come_at_once_one_makes_it(tmp_path: Path) -> None:
    for round_number in range(3):
        place = tmp_path / str(round_number)
        place.mkdir()
        processes = [started(MAKER, place / "recovery", number) for number in range(3)]
        until(lambda: len(list(place.glob("here-*"))) == len(processes), "three processes")  # noqa: B023 - at once
        (place / "go").touch()
        assert [process.wait(300) for process in processes] == [0, 0, 0]
        layout = Layout(place / "recovery", 4, 2)
        # What one did after it was made has been taken away by no other.
        assert sorted(path.name for path in layout.journals.iterdir()) == ["0", "1", "2"]
        assert len(list(layout.folder.glob("part-*.sqlite3"))) == RECOVERY_PARTITIONS + 3


def test_a_maker_that_was_killed_is_followed_by_the_next(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "recovery", 4, 2)
    for delay_s in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04):
        place = tmp_path / str(delay_s)
        place.mkdir()
        (place / "go").touch()
        process = started(MAKER, place / "recovery", 0)
        until((place / "here-0").exists, "a maker")
        time.sleep(delay_s)
        process.kill()
        process.wait()
        layout = Layout(place / "recovery", 4, 2)
        layout.prepare()
        assert len(list(layout.folder.glob("part-?.sqlite3"))) == min(10, RECOVERY_PARTITIONS)


def test_what_has_no_stone_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "journals" / "track-000").mkdir(parents=True)
    (tmp_path / "part-0.sqlite3").write_bytes(b"half a")
    Layout(tmp_path, 4, 2).prepare()
    assert (tmp_path / "part-0.sqlite3").read_bytes().startswith(b"SQLite format 3")
    assert not (tmp_path / "journals").exists()
    assert (tmp_path / "layout.txt").read_text() == "4 shards, 2 bus_partitions, snapshots of format 3"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ((8, 2), "4 shards, 2 bus_partitions, snapshots of format 3, expected 8 shards, 2 bus_partitions, snap"),
        ((4, 4), "4 shards, 2 bus_partitions, snapshots of format 3, expected 4 shards, 4 bus_partitions, snap"),
        ((4, 2, "events"), "snapshots of format 3, expected 4 shards, 2 bus_partitions, Kafka topic events, snap"),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, other: tuple[int, int], words: str) -> None:
    Layout(tmp_path, 4, 2).prepare()
    with pytest.raises(RecoveryMismatch, match=words):
        Layout(tmp_path, *other).prepare()
    Layout(tmp_path, 4, 2).prepare()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecoveryUnusable, match=r"file/recovery: Not a directory, expected a whole folder on a disk"):
        Layout(tmp_path / "file" / "recovery", 4, 2).prepare()
    (tmp_path / "process-0.lock").mkdir()
    with pytest.raises(RecoveryUnusable, match="Is a directory"), Layout(tmp_path, 4, 2).held(Member()):
        pytest.fail("held what cannot be")


def test_one_holds_it_and_a_killed_one_holds_it_no_more(tmp_path: Path) -> None:
    layout = Layout(tmp_path, 4, 2)
    others = ("a:1", "b:2", "c:3")
    process = started(HOLDER, tmp_path)
    until((tmp_path / "holds").exists, "a holder")
    with pytest.raises(RecoveryInUse) as raised, layout.held(Member(2, others), patience_s=0.2):
        pytest.fail("held twice")
    assert f"{tmp_path}: in use by process 2 of a set of 3 (pid {process.pid} on " in str(raised.value)
    assert "processes of one set differ in -i and have the same -a" in str(raised.value)
    with layout.held(Member(1, others)):
        pass
    # A smaller set may not begin while one of a larger one still runs.
    for member in (Member(), Member(0, others[:2])):
        with pytest.raises(RecoveryInUse, match="process 2 of a set of 3"), layout.held(member, patience_s=0.2):
            pytest.fail("held beside a larger set")
    process.kill()
    process.wait()
    with layout.held(Member()):
        pass
