"""Which dead letters were redriven: one Redis hash, wherever the letters themselves are kept.

In: names of letters (``mark_of``) with their positions. Out: when each was redriven.
Refused: everything while Redis is away (``StoreUnavailable``).

Redis holds the marks for Kafka's letters too: a topic cannot be asked for one name, and Redis is always there.
A mark lasts as long as its letter (``forget``), not for a set time: one that ends earlier would let a letter go twice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from state.redis import keys
from state.redis.connections import Client, answering

_NAMES_A_LOOK: Final = 1_000


def mark_value(now_ms: int, letter_id: str) -> str:
    """What a mark holds: when the letter was redriven (epoch ms), and its position."""
    return f"{now_ms} {letter_id}"


class RedriveLog:
    """The marks of redriven letters."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def when(self, names: Sequence[str]) -> list[int | None]:
        """When each letter was redriven, epoch ms; None: it was not."""
        if not names:
            return []
        with answering("reading which dead letters were redriven", self._client):
            values: Any = self._client.hmget(keys.REDRIVEN.of(), list(names))
        return [None if value is None else int(value.partition(b" ")[0]) for value in values]

    def mark(self, letters: Mapping[str, str], now_ms: int) -> None:
        """Marks letters, name to position, as redriven now."""
        pairs = [item for name, position in letters.items() for item in (name, mark_value(now_ms, position))]
        with answering("marking dead letters as redriven", self._client):
            self._client.hset(keys.REDRIVEN.of(), items=pairs)

    def forget(self, is_gone: Callable[[str], bool]) -> int:
        """Lets go of the marks of letters that are gone from their position; how many."""
        key = keys.REDRIVEN.of()
        with answering("forgetting redriven dead letters", self._client):
            marks: Any = self._client.hscan_iter(key, count=_NAMES_A_LOOK)
            old = [name for name, value in marks if is_gone(value.decode().partition(" ")[2])]
            for start in range(0, len(old), _NAMES_A_LOOK):
                self._client.hdel(key, *old[start : start + _NAMES_A_LOOK])
        return len(old)
