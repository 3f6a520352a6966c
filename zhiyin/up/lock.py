"""One set-up a state folder: a lock that ends with the process that holds it.

In: the folder. Out: nothing; the lock is held inside the ``with``.
Refused: a folder another set-up holds (``AlreadyUp``), one we can't write to (``CommandFailure``).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from zhiyin.console.errors import AlreadyUp, CommandFailure

FILE: Final = "up.lock"


@contextmanager
def up_lock(state_dir: Path) -> Iterator[None]:
    """Hold ``state_dir``; a holder that was killed holds it no more. Raises AlreadyUp, CommandFailure."""
    path = state_dir / FILE
    descriptor = _opened(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(path, os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CommandFailure(
            f"state folder {path.parent}: {error.strerror}, expected a folder we can write to; "
            "set ZHIYIN_STATE_DIR to another one"
        ) from error
