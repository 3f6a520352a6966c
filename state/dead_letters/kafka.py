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
_POSITION: Final = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)


class KafkaDeadLetterStore(DeadLetterStore):
    """The topic of dead letters."""

    def __init__(self, pages: KafkaPages, redrive_log: RedriveLog) -> None:
        self._pages = pages
        self._redrive_log = redrive_log

    def letters(self, span: TimeSpan, *, newest_first: bool = False) -> Iterator[ListedLetter]:
        """The letters written in ``span`` that are there now, in order of writing; none that comes meanwhile."""
        read = self._backwards if newest_first else self._forwards
        partitions = [read(partition, ends, span) for partition, ends in self._pages.ends().items()]
        messages = heapq.merge(*partitions, key=attrgetter("written_ms"), reverse=newest_first)
        while batch := list(islice(messages, _MARKS_A_LOOK)):
            yield from self._marked(batch)

    def letter(self, letter_id: str) -> ListedLetter | None:
        """One letter; None: there is none of this id, or no longer."""
        position = _position(letter_id)
        if position is None:
            return None
        partition, offset = position
        ends = self._pages.ends().get(partition)
        if ends is None or not ends.first <= offset < ends.beyond:
            return None
        return next(iter(self._marked(self._pages.page(partition, offset, offset + 1))), None)

    def forget_gone(self) -> int:
        """Lets go of the marks of letters that are gone; how many."""
        ends = self._pages.ends()

        def is_gone(letter_id: str) -> bool:
            position = _position(letter_id)
            return position is not None and (position[0] not in ends or position[1] < ends[position[0]].first)

        return self._redrive_log.forget(is_gone)

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
        letters = [
            listed_letter(f"{message.partition}:{message.offset}", message.written_ms, message.value)
            for message in messages
        ]
        return marked(letters, self._redrive_log.when([mark_of(letter) for letter in letters]))


def _within(page: list[TopicMessage], span: TimeSpan) -> Iterator[TopicMessage]:
    return (message for message in page if span.since_ms <= message.written_ms < span.until_ms)


def _position(letter_id: str) -> tuple[int, int] | None:
    """Partition and offset; None: not a position on this topic."""
    match = _POSITION.fullmatch(letter_id)
    return None if match is None else (int(match[1]), int(match[2]))
