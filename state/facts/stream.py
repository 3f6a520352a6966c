"""The stream of facts for other systems: CloudEvents, each written once by its id.

In: facts, hints and retirements. Out: how many were new. Refused: what has been written within a day
(counted as not new); ``StoreUnavailable`` when Redis is away - the same list may then be written again.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from operators.hints.hint import Hint, Retirement
from operators.records.facts import Fact
from state.facts.cloud_events import fact_event, hint_created_event, retirement_event
from state.redis import keys
from state.redis.connections import Client
from state.redis.idempotent_append import StreamEntry, append_once

KEPT_FACTS: Final = 100_000

PublicItem = Fact | Hint | Retirement


class FactStream(Protocol):
    """Where facts go out. Raises StoreUnavailable."""

    def write(self, facts: Sequence[PublicItem]) -> int:
        """Write what has not been written yet, in order; how many that were."""


class RedisFactStream(FactStream):
    """Facts in a Redis stream, a list at a time."""

    def __init__(self, client: Client, kept_facts: int = KEPT_FACTS) -> None:
        self._client = client
        self._kept_facts = kept_facts

    def write(self, facts: Sequence[PublicItem]) -> int:
        """Write what has not been written yet, in order; how many that were."""
        events = map(event_of, facts)
        entries = [StreamEntry(event["id"], msgspec.json.encode(event)) for event in events]
        return append_once(self._client, keys.FACTS, entries, self._kept_facts)


def event_of(item: PublicItem) -> dict[str, Any]:
    """The CloudEvent of a fact, a new hint or the end of one."""
    if isinstance(item, Fact):
        return fact_event(item)
    return hint_created_event(item) if isinstance(item, Hint) else retirement_event(item)
