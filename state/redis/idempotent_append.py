"""Writing to a stream once: each document under an id that is remembered for a day.

In: a stream's key and documents with their ids. Out: how many were new.
Refused: ids that have been written within a day.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from state.redis import keys
from state.redis.connections import Client, answering
from state.redis.scripts import WRITE_ONCE, Call, run

REMEMBERED_MS: Final = 86_400_000
DOCUMENTS_A_CALL: Final = 500
"""Redis does nothing else while a script runs: some milliseconds for this many. Each call is one round trip."""


class StreamEntry(msgspec.Struct, frozen=True):
    """One document, as JSON, and the id under which it is written once."""

    id: str
    document: bytes


def append_once(client: Client, stream: keys.RedisKey, entries: Sequence[StreamEntry], kept: int) -> int:
    """Add what is new to ``stream``, in order; keep about the newest ``kept`` of all.

    Returns how many were new. Raises StoreUnavailable; the same list may then be written again.
    """
    batches = [entries[start : start + DOCUMENTS_A_CALL] for start in range(0, len(entries), DOCUMENTS_A_CALL)]
    with answering(f"writing to {stream.pattern}", client):
        return sum(run(client, (_call(stream, batch, kept),))[0][0] for batch in batches)


def _call(stream: keys.RedisKey, batch: Sequence[StreamEntry], kept: int) -> Call:
    marks = [keys.TOLD.of(entry.id) for entry in batch]
    documents = [entry.document for entry in batch]
    return Call(WRITE_ONCE, (stream.of(), *marks), (kept, REMEMBERED_MS, *documents))
