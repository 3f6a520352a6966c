"""Recorded events from files: NDJSON, plain or compressed (.gz .xz .zst), read in order.

In: paths. Out: polls of raw lines, empty lines left out. Refused: a missing file, a damaged
archive (``RecordingUnreadable``, with the file and what was found).
"""

import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Final, cast

import zstandard
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.delivery import Poll

_WHOLE: Final = "recording"


class RecordingUnreadable(Exception):
    """A recording that can't be read. ``path``; ``found``: what was in the way."""

    def __init__(self, path: Path, found: str) -> None:
        self.path = path
        self.found = found
        expected = "NDJSON events, plain or as .gz .xz .zst"
        super().__init__(f"{path}: found {found}, expected {expected}; check the path and the file")


def open_recording(path: Path) -> Iterator[bytes]:
    """The file's lines as bytes, decompressed by its name. Raises RecordingUnreadable."""
    opener: Callable[[Path], IO[bytes]] = _OPENERS.get(path.suffix, _open_plain)
    try:
        with opener(path) as lines:
            yield from lines
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise RecordingUnreadable(path, f"a damaged archive ({error})") from error
    except OSError as error:
        raise RecordingUnreadable(path, error.strerror or str(error)) from error


def _open_plain(path: Path) -> IO[bytes]:
    return path.open("rb")


def _open_gzip(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb"))


def _open_xz(path: Path) -> IO[bytes]:
    return lzma.open(path, "rb")


def _open_zstd(path: Path) -> IO[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True, closefd=True)
    return io.BufferedReader(cast("io.RawIOBase", reader))


_OPENERS: Final[dict[str, Callable[[Path], IO[bytes]]]] = {".gz": _open_gzip, ".xz": _open_xz, ".zst": _open_zstd}


def read_lines(paths: Sequence[Path], on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    """Every line of every file that is not empty; ``on_bytes`` hears of the raw bytes as they are read."""
    for path in paths:
        for line in open_recording(path):
            on_bytes(len(line))
            stripped = line.rstrip(b"\r\n")
            if stripped:
                yield stripped


class RecordingSource(FixedPartitionedSource[Poll, None]):
    """The files one after the other, ``poll_events`` lines a poll."""

    def __init__(self, lines: Iterator[bytes], poll_events: int) -> None:
        self._lines = lines
        self._poll_events = poll_events

    def list_parts(self) -> list[str]:
        """One part: the order of a recording is its own."""
        return [_WHOLE]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "_RecordingPart":  # noqa: ARG002
        """The only part."""
        return _RecordingPart(self._lines, self._poll_events)


class _RecordingPart(StatefulSourcePartition[Poll, None]):
    def __init__(self, lines: Iterator[bytes], poll_events: int) -> None:
        self._lines = lines
        self._poll_events = poll_events

    def next_batch(self) -> Iterable[Poll]:
        raws = list(islice(self._lines, self._poll_events))
        if not raws:
            raise StopIteration
        return (Poll(raws),)

    def snapshot(self) -> None:
        return None
