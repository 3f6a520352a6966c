"""A process that does part of a replay, and reports what it has done to the one that started it.

In: its work, and what it is to work on. Out: messages, one after the other, the last of them its report. Refused: a
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
"""Kind and content: ``("read", bytes)``, ``("report", ...)``; the others are the work's own."""
MessageConnection: TypeAlias = "Connection[WorkerMessage, WorkerMessage]"
Work = Callable[[Task, MessageConnection], Any]
"""Does it, sending messages meanwhile; gives its report. A function that another process can import."""

_REPORT_EVERY_BYTES: Final = 1 << 20
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
        self._join_lock = threading.Lock()
        self._receiver, sender = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=_do, args=(work, task, sender), daemon=True)
        self._process.start()
        # Theirs alone: only so does this side see that they are gone.
        sender.close()

    def messages(self) -> Iterator[WorkerMessage]:
        """All it sends, its report the last. Raises RecordingUnreadable, ReplayProcessLost."""
        kind = ""
        while kind != "report":
            try:
                kind, content = cast("WorkerMessage", self._receiver.recv())
            except (EOFError, OSError) as error:
                raise ReplayProcessLost(self.name, self._exit_code(_ENDS_WITHIN_S)) from error
            if kind == "unreadable":
                raise RecordingUnreadable(*content)
            yield kind, content

    def stop(self) -> None:
        """Ends it, whatever it does."""
        self._process.terminate()
        self._exit_code()

    def close(self) -> None:
        """Lets go of what it sent; nobody may be receiving any more."""
        self._receiver.close()

    def _exit_code(self, timeout_s: float | None = None) -> int | None:
        """Waits for its end. One at a time: who comes second would find the code taken."""
        with self._join_lock:
            self._process.join(timeout_s)
            return self._process.exitcode


class Reading:
    """Reports how many bytes have been read, not for each few of them."""

    def __init__(self, sender: MessageConnection) -> None:
        self._sender = sender
        self._unreported = 0

    def on_bytes(self, count: int) -> None:
        """So many more."""
        self._unreported += count
        if self._unreported >= _REPORT_EVERY_BYTES:
            self.report()

    def report(self) -> None:
        """Reports what has not been reported yet."""
        self._sender.send(("read", self._unreported))
        self._unreported = 0


def _do(work: Work[Task], task: Task, sender: MessageConnection) -> None:
    """What the process does."""
    # What was there before the fork is shared memory: to look through it for garbage would copy it.
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    last: tuple[Literal["report", "unreadable"], Any]
    with suppress(ConnectionError):  # Nobody is left to receive it.
        try:
            last = "report", work(task, sender)
        except RecordingUnreadable as error:
            last = "unreadable", (error.path, error.found)
        sender.send(last)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
