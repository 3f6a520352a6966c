"""Stored state coming back: rows in packs, and what is said when they are not ours."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)


class StateUnreadable(Exception):
    """Saved state that is not of our format. ``found``, ``expected``: the format words."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            f"saved state: found format {found}, expected {expected!r}; "
            "start with an empty recovery folder, or with the version that wrote it"
        )


class _Outline(msgspec.Struct, array_like=True, gc=False):
    format: str


ALL: Final = 1 << 62
"""More rows than there can be."""


def taken(changed: set[str], most: int) -> list[str]:
    """Takes at most ``most`` keys out."""
    if len(changed) > most:
        return [changed.pop() for _ in range(most)]
    keys = list(changed)
    changed.clear()
    return keys


def unpack(packed: bytes, record: type[Row], expected: str) -> Row:
    """One record whose first field is its format. Raises StateUnreadable unless it is the ``expected``."""
    try:
        found = msgspec.msgpack.decode(packed, type=_Outline).format
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateUnreadable("nothing we know", expected) from error
    if found != expected:
        raise StateUnreadable(repr(found), expected)
    try:
        return msgspec.msgpack.decode(packed, type=record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateUnreadable(f"{expected}, damaged ({error})", expected) from error


def unpacked(packed: Iterable[bytes], row: type[Row], expected: str) -> Iterator[Row]:
    """The rows of all packs, in order. Raises StateUnreadable, naming the format that was ``expected``."""
    decoder = msgspec.msgpack.Decoder(list[row])  # type: ignore[valid-type]  # the type is what is passed
    for pack in packed:
        try:
            yield from decoder.decode(pack)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateUnreadable(f"{expected}, damaged ({error})", expected) from error
