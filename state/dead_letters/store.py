"""Dead letters to look at and to redrive: what every store that keeps them can do.

In: a span of time, or one letter's id. Out: letters, each with its position as id and whether it was redriven; their
events back on the bus, each letter once.
Refused: everything while the store is away (``StoreUnavailable``); a bus without room (``BusFull``: no letter of the
call went).

A letter's ``id`` is its position: short, in order of writing. What is marked as redriven is its ``stable_id``, so that
a letter written twice, or a store that begins anew, cannot be taken for another.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from operators.records.dead_letters import NotALetter, ReturningEvent, StoredLetter, read_letter

END_OF_TIME_MS = 1 << 53


class TimeSpan(NamedTuple):
    """From ``since_ms`` on and before ``until_ms``, epoch ms."""

    since_ms: int = 0
    until_ms: int = END_OF_TIME_MS


class ListedLetter(msgspec.Struct, frozen=True):
    """One letter where it is kept.

    ``id``: its position; ``written_ms``: when it was written; ``document``: as it was written; ``letter``: the same,
    read (None: Zhiyin did not write it); ``redriven_ms``: when its event went back on the bus, None: it did not.
    """

    id: str
    written_ms: int
    document: bytes
    letter: StoredLetter | None
    redriven_ms: int | None = None


class DeadLetterStore(Protocol):
    """Where dead letters are kept, to be looked at. Raises StoreUnavailable."""

    def letters(self, span: TimeSpan, *, newest_first: bool = False) -> Iterator[ListedLetter]:
        """The letters written in ``span`` that are there now, in order of writing; none that comes meanwhile."""

    def letter(self, letter_id: str) -> ListedLetter | None:
        """One letter; None: there is none of this id, or no longer."""

    def forget_gone(self) -> int:
        """Lets go of the marks of letters that are gone; how many."""


class Redriver(Protocol):
    """Puts letters' events back on the bus."""

    async def redrive(self, letters: Sequence[ListedLetter], now_ms: int) -> int:
        """Events of ``letters`` to the bus, in order, and the letters marked; how many went.

        Left out: what is marked already, a second copy of a letter, and what is no letter of ours. All of the others
        or none. Raises BusFull, StoreUnavailable.
        """


def listed_letter(letter_id: str, written_ms: int, document: bytes) -> ListedLetter:
    """A letter from what is kept of it, not marked yet."""
    try:
        letter = read_letter(document)
    except NotALetter:
        letter = None
    return ListedLetter(letter_id, written_ms, document, letter)


def mark_of(letter: ListedLetter) -> str:
    """Under which name a letter is marked as redriven."""
    return letter.id if letter.letter is None else letter.letter.stable_id


def marked(letters: Sequence[ListedLetter], redriven_ms: Sequence[int | None]) -> list[ListedLetter]:
    """``letters`` with their marks, one a letter."""
    return [
        msgspec.structs.replace(letter, redriven_ms=when_ms)
        for letter, when_ms in zip(letters, redriven_ms, strict=True)
    ]


def returning(letters: Sequence[ListedLetter]) -> list[tuple[ListedLetter, ReturningEvent]]:
    """Those of ``letters`` that may go back on the bus, each once, with their events."""
    returned: dict[str, tuple[ListedLetter, ReturningEvent]] = {}
    for letter in letters:
        if letter.letter is not None and letter.redriven_ms is None:
            returned.setdefault(mark_of(letter), (letter, letter.letter.event()))
    return list(returned.values())
