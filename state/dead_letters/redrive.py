"""Dead letters back to any bus: first the event, then the mark.

In and out as ``Redriver`` in ``state.dead_letters.store``.

Where bus and marks are two systems nothing makes them one: when this dies in between, the event is on the bus and the
letter is not marked. Redriven again it goes twice, and the engine knows the second by its ``messageId``.
"""

from collections.abc import Sequence

from state.bus.protocol import BusWriter, OutgoingEvent
from state.dead_letters.redrive_log import RedriveLog
from state.dead_letters.store import ListedLetter, Redriver, mark_of, marked, returning


class BusRedriver(Redriver):
    """Through the same writer that the gateway has."""

    def __init__(self, writer: BusWriter, redrive_log: RedriveLog) -> None:
        self._writer = writer
        self._redrive_log = redrive_log

    async def redrive(self, letters: Sequence[ListedLetter], now_ms: int) -> int:
        """Events of ``letters`` to the bus, in order, and the letters marked; how many went."""
        returned = returning(marked(letters, self._redrive_log.when([mark_of(letter) for letter in letters])))
        if returned:
            await self._writer.append(
                [OutgoingEvent(event.customer_id, event.time_ms, event.raw) for _, event in returned]
            )
            self._redrive_log.mark({mark_of(letter): letter.id for letter, _ in returned}, now_ms)
        return len(returned)
