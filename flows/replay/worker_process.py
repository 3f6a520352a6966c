"""A process that does part of a replay, and says what it has done to the one that started it.

In: its work, and what it is to work on. Out: words, one after the other, the last of them its report. Refused: a
recording that can't be read (``RecordingUnreadable``, as where it was found); a process that ends before its report
(``ReplayProcessLost``). Ctrl-C is for the one that started it; when that one ends, however it does, it ends too.
"""

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

from flows.sources.recording import RecordingUnreadable

Task = TypeVar("Task")
WorkerMessage = tuple[str, Any]
"""What is said, and of what: ``("read", bytes)``, ``("report", ...)``; the others are the work's own."""
Says: TypeAlias = "Connection[WorkerMessage, WorkerMessage]"
Work = Callable[[Task, Says], Any]
"""Does it, saying what is to be told meanwhile; gives its report. A function that another process can import."""

_TELLS_READ_BYTES: Final = 1 << 20
_ENDS_WITHIN_S: Final = 10.0
_PROCESSES: Final = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["flows.replay.replay"])


class ReplayProcessLost(Exception):
    """A process that ended before its work was done. ``code``: its exit code (-9: it was killed)."""

    def __init__(self, name: str, code: int | None) -> None:
        self.name = name
        self.code = code
        super().__init__(
            f"replay, {name}: found exit code {code}, expected its report; what it had to say stands above, "
            "and where memory ran out, try fewer workers"
        )


class WorkerProcess(Generic[Task]):
    """One of them, as seen from the one that started it. ``name``: what it is called where it fails."""

    def __init__(self, name: str, work: Work[Task], task: Task) -> None:
        self.name = name
        self._waiting = threading.Lock()
        self._said, says = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=_do, args=(work, task, says), daemon=True)
        self._process.start()
        # Theirs alone: only so does this side see that they are gone.
        says.close()

    def messages(self) -> Iterator[WorkerMessage]:
        """All it says, its report the last. Raises RecordingUnreadable, ReplayProcessLost."""
        said = ""
        while said != "report":
            try:
                said, what = cast("WorkerMessage", self._said.recv())
            except (EOFError, OSError) as error:
                raise ReplayProcessLost(self.name, self._exit_code(_ENDS_WITHIN_S)) from error
            if said == "unreadable":
                raise RecordingUnreadable(*what)
            yield said, what

    def stop(self) -> None:
        """Ends it, whatever it does."""
        self._process.terminate()
        self._exit_code()

    def close(self) -> None:
        """Lets go of what it said; nobody may be listening any more."""
        self._said.close()

    def _exit_code(self, timeout_s: float | None = None) -> int | None:
        """Waits for its end. One at a time: who comes second would find the code taken."""
        with self._waiting:
            self._process.join(timeout_s)
            return self._process.exitcode


class Reading:
    """Says how many bytes have been read, not for each few of them."""

    def __init__(self, says: Says) -> None:
        self._says = says
        self._untold = 0

    def on_bytes(self, count: int) -> None:
        """So many more."""
        self._untold += count
        if self._untold >= _TELLS_READ_BYTES:
            self.report()

    def report(self) -> None:
        """Says what has not been said yet."""
        self._says.send(("read", self._untold))
        self._untold = 0


def _do(work: Work[Task], task: Task, says: Says) -> None:
    """What the process does."""
    # What was there before the fork is shared memory: to look through it for garbage would copy it.
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    last: tuple[Literal["report", "unreadable"], Any]
    with suppress(ConnectionError):  # Nobody is left to tell.
        try:
            last = "report", work(task, says)
        except RecordingUnreadable as error:
            last = "unreadable", (error.path, error.found)
        says.send(last)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
