"""How the stateful steps remember: their snapshots are positions in a journal, not all they know.

In: a step's memory, and what Bytewax has kept of it. Out: a snapshot of some dozen bytes and the
memory's own head. Refused: snapshots of another format (``StateUnreadable``), a journal that is
damaged (``JournalDamaged``).
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import msgspec

from operators.support.snapshot_codec import SnapshotCodec
from state.snapshots.journal import Journal, JournalPosition, Memory

FORMAT: Final = "zhiyin-place-1"


class Journaled(Memory, Protocol):
    """A memory that can be taken up again."""

    def head(self) -> bytes:
        """What is snapshotted whole, being small."""

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head`` and the packs say."""


class Snapshot(msgspec.Struct, array_like=True):
    """What Bytewax keeps of one memory. ``name``: of its folder."""

    format: str
    name: str
    position: JournalPosition
    head: bytes


_SNAPSHOT: Final = SnapshotCodec(Snapshot, FORMAT)


class Journals(msgspec.Struct, frozen=True):
    """Where journals are kept, one folder a memory; a snapshot every ``epoch_s``. ``took(seconds)``: after each."""

    folder: Path
    took: Callable[[float], None]
    epoch_s: float = 0.0


class JournaledState:
    """One memory and its journal; without ``journals`` nothing is kept."""

    def __init__(self, memory: Journaled, journals: Journals | None, resumed: bytes | None) -> None:
        self._memory = memory
        self._journals = journals
        self._name = ""
        self._journal: Journal | None = None
        if resumed and journals is not None:
            snapshot = _SNAPSHOT.decode(resumed)
            self._name = snapshot.name
            self._journal = Journal(journals.folder / snapshot.name, snapshot.position, journals.epoch_s)
            with _nothing_collected():
                memory.restore(snapshot.head, self._journal.packs())

    def open(self, name: str) -> None:
        """Begins the journal in folder ``name``, the same after every restart; does nothing where it was resumed."""
        if self._journals is not None and self._journal is None:
            self._name = name
            self._journal = Journal(self._journals.folder / name, epoch_s=self._journals.epoch_s)

    def write_ahead(self) -> None:
        """After a batch: spreads the writing, so that a snapshot finds little left to do."""
        if self._journal is not None:
            self._journal.write_ahead(self._memory)

    def rewrite_soon(self) -> None:
        """Something was forgotten that must not stay in any file: the next snapshots write the journal anew."""
        if self._journal is not None:
            self._journal.rewrite_soon()

    @property
    def is_rewriting(self) -> bool:
        """Whether more snapshots are needed until nothing forgotten is left in any file."""
        return self._journal is not None and self._journal.is_rewriting

    def snapshot(self) -> bytes:
        """Everything so far, for Bytewax to keep."""
        if self._journals is None or self._journal is None:
            return b""
        began = time.perf_counter()
        position = self._journal.write(self._memory)
        snapshot = Snapshot(FORMAT, self._name, position, self._memory.head())
        self._journals.took(time.perf_counter() - began)
        return msgspec.msgpack.encode(snapshot)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """What is taken up stays: to look for garbage in it, now or later, takes time and finds none."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
