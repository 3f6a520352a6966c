"""Dead letters in their Redis stream, to be looked at and redriven.

In and out as in ``state.dead_letters.store``; a letter's id is its entry id.
Refused, besides: a redrive with other ``bus_partitions`` than the bus has (``BusLayoutMismatch``).

Event and mark are one script: a letter is back on the bus and marked, or neither.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from state.bus.protocol import BusFull, BusUnavailable, partition_of
from state.dead_letters.redrive_log import RedriveLog, mark_value
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
from state.redis import keys
from state.redis.connections import Client, answering
from state.redis.scripts import REDRIVE, Call, run

LETTERS_A_LOOK: Final = 200
_KEY: Final = keys.DEAD_LETTERS.of()
_ENTRY_ID: Final = re.compile(r"(\d{1,19})-(\d{1,19})", re.ASCII)
MOST_PARTITIONS: Final = 256
"""As the setting ``bus_partitions`` allows."""


class BusLayoutMismatch(Exception):
    """The bus is laid out in another number of partitions. ``partitions``: as set here; ``found``: in words."""

    def __init__(self, partitions: int, found: str) -> None:
        self.partitions = partitions
        self.found = found
        super().__init__(
            f"bus_partitions {partitions}: found {found}, expected the number that engine and gateway have; "
            "run this with their settings (ZHIYIN_BUS_PARTITIONS or --settings)"
        )


class RedisDeadLetterStore(DeadLetterStore):
    """The stream of dead letters."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._redrive_log = RedriveLog(client)

    def letters(self, span: TimeSpan, *, newest_first: bool = False) -> Iterator[ListedLetter]:
        """The letters written in ``span`` that are there now, in order of writing; none that comes meanwhile."""
        ends = self._ends()
        if ends is None:
            return
        first = f"{span.since_ms}-0"
        last = ends[1] if _written_ms(ends[1]) < span.until_ms else f"({span.until_ms}-0"
        while True:
            page = self._page(first, last, newest_first=newest_first)
            yield from page
            if len(page) < LETTERS_A_LOOK:
                return
            first, last = (first, f"({page[-1].id}") if newest_first else (f"({page[-1].id}", last)

    def letter(self, letter_id: str) -> ListedLetter | None:
        """One letter; None: there is none of this id, or no longer."""
        if _position(letter_id) is None:
            return None
        return next(iter(self._page(letter_id, letter_id)), None)

    def forget_gone(self) -> int:
        """Lets go of the marks of letters that are gone; how many."""
        ends = self._ends()
        oldest = None if ends is None else _position(ends[0])

        def is_gone(letter_id: str) -> bool:
            position = _position(letter_id)
            return position is not None and (oldest is None or position < oldest)

        return self._redrive_log.forget(is_gone)

    def _ends(self) -> tuple[str, str] | None:
        """The oldest and the newest id; None: there is no letter."""
        with answering("reading dead letters", self._client):
            pages: Any = [self._client.xrange(_KEY, count=1), self._client.xrevrange(_KEY, count=1)]
        (oldest, newest) = pages
        return (oldest[0][0].decode(), newest[0][0].decode()) if oldest and newest else None

    def _page(self, first: str, last: str, *, newest_first: bool = False) -> list[ListedLetter]:
        with answering("reading dead letters", self._client):
            entries: Any = (
                self._client.xrevrange(_KEY, last, first, LETTERS_A_LOOK)
                if newest_first
                else self._client.xrange(_KEY, first, last, LETTERS_A_LOOK)
            )
        letters = [_listed_letter(entry_id.decode(), fields) for entry_id, fields in entries]
        return marked(letters, self._redrive_log.when([mark_of(letter) for letter in letters]))


class RedisRedriver(Redriver):
    """From the stream of letters to the bus on Redis. ``partitions``, ``max_events``: as the bus has them."""

    def __init__(self, client: Client, partitions: int, max_events: int) -> None:
        self._client = client
        self._partitions = partitions
        self._max_events = max_events

    async def redrive(self, letters: Sequence[ListedLetter], now_ms: int) -> int:
        """Events of ``letters`` to the bus, in order, and the letters marked; how many went.

        Raises BusLayoutMismatch, besides. Blocks: its caller has nothing else to do.
        """
        returned = [
            (letter, event, partition_of(event.customer_id, self._partitions)) for letter, event in returning(letters)
        ]
        if not returned:
            return 0
        targets = tuple(dict.fromkeys(partition for _, _, partition in returned))
        self._check_layout(targets)
        arguments: list[str | bytes | int] = [self._max_events]
        for letter, event, partition in returned:
            arguments += (mark_of(letter), mark_value(now_ms, letter.id), targets.index(partition) + 2)
            arguments += (event.customer_id, event.time_ms, event.raw)
        redriven_keys = (keys.REDRIVEN.of(), *(keys.BUS.of(partition) for partition in targets))
        with answering("redriving dead letters", self._client, BusUnavailable):
            full, count, adding = run(self._client, (Call(REDRIVE, redriven_keys, tuple(arguments)),))[0]
        if full:
            raise BusFull(targets[full - 2], count, adding, self._max_events)
        return int(count)

    def _check_layout(self, targets: Sequence[int]) -> None:
        """An event on a partition that nobody reads would be lost: each target must have held events before."""
        with (
            answering("looking at the bus", self._client, BusUnavailable),
            self._client.pipeline(transaction=False) as pipeline,
        ):
            for partition in range(MOST_PARTITIONS):
                pipeline.exists(keys.BUS.of(partition))
            existing = [partition for partition, exists in enumerate(pipeline.execute()) if exists]
        if existing and existing[-1] >= self._partitions:
            raise BusLayoutMismatch(self._partitions, f"a partition {existing[-1]} in Redis")
        missing = sorted(set(targets) - set(existing))
        if missing:
            raise BusLayoutMismatch(self._partitions, f"no partition {missing[0]} in Redis, where a letter came from")


def _listed_letter(entry_id: str, fields: dict[bytes, bytes]) -> ListedLetter:
    return listed_letter(entry_id, _written_ms(entry_id), fields.get(b"e", b""))


def _written_ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def _position(letter_id: str) -> tuple[int, int] | None:
    """A letter's position as two numbers that can be compared; None: not a position in this stream."""
    match = _ENTRY_ID.fullmatch(letter_id)
    return None if match is None else (int(match[1]), int(match[2]))
