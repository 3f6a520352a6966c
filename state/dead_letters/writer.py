"""Dead letters: kept in a stream until somebody looks, each once.

In: dead letters. Out: how many were new. Refused: the same bytes refused at the same time again (not new);
``StoreUnavailable`` when Redis is away - the same list may then be written again.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from operators.records.dead_letters import DeadLetter, dead_letter_document, letter_id
from state.redis import keys
from state.redis.connections import Client
from state.redis.idempotent_append import StreamEntry, append_once

KEPT_LETTERS: Final = 100_000


class DeadLetterWriter(Protocol):
    """Where dead letters go. Raises StoreUnavailable."""

    def write(self, letters: Sequence[DeadLetter]) -> int:
        """Write what has not been written yet, in order; how many that were."""


class RedisDeadLetterWriter(DeadLetterWriter):
    """Dead letters in a Redis stream. ``version``: of this Zhiyin, it stands in every letter."""

    def __init__(self, client: Client, version: str, kept_letters: int = KEPT_LETTERS) -> None:
        self._client = client
        self._version = version
        self._kept_letters = kept_letters

    def write(self, letters: Sequence[DeadLetter]) -> int:
        """Write what has not been written yet, in order; how many that were."""
        entries = [
            StreamEntry(letter_id(letter), msgspec.json.encode(dead_letter_document(letter, self._version)))
            for letter in letters
        ]
        return append_once(self._client, keys.DEAD_LETTERS, entries, self._kept_letters)
