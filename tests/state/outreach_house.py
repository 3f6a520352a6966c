"""An outreach list in a real Redis for tests: entries to put on it, and a clock that a test sets."""

import msgspec

from operators.outreach.call_list_entry import CallFirst, NoCall, NoCallCause, OutreachEntry, entry_of
from operators.records.catalogue import QuietHours
from state.outreach.claims import OutreachRepository
from state.outreach.writer import OutreachWriter
from state.redis.connections import connect, connect_async
from tests.state.houses import HOUR_MS, NOON_MS, make_hint

LEASE_MS = 900_000


def make_entry(name: str = "o1", **changes: object) -> OutreachEntry:
    """An entry listed at noon for an hour."""
    entry = entry_of(make_hint(), NOON_MS, NOON_MS + HOUR_MS, 0, LEASE_MS, None)
    return msgspec.structs.replace(entry, outreach_id=name, **changes)


NIGHT = QuietHours("Asia/Shanghai", "22:00", "08:00")


class OutreachHouse:
    """The engine's and the gateway's side of one list."""

    def __init__(self, url: str) -> None:
        self.now_ms = NOON_MS
        self.client = connect(url)
        self.asking = connect_async(url)
        self.store = OutreachWriter(self.client, lambda: self.now_ms)
        self.board = OutreachRepository(self.asking)

    def put(self, name: str = "o1", **changes: object) -> OutreachEntry:
        """Put an entry on the list."""
        entry = make_entry(name, **changes)
        assert self.store.write([CallFirst(entry)]) == [True]
        return entry

    def end(self, entry: OutreachEntry, cause: NoCallCause = "returned") -> bool:
        """The engine takes an entry from the list."""
        (changed,) = self.store.write([NoCall(entry.outreach_id, entry.customer_id, entry.journey, cause, self.now_ms)])
        return changed

    async def names(self, journey: str | None = None) -> list[str]:
        """The ids on the list, in its order."""
        page = await self.board.page(journey, None, 100, self.now_ms)
        return [each["outreach_id"] for each in page.entries]

    async def close(self) -> None:
        self.client.close()
        await self.asking.aclose()
