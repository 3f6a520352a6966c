"""What is kept in Redis for so many days and no longer: facts, dead letters, the audit trail, the events of channels.

In: settings, and the time. Out: how many entries went. Refused: nothing; ``StoreUnavailable`` while Redis is away.
Streams whose ids are instants are cut by id; a channel's ids are offsets, there the time of each event decides, oldest
first. A client that comes back for what is gone has to reload, as for what a full channel dropped.
"""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

import msgspec

from config.settings.table import Settings
from operators.support.timestamps import to_ms
from state.redis import keys
from state.redis.connections import AsyncClient, answering

DAY_MS: Final = 86_400_000
ENTRIES_A_LOOK: Final = 500


class _When(msgspec.Struct, gc=False):
    time: datetime | None = None


_DECODER: Final = msgspec.json.Decoder(_When)


async def let_go(client: AsyncClient, settings: Settings, now_ms: int) -> Counter[str]:
    """Removes what is older than the settings allow; how many entries, by pattern. Raises StoreUnavailable."""
    streams = (
        (keys.FACTS, settings.facts_retention_days),
        (keys.DEAD_LETTERS, settings.dead_letters_retention_days),
        (keys.AUDIT, settings.audit_retention_days),
    )
    removed: Counter[str] = Counter()
    with answering("letting go of what is old", client):
        for key, days in streams:
            removed[key.pattern] += await _cut(client, key.of(), f"{max(0, now_ms - int(days * DAY_MS))}-0")
        before_ms = now_ms - int(settings.channels_retention_days * DAY_MS)
        async for name in client.scan_iter(match=keys.CHANNEL.of("*"), count=1_000):
            first = await _first_since(client, name, before_ms)
            if first is not None:
                removed[keys.CHANNEL.pattern] += await _cut(client, name.decode(), first)
    return +removed


async def _cut(client: AsyncClient, name: str, first_kept: str) -> int:
    removed: Any = await client.xtrim(name, minid=first_kept, approximate=False)
    return int(removed)


async def _first_since(client: AsyncClient, name: bytes, before_ms: int) -> str | None:
    """The id of the first entry that is young enough; None: even the oldest is."""
    first_kept = None
    async for entry_id, event in _oldest_first(client, name):
        if _time_ms(event) >= before_ms:
            return first_kept and entry_id
        milliseconds = int(entry_id.partition("-")[0])
        first_kept = f"{milliseconds + 1}-0"
    return first_kept


async def _oldest_first(client: AsyncClient, name: bytes) -> AsyncIterator[tuple[str, bytes]]:
    after = "-"
    while True:
        entries: Any = await client.xrange(name, after, "+", ENTRIES_A_LOOK)
        for entry_id, fields in entries:
            yield entry_id.decode(), fields.get(b"e", b"")
        if len(entries) < ENTRIES_A_LOOK:
            return
        after = f"({entries[-1][0].decode()}"


def _time_ms(event: bytes) -> int:
    """When an event happened; what does not say counts as old."""
    try:
        moment = _DECODER.decode(event).time
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return 0 if moment is None else to_ms(moment)
