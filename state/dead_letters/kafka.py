"""Dead letters on their Kafka topic, to be looked at.

In and out as in ``state.dead_letters.store``; a letter's id is ``PARTITION:OFFSET``, its marks are in Redis.
Refused: everything while Kafka or Redis is away (``StoreUnavailable``).

Partitions are merged by the messages' timestamps; within one, and so for each customer, their order stands.
"""

import heapq
import re
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from typing import Final

from state.dead_letters.redrive_log import RedriveLog
from state.dead_letters.store import DeadLetterStore, ListedLetter, TimeSpan, listed_letter, mark_of, marked
from state.kafka.page_reader import KafkaPages, PartitionEnds, TopicMessage

_MARKS_A_LOOK: Final = 200
_PLACE: Final = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)


class KafkaDeadLetterStore(DeadLetterStore):
    """The topic of dead letters."""

    def __init__(self, pages: KafkaPages, marks: RedriveLog) -> None:
        self._pages = pages
        self._marks = marks

    def letters(self, span: TimeSpan, *, newest_first: bool = False) -> Iterator[ListedLetter]:
        """The letters written in ``span`` that are there now, in order of writing; none that comes meanwhile."""
        one = self._backwards if newest_first else self._forwards
        partitions = [one(partition, ends, span) for partition, ends in self._pages.ends().items()]
        messages = heapq.merge(*partitions, key=attrgetter("written_ms"), reverse=newest_first)
        while found := list(islice(messages, _MARKS_A_LOOK)):
            yield from self._marked(found)

    def letter(self, letter_id: str) -> ListedLetter | None:
        """One letter; None: there is none of this id, or no longer."""
        place = _place(letter_id)
        if place is None:
            return None
        partition, offset = place
        ends = self._pages.ends().get(partition)
        if ends is None or not ends.first <= offset < ends.beyond:
            return None
        return next(iter(self._marked(self._pages.page(partition, offset, offset + 1))), None)

    def forget_gone(self) -> int:
        """Lets go of the marks of letters that are gone; how many."""
        kept = self._pages.ends()

        def gone(letter_id: str) -> bool:
            place = _place(letter_id)
            return place is not None and (place[0] not in kept or place[1] < kept[place[0]].first)

        return self._marks.forget(gone)

    def _forwards(self, partition: int, ends: PartitionEnds, span: TimeSpan) -> Iterator[TopicMessage]:
        for page in self._pages.forwards(partition, ends):
            yield from _within(page, span)

    def _backwards(self, partition: int, ends: PartitionEnds, span: TimeSpan) -> Iterator[TopicMessage]:
        """Stops at a whole page from before the span: clocks of engines differ by less than that."""
        for page in self._pages.backwards(partition, ends):
            yield from _within(page, span)
            if page and all(message.written_ms < span.since_ms for message in page):
                return

    def _marked(self, messages: list[TopicMessage]) -> list[ListedLetter]:
        letters = [listed_letter(f"{each.partition}:{each.offset}", each.written_ms, each.value) for each in messages]
        return marked(letters, self._marks.when([mark_of(letter) for letter in letters]))


def _within(page: list[TopicMessage], span: TimeSpan) -> Iterator[TopicMessage]:
    return (message for message in page if span.since_ms <= message.written_ms < span.until_ms)


def _place(letter_id: str) -> tuple[int, int] | None:
    """Partition and offset; None: not a place on this topic."""
    found = _PLACE.fullmatch(letter_id)
    return None if found is None else (int(found[1]), int(found[2]))
