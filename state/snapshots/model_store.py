"""What has been learnt, kept in files: a folder a journey, a file a version.

In: a journey's packed models and what is to be known of them. Out: the versions there are, one of them read, the
version an engine begins with. Refused: a file that is cut or changed (``ModelDamaged``), models of a format this
program does not know (``ModelForeign``), a version there is none of (``ModelMissing``).

A file is two lines and the models: format and SHA-256 of all that follows; a description in JSON; bytes of msgpack.
Nothing is ever unpickled. A file appears whole or not at all, under a number of its own. The newest ``keep`` stay, and
the one that is pinned.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from operators.learning.interfaces import Quality
from operators.records.facts import stable_id

FILE_FORMAT: Final = "zhiyin-models-1"
KEEP: Final = 20
_SUFFIX: Final = ".model"
_PIN: Final = "pinned"
_NAME: Final = "journey"
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_]+")


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a version. ``format``: of the packed models; ``catalogue``: fingerprint of the journey's part.

    ``trained_from_ms``, ``trained_to_ms``: event time of the first and last label learnt (None: none yet);
    ``saved_ms``: by the clock.
    """

    version: int = 0
    journey: str
    format: str
    program: str
    catalogue: str
    saved_ms: int
    trained_from_ms: int | None
    trained_to_ms: int | None
    labels: int
    figures: tuple[Quality, ...] = ()


_DESCRIPTION: Final = msgspec.json.Decoder(ModelDescription)


class ModelDamaged(Exception):
    """A file that does not hold what was written. ``path``; ``found``, ``expected``: in words."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        self.path = path
        self.found = found
        self.expected = expected
        super().__init__(
            f"{path}: found {found}, expected {expected}; "
            "pin an older version with 'zhiyin models rollback', or delete the file"
        )


class ModelForeign(Exception):
    """Models of a format this program does not know. ``path``; ``found``, ``expected``: formats."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        self.path = path
        self.found = found
        self.expected = expected
        super().__init__(
            f"{path}: found models of format {found!r}, expected {expected!r}; "
            "run the version of Zhiyin that wrote it, or pin another with 'zhiyin models rollback'"
        )


class ModelMissing(Exception):
    """A version there is none of. ``folder``: where it was looked for; ``wanted``: its number."""

    def __init__(self, folder: Path, wanted: int) -> None:
        self.folder = folder
        self.wanted = wanted
        super().__init__(
            f"{folder}: found no version {wanted}, expected one of those kept there; 'zhiyin models list' shows them"
        )


ModelUnusable = ModelDamaged | ModelForeign | ModelMissing


def models_folder(state_dir: str) -> Path:
    """Where an engine with this ``state_dir`` keeps its models."""
    return Path(state_dir) / "models"


class ModelStore:
    """The models below ``folder``. ``understands``: the only format of packed models that is read."""

    def __init__(self, folder: Path, understands: str, keep: int = KEEP) -> None:
        self._folder = folder
        self._understands = understands
        self._keep = keep

    def save(self, description: ModelDescription, packed: bytes) -> int:
        """Writes the next version, removes what is too old; its number. Raises OSError: nothing has changed then."""
        folder = self._of(description.journey)
        folder.mkdir(parents=True, exist_ok=True)
        kept = _numbers(folder)
        number = max(kept, default=0) + 1
        body = msgspec.json.encode(msgspec.structs.replace(description, version=number)) + b"\n" + packed
        _write_whole(_file(folder, number), f"{FILE_FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body)
        if not (folder / _NAME).is_file():
            _write_whole(folder / _NAME, description.journey.encode())
        pinned = self.pinned(description.journey)
        for old in [*kept, number][: -self._keep]:
            if old != pinned:
                _file(folder, old).unlink(missing_ok=True)
        return number

    def journeys(self) -> list[str]:
        """Every journey that has a folder, by name."""
        names = (folder / _NAME for folder in self._folder.glob("*/"))
        return sorted(name.read_text("utf-8") for name in names if name.is_file())

    def versions(self, journey: str) -> Iterator[ModelDescription | ModelUnusable]:
        """Every version, oldest first; what can't be used is there as its error."""
        for number in _numbers(self._of(journey)):
            try:
                yield self.read(journey, number)[0]
            except (ModelDamaged, ModelForeign, ModelMissing) as error:
                yield error

    def read(self, journey: str, version: int) -> tuple[ModelDescription, bytes]:
        """One version: what is known of it, and the models. Raises ModelDamaged, ModelForeign, ModelMissing."""
        folder = self._of(journey)
        path = _file(folder, version)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise ModelMissing(folder, version) from error
        description, packed = _parsed(path, content)
        if description.journey != journey or description.version != version:
            found = f"version {description.version} of {description.journey}"
            raise ModelDamaged(path, found, f"version {version} of {journey}")
        if description.format != self._understands:
            raise ModelForeign(path, description.format, self._understands)
        return description, packed

    def numbers(self, journey: str) -> list[int]:
        """The numbers of the versions there are, newest first."""
        return _numbers(self._of(journey))[::-1]

    def pin(self, journey: str, version: int) -> None:
        """From now on every start begins with ``version``. Raises as ``read`` does, and OSError."""
        self.read(journey, version)
        _write_whole(self._of(journey) / _PIN, f"{version}\n".encode())

    def release(self, journey: str) -> None:
        """No version is pinned any more."""
        (self._of(journey) / _PIN).unlink(missing_ok=True)

    def pinned(self, journey: str) -> int | None:
        """The number that is pinned; None when none is. Raises ModelDamaged."""
        path = self._of(journey) / _PIN
        try:
            text = path.read_text("utf-8").strip()
        except FileNotFoundError:
            return None
        if not (text.isascii() and text.isdigit()):
            raise ModelDamaged(path, repr(text[:40]), "the number of a version")
        return int(text)

    def _of(self, journey: str) -> Path:
        """A folder whose name can be read, and is the journey's alone."""
        return self._folder / f"{_STRANGE.sub('_', journey)[:40]}-{stable_id(journey)[:8]}"


def _parsed(path: Path, content: bytes) -> tuple[ModelDescription, bytes]:
    first, _, body = content.partition(b"\n")
    if first != f"{FILE_FORMAT} {hashlib.sha256(body).hexdigest()}".encode():
        found = "a file of another kind" if not first.startswith(FILE_FORMAT.encode()) else "another checksum"
        raise ModelDamaged(path, found, f"{FILE_FORMAT} and the SHA-256 of what follows")
    description, _, packed = body.partition(b"\n")
    try:
        return _DESCRIPTION.decode(description), packed
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelDamaged(path, f"a description that says {error}", "the description of a version") from error


def _numbers(folder: Path) -> list[int]:
    names = (path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _file(folder: Path, version: int) -> Path:
    return folder / f"{version:06d}{_SUFFIX}"


def _write_whole(path: Path, content: bytes) -> None:
    """There whole, on disk, or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
