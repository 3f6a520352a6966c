"""Looking at real processes, for tests that start and end them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

PATIENCE_S: Final = 300.0
"""So long a wait may last on the busiest machine; it ends what hangs, and is no promise of the product."""


def until(condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
    """Wait until ``condition`` holds; fails when it does not come true in time."""
    give_up = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up, f"not within {within_s} s"
        time.sleep(0.02)


def stop_still(pid: int) -> None:
    """Send SIGSTOP; on return none of the process's threads runs any more (the signal alone takes its time)."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: {_state(task / "stat") for task in Path(f"/proc/{pid}/task").iterdir()} == {"T"})


def running(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits to be collected does not)."""
    return _state(Path(f"/proc/{pid}/stat")) not in {None, "Z", "X"}


def marked(mark: str) -> dict[int, str]:
    """Command lines, by id, of the running processes (but ours) with ``mark`` in environment, command or folder.

    Redis writes its title over the first two; it works in its data folder.
    """
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid() and running(int(folder.name)):
            command = _read(folder / "cmdline")
            if any(mark in each for each in (command, _read(folder / "environ"), _works_in(folder))):
                found[int(folder.name)] = command
    return found


def _state(stat: Path) -> str | None:
    """The letter of a process or thread; None when it is gone."""
    try:
        return stat.read_text("ascii", "replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def _works_in(folder: Path) -> str:
    try:
        return str((folder / "cwd").readlink())
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""
