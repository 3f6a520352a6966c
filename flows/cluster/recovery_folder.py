"""The recovery folder: made once, by whoever comes first; held by its processes; refused when it does not fit.

In: where it is, and what must not change while it holds snapshots. Out: a folder that Bytewax can use. Every
process of a set uses the same one. Refused: snapshots of another layout (``RecoveryMismatch``), a folder that
other processes hold (``RecoveryInUse``), one that cannot be written to or is not whole (``RecoveryUnusable``).
"""

import fcntl
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bytewax.recovery import RecoveryConfig, init_db_dir

from flows.cluster.member import Member

RECOVERY_PARTITIONS: Final = 4
"""Files of Bytewax's store: each costs small synchronous writes in every epoch, whatever it holds (decision 13)."""
HOLD_PATIENCE_S: Final = 5.0
"""A process that was killed a moment ago may still be going."""
_FORMAT: Final = "snapshots of format 3"
_LOOK_S: Final = 0.1

_recovery: Final[Callable[[Path], RecoveryConfig]] = RecoveryConfig
_init_db_dir: Final[Callable[[Path, int], None]] = init_db_dir


class RecoveryMismatch(Exception):
    """Snapshots of another layout. ``folder``, ``found``, ``expected``: the descriptions of the layouts."""

    def __init__(self, folder: Path, found: str, expected: str) -> None:
        self.folder = folder
        self.found = found
        self.expected = expected
        super().__init__(
            f"snapshots in {folder}: found {found}, expected {expected}; "
            "set these settings back, or move the folder away to start without a memory"
        )


class RecoveryInUse(Exception):
    """Another engine holds the folder. ``holder``: what it said of itself."""

    def __init__(self, folder: Path, holder: str) -> None:
        self.folder = folder
        self.holder = holder
        super().__init__(
            f"recovery folder {folder}: in use by {holder or 'another engine'}, expected free; "
            "stop that one, or give this one a folder of its own with --recovery; "
            "processes of one set differ in -i and have the same -a"
        )


class RecoveryUnusable(Exception):
    """The folder can't be read or written. ``reason``: what the system or the store said."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(
            f"recovery folder {folder}: {reason}, expected a whole folder on a disk with room that we can write to; "
            "see to it, bring back a copy of the whole folder, or name another one with --recovery (without a memory)"
        )


class Layout(NamedTuple):
    """Where snapshots are kept, and what must not change while they are: where a customer belongs, and on which bus.

    ``topic``: the bus's on Kafka, None on Redis.
    """

    folder: Path
    shards: int
    bus_partitions: int
    topic: str | None = None

    def prepare(self) -> None:
        """Makes the folder when it is not there: only one of many processes does. Raises RecoveryMismatch, -Unusable.

        What a maker that was killed left behind is made anew: only the marker, which comes last, counts.
        """
        with _described_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "layout.lock").open("a+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not self._marker.is_file():
                    self._build()
            found = self._marker.read_text("utf-8")
        if found != self._description:
            raise RecoveryMismatch(self.folder, found, self._description)

    def recovery_config(self) -> RecoveryConfig:
        """The snapshots' folder for Bytewax."""
        return _recovery(self.folder)

    @contextmanager
    def held(self, member: Member, patience_s: float = HOLD_PATIENCE_S) -> Iterator[None]:
        """Hold the folder as ``member``; a killed process holds it no more. Raises RecoveryInUse, -Unusable."""
        with _described_errors(self.folder):
            descriptor = os.open(self._lock(member.index), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._lock_within(descriptor, patience_s)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{member} (pid {os.getpid()} on {socket.gethostname()})".encode(), 0)
            self._refuse_others(member)
            yield
        finally:
            os.close(descriptor)

    @property
    def journals(self) -> Path:
        """Where the steps write what their snapshots point to."""
        return self.folder / "journals"

    def _build(self) -> None:
        for stale in self.folder.glob("part-*.sqlite3*"):
            stale.unlink()
        shutil.rmtree(self.journals, ignore_errors=True)
        _init_db_dir(self.folder, RECOVERY_PARTITIONS)
        unfinished = self._marker.with_suffix(".unfinished")
        unfinished.write_text(self._description, "utf-8")
        unfinished.replace(self._marker)

    def _lock_within(self, descriptor: int, patience_s: float) -> None:
        give_up = time.monotonic() + patience_s
        while not _locked(descriptor, self.folder):
            if time.monotonic() >= give_up:
                raise RecoveryInUse(self.folder, _holder(descriptor))
            time.sleep(_LOOK_S)

    def _refuse_others(self, member: Member) -> None:
        """Processes of a larger set than ours may still run."""
        for path in self.folder.glob("process-*.lock"):
            if int(path.stem.partition("-")[2]) >= member.size:
                descriptor = os.open(path, os.O_RDWR)
                try:
                    self._lock_within(descriptor, 0)
                finally:
                    os.close(descriptor)

    def _lock(self, index: int) -> Path:
        return self.folder / f"process-{index}.lock"

    @property
    def _description(self) -> str:
        bus = "" if self.topic is None else f", Kafka topic {self.topic}"
        return f"{self.shards} shards, {self.bus_partitions} bus_partitions{bus}, {_FORMAT}"

    @property
    def _marker(self) -> Path:
        return self.folder / "layout.txt"


@contextmanager
def _described_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecoveryUnusable(folder, reason) from error


def _locked(descriptor: int, folder: Path) -> bool:
    """Whether we have the lock now."""
    with _described_errors(folder):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode("utf-8", "replace")
