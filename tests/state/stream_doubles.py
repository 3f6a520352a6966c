"""Facts and dead letters in memory for the contract suites, beside those in Redis."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from operators.records.dead_letters import DeadLetter, ReturningEvent, dead_letter_document, letter_id
from state.dead_letters.store import (
    DeadLetterStore,
    ListedLetter,
    Redriver,
    TimeSpan,
    listed_letter,
    mark_of,
    marked,
    returning,
)
from state.dead_letters.writer import DeadLetterWriter
from state.facts.stream import FactStream, PublicItem, event_of


class MemoryFactStream(FactStream):
    """The twin in memory: ``events`` holds what was written, as JSON."""

    def __init__(self) -> None:
        self.events: dict[str, bytes] = {}

    def write(self, facts: Sequence[PublicItem]) -> int:
        """Write what has not been written yet, in order; how many that were."""
        before = len(self.events)
        for event in map(event_of, facts):
            self.events.setdefault(event["id"], msgspec.json.encode(event))
        return len(self.events) - before


class MemoryDeadLetterWriter(DeadLetterWriter):
    """The twin in memory: ``letters`` holds what was written."""

    def __init__(self, version: str) -> None:
        self.letters: dict[str, dict[str, Any]] = {}
        self._version = version

    def write(self, letters: Sequence[DeadLetter]) -> int:
        """Write what has not been written yet, in order; how many that were."""
        before = len(self.letters)
        for letter in letters:
            self.letters.setdefault(letter_id(letter), dead_letter_document(letter, self._version))
        return len(self.letters) - before


class MemoryDeadLetterStore(DeadLetterStore, Redriver):
    """The twin in memory: ``put`` letters in; ``bus`` holds what was redriven."""

    def __init__(self) -> None:
        self.bus: list[ReturningEvent] = []
        self._letters: dict[str, ListedLetter] = {}
        self._marks: dict[str, int] = {}
        self._put = 0

    def put(self, document: bytes, written_ms: int) -> str:
        """Keeps one letter; its id."""
        self._put += 1
        letter = listed_letter(str(self._put), written_ms, document)
        self._letters[letter.id] = letter
        return letter.id

    def drop(self, letter_id: str) -> None:
        """Loses one letter, as a place does that keeps only the newest."""
        del self._letters[letter_id]

    def letters(self, span: TimeSpan, *, newest_first: bool = False) -> Iterator[ListedLetter]:
        """The letters written in ``span`` that are there now, in order of writing; none that comes meanwhile."""
        kept = list(self._letters.values())
        wanted = [each for each in kept if span.since_ms <= each.written_ms < span.until_ms]
        yield from self._marked(wanted[::-1] if newest_first else wanted)

    def letter(self, letter_id: str) -> ListedLetter | None:
        """One letter; None: there is none of this id, or no longer."""
        found = self._letters.get(letter_id)
        return None if found is None else self._marked([found])[0]

    def forget_gone(self) -> int:
        """Lets go of the marks of letters that are gone; how many."""
        gone = self._marks.keys() - {mark_of(letter) for letter in self._letters.values()}
        for mark in gone:
            del self._marks[mark]
        return len(gone)

    async def redrive(self, letters: Sequence[ListedLetter], now_ms: int) -> int:
        """Events of ``letters`` to the bus, in order, and the letters marked; how many went."""
        going = returning(self._marked(letters))
        self.bus += [event for _, event in going]
        self._marks.update((mark_of(letter), now_ms) for letter, _ in going)
        return len(going)

    def _marked(self, letters: Sequence[ListedLetter]) -> list[ListedLetter]:
        return marked(letters, [self._marks.get(mark_of(letter)) for letter in letters])
