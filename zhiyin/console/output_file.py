"""Files we write, packed by their name: ``facts.ndjson``, ``events.ndjson.zst``.

In: a path, and the option that named it. Out: an open file of bytes.
Refused: one that can't be written (``CommandFailure``).
"""

import gzip
import lzma
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Final, cast

import zstandard

from zhiyin.console.errors import CommandFailure


def opened_for_writing(path: Path, option: str) -> AbstractContextManager[IO[bytes]]:
    """``path``, empty and open; what is in it before is lost. Raises CommandFailure."""
    try:
        return _OPENERS.get(path.suffix, _open_plain)(path)
    except OSError as error:
        raise CommandFailure(f"{option} {path}: {error.strerror}, expected a file that can be written") from error


def _open_plain(path: Path) -> IO[bytes]:
    return path.open("wb")


def _open_gzip(path: Path) -> IO[bytes]:
    """Without the time of writing in it: same bytes, same file."""
    return cast("IO[bytes]", gzip.GzipFile(path, "wb", compresslevel=5, mtime=0))


def _open_xz(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", lzma.LZMAFile(path, "wb", preset=3))


def _open_zstd(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", zstandard.ZstdCompressor(level=3).stream_writer(path.open("wb"), closefd=True))


_OPENERS: Final[Mapping[str, Callable[[Path], IO[bytes]]]] = {
    ".gz": _open_gzip,
    ".xz": _open_xz,
    ".zst": _open_zstd,
}
