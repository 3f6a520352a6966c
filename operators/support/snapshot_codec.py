"""Stored state coming back: rows in packs, and the error when they are not ours."""

from collections.abc import Iterable, Iterator
from typing import Final, Generic, TypeVar

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)


class StateUnreadable(Exception):
    """Saved state that is not of our format. ``found``, ``expected``: the format names."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            f"saved state: found format {found}, expected {expected!r}; "
            "start with an empty recovery folder, or with the version that wrote it"
        )


class _StoredFormat(msgspec.Struct, array_like=True, gc=False):
    format: str


_OUTLINE: Final = msgspec.msgpack.Decoder(_StoredFormat)

ALL: Final = 1 << 62
"""More rows than there can be."""


def pop_up_to(changed: set[str], most: int) -> list[str]:
    """Takes at most ``most`` keys out."""
    if len(changed) > most:
        return [changed.pop() for _ in range(most)]
    keys = list(changed)
    changed.clear()
    return keys


class SnapshotCodec(Generic[Record]):
    """One kind of record in saved state, whose first field or whose pack's head names the ``stored_format``.

    Made where modules are loaded, never where they run: msgspec 0.22 crashes the process when two threads use a type
    for the first time at once, and workers take up their state all at once.
    """

    def __init__(self, record: type[Record], stored_format: str) -> None:
        self._format = stored_format
        self._one: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(record)
        self._many: msgspec.msgpack.Decoder[list[Record]] = msgspec.msgpack.Decoder(list[record])  # type: ignore[valid-type]  # the type is what is passed

    def decode(self, packed: bytes) -> Record:
        """One record whose first field is its format. Raises StateUnreadable unless it is ours."""
        try:
            stored_format = _OUTLINE.decode(packed).format
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateUnreadable("nothing we know", self._format) from error
        if stored_format != self._format:
            raise StateUnreadable(repr(stored_format), self._format)
        try:
            return self._one.decode(packed)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error

    def decode_rows(self, packed: Iterable[bytes]) -> Iterator[Record]:
        """The rows of all packs, in order. Raises StateUnreadable."""
        for pack in packed:
            try:
                yield from self._many.decode(pack)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> StateUnreadable:
        return StateUnreadable(f"{self._format}, damaged ({error})", self._format)
