"""The archive of a fixture: what one program wrote, and what it made of the rest of the story.

In: a folder, or an archive. Out: the other. An archive holds ``about.json``, ``catalogue.yaml``, ``redis/dump.rdb``,
``state/`` (recovery folder and models), ``rest.json`` (the phases that came later) and ``expected.json``.
"""

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.integration.upgrades.story import BusEvent

PREFIX: Final = "written-by-"
SUFFIX: Final = ".tar.xz"
_KEPT: Final = ("about.json", "catalogue.yaml", "redis/dump.rdb", "state/recovery", "state/models", "rest.json")
_EXPECTED: Final = "expected.json"


class About(msgspec.Struct, frozen=True):
    """``commit``: whose program wrote it. ``stopped_ms``: what its clock showed then."""

    commit: str
    stopped_ms: int


class Phase(msgspec.Struct, frozen=True):
    """One phase after the stop."""

    number: int
    events: tuple[BusEvent, ...]


class Expected(msgspec.Struct, frozen=True):
    """What the program that wrote it made of it: ``at_once`` after its start, ``in_the_end``, and its answers."""

    at_once: Mapping[str, Sequence[str]]
    in_the_end: Mapping[str, Sequence[str]]


def write(path: Path, content: object) -> None:
    """Writes a record as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content, order="deterministic"), indent=1))


def pack(folder: Path, archive: Path) -> None:
    """Packs what belongs to a fixture; the same files give the same bytes."""
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for name in (*_KEPT, _EXPECTED):
            tar.add(folder / name, name, filter=_anonymous)


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks one."""
    with tarfile.open(archive, "r:xz") as tar:
        tar.extractall(folder, filter="data")


def about(folder: Path) -> About:
    return msgspec.json.decode((folder / "about.json").read_bytes(), type=About)


def rest(folder: Path) -> list[Phase]:
    return msgspec.json.decode((folder / "rest.json").read_bytes(), type=list[Phase])


def expected(folder: Path) -> Expected:
    return msgspec.json.decode((folder / _EXPECTED).read_bytes(), type=Expected)


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without who and when; a lock says who held it, and goes empty anyway."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info
