"""Recorded events from files: NDJSON, plain or compressed (.gz .xz .zst), read in order.

In: paths. Out: polls of raw lines, empty lines left out. Refused: a missing file, a damaged
archive (``RecordingUnreadable``, with the file and what was found).
"""

import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, Final, Generic, TypeVar, cast

import zstandard
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.steps.messages import Poll

Item = TypeVar("Item")

_WHOLE: Final = "recording"
_BLOCK_BYTES: Final = 1 << 16


class RecordingUnreadable(Exception):
    """A recording that can't be read. ``path``; ``found``: what was in the way."""

    def __init__(self, path: Path, found: str) -> None:
        self.path = path
        self.found = found
        expected = "NDJSON events, plain or as .gz .xz .zst"
        super().__init__(f"{path}: found {found}, expected {expected}; check the path and the file")


def read_lines(paths: Sequence[Path], on_bytes: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """Every line of every file that is not empty; ``on_bytes`` receives the count of bytes read, packed or not.

    Raises RecordingUnreadable.
    """
    return chain.from_iterable(read_blocks(paths, on_bytes))


def read_blocks(paths: Sequence[Path], on_bytes: Callable[[int], None] = lambda _: None) -> Iterator[list[bytes]]:
    """The same, some hundred lines at a time."""
    for path in paths:
        yield from _blocks(path, on_bytes)


def _blocks(path: Path, on_bytes: Callable[[int], None]) -> Iterator[list[bytes]]:
    """The file's lines, unpacked by its name, many at once."""
    unpacked = _UNPACKED.get(path.suffix, _plain)
    try:
        with io.BufferedReader(_CountedFile(path, on_bytes), _BLOCK_BYTES) as file, unpacked(file) as lines:
            while block := lines.readlines(_BLOCK_BYTES):
                yield [stripped for line in block if (stripped := line.rstrip(b"\r\n"))]
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise RecordingUnreadable(path, f"a damaged archive ({error})") from error
    except OSError as error:
        raise RecordingUnreadable(path, error.strerror or str(error)) from error


class _CountedFile(io.FileIO):
    """A file that reports how many of its bytes were read."""

    def __init__(self, path: Path, on_bytes: Callable[[int], None]) -> None:
        super().__init__(path)
        self._on_bytes = on_bytes

    def readinto(self, buffer: object, /) -> int:
        count = super().readinto(cast("bytearray", buffer)) or 0
        self._on_bytes(count)
        return count


def _plain(file: IO[bytes]) -> IO[bytes]:
    return file


def _gzip(file: IO[bytes]) -> IO[bytes]:
    return _buffered(gzip.open(file, "rb"))


def _xz(file: IO[bytes]) -> IO[bytes]:
    return _buffered(lzma.open(file, "rb"))


def _zstd(file: IO[bytes]) -> IO[bytes]:
    return _buffered(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))


def _buffered(unpacked: object) -> IO[bytes]:
    return io.BufferedReader(cast("io.RawIOBase", unpacked), _BLOCK_BYTES)


_UNPACKED: Final[dict[str, Callable[[IO[bytes]], IO[bytes]]]] = {".gz": _gzip, ".xz": _xz, ".zst": _zstd}


def polls_of(lines: Iterator[bytes], poll_events: int) -> Iterator[Poll]:
    """``poll_events`` lines a poll."""
    while raws := list(islice(lines, poll_events)):
        yield Poll(raws)


class RecordingSource(FixedPartitionedSource[Item, None], Generic[Item]):
    """What there is, one after the other, until ``is_stopping()``."""

    def __init__(self, items: Iterator[Item], is_stopping: Callable[[], bool]) -> None:
        self._items = items
        self._is_stopping = is_stopping

    def list_parts(self) -> list[str]:
        """One part: the order of a recording is its own."""
        return [_WHOLE]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_RecordingPart[Item]":
        """The only part."""
        return _RecordingPart(self._items, self._is_stopping)


class _RecordingPart(StatefulSourcePartition[Item, None], Generic[Item]):
    def __init__(self, items: Iterator[Item], is_stopping: Callable[[], bool]) -> None:
        self._items = items
        self._is_stopping = is_stopping

    def next_batch(self) -> Iterable[Item]:
        if self._is_stopping():
            raise StopIteration
        return (next(self._items),)

    def snapshot(self) -> None:
        return None
