import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.bound import bound
from zhiyin.console.errors import AlreadyUp, CommandFailure
from zhiyin.up.lock import up_lock

HOLD = """
import sys
from pathlib import Path
from zhiyin.up.lock import up_lock
with up_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_one_in_the_same_folder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with up_lock(tmp_path / "var"), pytest.raises(AlreadyUp) as raised, up_lock(tmp_path / "var"):
        pass
    assert str(raised.value) == (
        f"state folder {tmp_path / 'var'}: in use by another 'zhiyin up' (process {os.getpid()}), expected free; "
        "stop that one, or give this one a folder of its own with ZHIYIN_STATE_DIR"
    )


def test_it_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with up_lock(tmp_path):
            assert (tmp_path / "up.lock").read_text() == f"{os.getpid()}\n"


def test_a_holder_that_was_killed_holds_it_no_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(bound(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyUp, match=f"process {holder.pid}"), up_lock(tmp_path):
            pass
        holder.kill()
        holder.wait()
    with up_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = r"state folder .*: Not a directory, expected a folder we can write to"
    with pytest.raises(CommandFailure, match=said), up_lock(tmp_path / "file" / "var"):
        pass
