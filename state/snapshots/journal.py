"""What a stateful step remembers, kept in files that grow: a snapshot writes what has changed, not everything.

In: a memory that can say what has changed since the last snapshot. Out: a ``JournalPosition``, small enough to be
snapshotted every second; and at a restart, everything written up to a position.
Refused: a position whose files are gone or damaged (``JournalDamaged``).

One folder holds one memory in numbered segments. What lies behind a position's end was written by a process that
died before its snapshot counted: it is never read, and a restarted process writes into a new segment. When
the segments have grown to about three times what the memory needs, a sweep goes through all keys, some with each
write; when it has come round, the segments older than its beginning hold nothing that counts. The same is done on
request (``rewrite_soon``), when what was forgotten must not stay in old segments; a restart goes on with that.

What is written is on disk a moment later: a thread of this process sees to it, and nobody waits for the disk
but the next snapshot of the same memory. A process may be killed at any instant. A machine that loses power
in that moment may lose what the snapshot counts on; that is noticed (``JournalDamaged``).
"""

import os
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol

import msgspec

from operators.support.snapshot_codec import ALL

SAFE_SNAPSHOTS: Final = 3
"""Snapshots after which the engine surely goes back to none of before: then old segments may go."""
SWEEP_KEYS: Final = 256
"""A sweep takes as many keys with a write as have changed; so many at least where nothing was written ahead."""
REWRITE_KEYS: Final = 4_096
"""The same while somebody waits for what was forgotten to be gone from the files: some milliseconds a write."""
SLICE_ROWS: Final = 256
"""So many changed rows at most are written ahead of the snapshot at a time."""
FEW_ROWS: Final = 64
"""So many may wait at the end of an epoch: the snapshot of thirty-two memories finds little left to do."""
HELD_ROWS: Final = 2_048
"""About so many may wait in the first half of an epoch: what changes again before its end is then written once."""
_SWEEPS_AT: Final = 3
_SPREAD: Final = 0.5
"""By how much of it journals differ in what they hold and when they sweep: thirty-two at once would be a stall."""
_SLACK_BYTES: Final = 1 << 18
_SYNC: Final = ThreadPoolExecutor(1, thread_name_prefix="journal-sync")
_DONE: Final[Future[None]] = Future()
_DONE.set_result(None)
_FRAME: Final = struct.Struct("<II")
_SUFFIX: Final = ".journal"


class Memory(Protocol):
    """What remembers, and can say it in packs of rows; later rows of a key hold."""

    @property
    def waiting(self) -> int:
        """About how many rows ``changes`` would give."""

    def changes(self, most: int) -> tuple[int, bytes]:
        """How many keys have changed or are forgotten since the last call, about ``most`` of them, packed."""

    def all_keys(self) -> list[str]:
        """All keys remembered now."""

    def rows(self, keys: Sequence[str]) -> bytes:
        """Those of ``keys`` that are still remembered, packed."""


class Segment(msgspec.Struct, array_like=True, gc=False):
    """One file by its number, and how many of its bytes count."""

    number: int
    size_bytes: int


class JournalPosition(msgspec.Struct, array_like=True, frozen=True):
    """All that a memory was at a snapshot: the segments in order, and their size after the last sweep."""

    segments: tuple[Segment, ...] = ()
    swept_bytes: int = 0
    rewrites: bool = False


class JournalDamaged(Exception):
    """Files that do not hold what a snapshot says. ``path``; ``found``, ``expected``: in words."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        self.path = path
        self.found = found
        self.expected = expected
        super().__init__(
            f"{path}: found {found}, expected {expected}; bring the whole recovery folder back as it was, "
            "or move it away to start without a memory (the bus is then read from its beginning)"
        )


class Journal:
    """The journal of one memory, from a position on (None: from the beginning; whatever is there counts for nothing).

    ``epoch_s``: about how long it is from one snapshot to the next.
    """

    def __init__(self, folder: Path, position: JournalPosition | None = None, epoch_s: float = 0.0) -> None:
        self._folder = folder
        self._epoch_s = epoch_s
        spread = _SPREAD * zlib.crc32(folder.name.encode()) / (1 << 32)
        self._held_rows = HELD_ROWS * (1 + spread - _SPREAD / 2)
        self._sweeps_at = _SWEEPS_AT * (1 - spread / 2)
        self._snapshot_s = time.monotonic()
        self._rewrite_wanted = position.rewrites if position else False
        self._rewriting = False
        self._wrote_ahead = False
        self._segments = [
            Segment(segment.number, segment.size_bytes) for segment in (position.segments if position else ())
        ]
        self._swept_bytes = position.swept_bytes if position else 0
        self._own_segment: Segment | None = None
        self._sweep: deque[str] | None = None
        self._sweep_from = 0
        self._retired: deque[tuple[int, int]] = deque()
        self._snapshots = 0
        self._synced: Future[None] = _DONE
        folder.mkdir(parents=True, exist_ok=True)
        if position is None:
            for stale in folder.glob(f"*{_SUFFIX}"):
                stale.unlink()

    def packs(self) -> Iterator[bytes]:
        """Everything up to the position this journal was opened at, oldest first. Raises JournalDamaged."""
        for segment in self._segments:
            yield from _read(self._path(segment.number), segment.size_bytes)

    def write_ahead(self, memory: Memory) -> None:
        """Writes a slice when more waits than may at this time of the epoch; no position has it yet. Raises OSError."""
        if memory.waiting >= FEW_ROWS and memory.waiting >= self._may_wait():
            self._wrote_ahead = True
            self._write_some(memory, SLICE_ROWS, 0)

    def write(self, memory: Memory) -> JournalPosition:
        """Appends what has changed, and a part of a sweep when one is due.

        Raises OSError (a full disk): the position before still holds.
        """
        self._synced.result()
        self._snapshot_s = time.monotonic()
        self._write_some(memory, ALL, 0 if self._wrote_ahead else SWEEP_KEYS)
        self._wrote_ahead = False
        if self._rewrite_wanted and self._sweep is None:
            self._rewrite_wanted, self._rewriting = False, True
            self._begin_sweep(memory)
        self._synced = _SYNC.submit(_sync, self._path(self._own_segment.number)) if self._own_segment else _DONE
        self._snapshots += 1
        while self._retired and self._retired[0][0] + SAFE_SNAPSHOTS <= self._snapshots:
            self._path(self._retired.popleft()[1]).unlink(missing_ok=True)
        segments = tuple(Segment(segment.number, segment.size_bytes) for segment in self._segments)
        return JournalPosition(segments, self._swept_bytes, self.is_rewriting)

    def rewrite_soon(self) -> None:
        """What was forgotten until now is in no file any more once ``is_rewriting`` is over, some writes later."""
        self._rewrite_wanted = True

    @property
    def is_rewriting(self) -> bool:
        """Whether more writes are needed until nothing that was forgotten is left."""
        return self._rewrite_wanted or self._rewriting or bool(self._retired)

    def _may_wait(self) -> float:
        """Rows that may wait: less and less in the second half of an epoch."""
        left = 1.0 - (time.monotonic() - self._snapshot_s) / self._epoch_s if self._epoch_s else 0.0
        return FEW_ROWS + self._held_rows * min(1.0, max(0.0, 2 * left))

    def _write_some(self, memory: Memory, most: int, least_swept: int) -> None:
        changed, pack = memory.changes(most)
        packs = [pack] if changed else []
        if self._sweep is None and self._total_bytes > self._sweeps_at * self._swept_bytes + _SLACK_BYTES:
            self._begin_sweep(memory)
        if self._sweep is not None:
            keys = REWRITE_KEYS if self._rewriting else least_swept
            packs.append(memory.rows(_first(self._sweep, max(changed, keys))))
        if packs:
            self._append(packs)
        if self._sweep is not None and not self._sweep:
            self._end_sweep()

    def _begin_sweep(self, memory: Memory) -> None:
        """What has been written until now is behind the sweep, and goes when it has come round."""
        self._sweep = deque(memory.all_keys())
        self._sweep_from = self._new_segment().number

    @property
    def _total_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self._segments)

    def _end_sweep(self) -> None:
        """All that counts has been written since the sweep began."""
        self._sweep = None
        self._rewriting = False
        retired = {number for _, number in self._retired}
        old = [number for number in self._numbers() if number < self._sweep_from and number not in retired]
        self._retired += [(self._snapshots, number) for number in sorted(old)]
        self._segments = [segment for segment in self._segments if segment.number >= self._sweep_from]
        self._swept_bytes = self._total_bytes

    def _append(self, packs: Iterable[bytes]) -> None:
        """Opens and closes the file: once a snapshot, so nobody has to think of closing it, nor of a torn end."""
        segment = self._own_segment or self._new_segment()
        written = b"".join([part for pack in packs for part in (_FRAME.pack(len(pack), zlib.crc32(pack)), pack)])
        with self._path(segment.number).open("r+b") as file:
            file.seek(segment.size_bytes)
            file.write(written)
        segment.size_bytes += len(written)

    def _new_segment(self) -> Segment:
        """A file nobody has written into yet."""
        segment = self._own_segment = Segment(max(self._numbers(), default=0) + 1, 0)
        self._path(segment.number).touch(exist_ok=False)
        self._segments.append(segment)
        return segment

    def _numbers(self) -> list[int]:
        """Of all segments that are there, those of processes that died before they counted among them."""
        return [int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}")]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}{_SUFFIX}"


def _sync(path: Path) -> None:
    """Sees what is in the file onto the disk; it may have been swept away meanwhile."""
    try:
        with path.open("rb") as file:
            os.fdatasync(file.fileno())
    except FileNotFoundError:
        return


def _first(keys: deque[str], most: int) -> list[str]:
    """Takes the first ``most`` keys out."""
    return [keys.popleft() for _ in range(min(most, len(keys)))]


def _read(path: Path, size_bytes: int) -> Iterator[bytes]:
    """The packs in the first ``size_bytes`` of a segment."""
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise JournalDamaged(path, "no such file", f"{size_bytes} bytes") from error
    with file:
        offset = 0
        while offset < size_bytes:
            frame = file.read(_FRAME.size)
            if len(frame) < _FRAME.size:
                raise JournalDamaged(path, f"{offset + len(frame)} bytes", f"{size_bytes} bytes")
            length, checksum = _FRAME.unpack(frame)
            pack = file.read(length)
            if zlib.crc32(pack) != checksum:
                raise JournalDamaged(path, f"a damaged pack at byte {offset}", "what was written")
            yield pack
            offset += _FRAME.size + length
