"""``python -m zhiyin.processes.parent_death PARENT SIGNAL PROGRAM ...``: become a program that ends with its parent.

In: the parent's process id, the signal's number, the program and its arguments.
Out: nothing; this process becomes the program. The kernel keeps the promise
(PR_SET_PDEATHSIG), so it holds even when the parent is killed with -9.
Refused: nothing; where the kernel has no such promise the program runs without it.
"""

import ctypes
import os
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def bound_command(parent: int, end_signal: int, command: tuple[str, ...]) -> tuple[str, ...]:
    """``command`` wrapped so that it gets ``end_signal`` when ``parent`` ends."""
    return (sys.executable, "-m", "zhiyin.processes.parent_death", str(parent), str(int(end_signal)), *command)


def become(parent: int, end_signal: int, command: list[str]) -> None:
    """Bind this process to ``parent`` and turn into ``command``; returns only when the parent is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, end_signal, 0, 0, 0)
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    sys.exit(f"{sys.argv[3]} is not started: found parent {os.getppid()}, expected {sys.argv[1]}, which has ended")
