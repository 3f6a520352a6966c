"""Children of a test process that end with it, even when it is killed with -9.

In: a command. Out: the same command, or a running process of it, that the kernel ends with the process that started it.
Every child of the tests is started this way; ``tests/parts/test_bound.py`` looks for one that is not.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final, TypeVar

from tests.parts.machine import ROOT

_PARENT_DEATH: Final = ROOT / "zhiyin" / "processes" / "parent_death.py"
_PR_SET_PDEATHSIG: Final = 1
Process = TypeVar("Process")
_STARTER: Final = ThreadPoolExecutor(1, "starter of children")


def bound(command: Sequence[str | Path]) -> list[str]:
    """``command`` so that it is killed when our process ends.

    The kernel watches the thread that starts it: call from one that lives as long as the child, or use ``started`` or
    ``lasting``.
    """
    # As a file, without site-packages: it starts in a hundredth of a second, in whatever folder.
    binder = [sys.executable, "-I", "-S", str(_PARENT_DEATH), str(os.getpid()), str(int(signal.SIGKILL))]
    return [*binder, *map(str, command)]


def started(
    command: Sequence[str | Path], log: IO[bytes], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a bound child that writes to ``log``; it may be called from a thread that ends before the child does."""
    return lasting(lambda: subprocess.Popen(bound(command), cwd=cwd, env=env, stdout=log, stderr=log))


def lasting(start: Callable[[], Process]) -> Process:
    """What ``start`` starts, by a thread that lives as long as we do."""
    return _STARTER.submit(start).result()


def end_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
