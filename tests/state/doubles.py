"""Hints in memory for the contract suites: what Redis and its scripts do, in Python.

In: cards, moves and the time in epoch milliseconds. Out: whether something changed, documents, channel
entries. Refused: what is known or over already. Records are kept for ever here: it is for tests and short runs.
"""

import asyncio
import bisect
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from operators.hints.hint import OPEN_STATES, Speak
from state.hints.repository import (
    ENTRIES_A_WAIT,
    EXPIRED_AT_ONCE,
    MOST_HINTS,
    UNKNOWN_HINT,
    Document,
    HintRepository,
    StateChange,
    newest_first,
)
from state.hints.transitions import (
    HintOrder,
    HintOwner,
    NewHint,
    PlaceHint,
    StateTransition,
    new_hint,
    retirement_transition,
    state_transition,
)
from state.hints.writer import HintWriter
from state.redis import keys
from state.redis.channels import KEPT_EVENTS, ChannelEntry, ChannelOffset, ChannelPosition, fresh_epoch
from state.redis.connections import LONGEST_BLOCK_MS

POLL_S: Final = 0.005


class Record(msgspec.Struct):
    """One hint and what became of it."""

    card: NewHint
    state: str
    cause: str = ""
    unspoken: bool = False

    def open_at(self, now_ms: int) -> bool:
        """Whether it may still be put in front of anybody."""
        return self.state in OPEN_STATES and self.card.expires_at_ms > now_ms

    def document(self) -> dict[str, Any]:
        """The hint document with its state."""
        return {**msgspec.json.decode(self.card.document), "state": self.state}


class MemoryChannel:
    """One channel: the newest events under offsets without gaps."""

    def __init__(self, kept_events: int) -> None:
        self.epoch = fresh_epoch()
        self.entries: list[ChannelEntry] = []
        self._offset = 0
        self._kept_events = kept_events

    def add(self, event: bytes) -> None:
        """Add one event under the next offset; the oldest beyond the number kept goes."""
        self._offset += 1
        self.entries.append(ChannelEntry(self._offset, event))
        del self.entries[: -self._kept_events]

    def position(self) -> ChannelPosition:
        """Where the channel stands."""
        return ChannelPosition(self.epoch, self._offset, self.entries[0].offset if self.entries else self._offset + 1)

    def after(self, offset: int, count: int) -> list[ChannelEntry]:
        """At most ``count`` entries after ``offset``."""
        start = bisect.bisect_right(self.entries, offset, key=lambda entry: entry.offset)
        return self.entries[start : start + count]


class HintMemory:
    """All hints and channels of one house."""

    def __init__(self, kept_events: int = KEPT_EVENTS) -> None:
        self.records: dict[str, Record] = {}
        self._chatbot: dict[str, tuple[int, bytes]] = {}
        self._channels: dict[str, MemoryChannel] = {}
        self._kept_events = kept_events

    def channel(self, name: str) -> MemoryChannel:
        """The channel of this name, begun when there is none yet."""
        return self._channels.setdefault(name, MemoryChannel(self._kept_events))

    def owner(self, hint_id: str) -> HintOwner | None:
        """Whose a hint is; None: unknown."""
        record = self.records.get(hint_id)
        return None if record is None else record.card.owner

    def put(self, card: NewHint, now_ms: int) -> bool:
        """Put a hint down and tell of it; False: known already."""
        if card.hint_id in self.records:
            return False
        late = card.expires_at_ms <= now_ms
        record = self.records[card.hint_id] = Record(card, "expired" if late else "created")
        if late:
            return True
        self._write_chatbot_document(card.owner.customer_id, now_ms)
        if "desk" in card.owner.surfaces:
            self.channel(keys.desk_channel(card.owner.desk_id)).add(card.event)
        if "chatbot" in card.owner.surfaces:
            record.unspoken = card.may_speak_first != "never"
            if card.may_speak_first == "now":
                self.speak(card.hint_id, now_ms)
        return True

    def speak(self, hint_id: str, now_ms: int) -> bool:
        """Tell the chatbot channel of a hint that had to wait."""
        record = self.records.get(hint_id)
        if record is None or not record.unspoken or not record.open_at(now_ms):
            return False
        record.unspoken = False
        self.channel(keys.CHATBOT_CHANNEL).add(record.card.event)
        return True

    def move(self, move: StateTransition, now_ms: int) -> bool:
        """Move a known hint to another state and tell of it; False: not from the state it is in."""
        record = self.records[move.hint_id]
        if record.state not in move.origins:
            return False
        record.state, record.cause = move.wanted, move.cause
        owner = record.card.owner
        if move.ends:
            self._write_chatbot_document(owner.customer_id, now_ms)
        if move.desk_event:
            self.channel(keys.desk_channel(owner.desk_id)).add(move.desk_event)
        if move.chatbot_event:
            self.channel(keys.CHATBOT_CHANNEL).add(move.chatbot_event)
        return True

    def deliver(self, hint_ids: Sequence[str]) -> int:
        """Note that hints are in front of somebody; how many were new."""
        found = [self.records[each] for each in hint_ids if each in self.records]
        new = [record for record in found if record.state == "created"]
        for record in new:
            record.state = "delivered"
        return len(new)

    def due(self, now_ms: int) -> list[str]:
        """The ids of open hints whose lifetime is over."""
        return [
            hint_id
            for hint_id, record in self.records.items()
            if record.state in OPEN_STATES and record.card.expires_at_ms <= now_ms
        ]

    def open_hints(self, customer_id: str, now_ms: int, surface: str) -> list[Record]:
        """A customer's open hints for one surface, best first."""
        found = [
            record
            for record in self.records.values()
            if record.card.owner.customer_id == customer_id
            and surface in record.card.owner.surfaces
            and record.open_at(now_ms)
        ]
        return sorted(found, key=lambda record: (record.card.rank, record.card.hint_id), reverse=True)

    def chatbot_document(self, customer_id: str, now_ms: int) -> bytes | None:
        """What ``GET zy:hint:{customer}`` would give."""
        expires_at_ms, document = self._chatbot.get(customer_id, (0, b""))
        return document if expires_at_ms > now_ms else None

    def drop_expired(self, customer_id: str, now_ms: int) -> None:
        """Write anew what a chatbot reads of a customer."""
        self._write_chatbot_document(customer_id, now_ms)

    def _write_chatbot_document(self, customer_id: str, now_ms: int) -> None:
        best = [record.card for record in self.open_hints(customer_id, now_ms, "chatbot")[:MOST_HINTS]]
        hints = [msgspec.Raw(card.document) for card in best]
        document = msgspec.json.encode({"customer_id": customer_id, "hints": hints})
        self._chatbot[customer_id] = (max((card.expires_at_ms for card in best), default=0), document)


class MemoryHintWriter(HintWriter):
    """The twin in memory, for tests and for runs without Redis."""

    def __init__(self, memory: HintMemory, now_ms: Callable[[], int]) -> None:
        self._memory = memory
        self._now_ms = now_ms

    def write(self, orders: Sequence[HintOrder]) -> list[bool]:
        """Carry out ``orders`` in their order; for each, whether it changed anything."""
        return [self._carry_out(order, self._now_ms()) for order in orders]

    def _carry_out(self, order: HintOrder, now_ms: int) -> bool:
        if isinstance(order, PlaceHint):
            return self._memory.put(new_hint(order, now_ms), now_ms)
        if isinstance(order, Speak):
            return self._memory.speak(order.hint_id, now_ms)
        owner = self._memory.owner(order.hint_id)
        return owner is not None and self._memory.move(retirement_transition(order, owner), now_ms)


class MemoryHintRepository(HintRepository):
    """The twin in memory; it sees what a ``MemoryHintWriter`` on the same memory writes."""

    def __init__(self, memory: HintMemory) -> None:
        self._memory = memory

    async def next_hints(self, customer_id: str, now_ms: int, surface: str = "chatbot") -> list[Document]:
        """A customer's open hints for ``surface``, best first, at most three."""
        self._memory.drop_expired(customer_id, now_ms)
        return [record.document() for record in self._memory.open_hints(customer_id, now_ms, surface)[:MOST_HINTS]]

    async def desk_hints(self, desk_id: str, now_ms: int) -> list[Document]:
        """All open hints of a desk, newest first."""
        return newest_first(
            record.document()
            for record in self._memory.records.values()
            if record.card.owner.desk_id == desk_id and "desk" in record.card.owner.surfaces and record.open_at(now_ms)
        )

    async def hint(self, hint_id: str) -> Document | None:
        """One hint, open or over; None: unknown."""
        record = self._memory.records.get(hint_id)
        return None if record is None else record.document()

    async def owner(self, hint_id: str) -> HintOwner | None:
        """Whose a hint is: its customer and desk; None: unknown."""
        return self._memory.owner(hint_id)

    async def change_state(self, hint_id: str, state: str, now_ms: int) -> StateChange:
        """Move a hint to ``state`` where ``operators.hints.hint.may_become`` allows it, and tell the channels."""
        owner = self._memory.owner(hint_id)
        if owner is None:
            return UNKNOWN_HINT
        changed = self._memory.move(state_transition(hint_id, state, now_ms, owner), now_ms)
        return StateChange(changed, self._memory.records[hint_id].state, owner.customer_id, owner.desk_id)

    async def deliver(self, hint_ids: Sequence[str]) -> int:
        """Move hints from created to delivered, quietly; how many were created."""
        return self._memory.deliver(hint_ids)

    async def expire(self, now_ms: int) -> int:
        """End open hints whose lifetime is over, at most ``EXPIRED_AT_ONCE``, and tell the channels; how many."""
        due = self._memory.due(now_ms)[:EXPIRED_AT_ONCE]
        return sum([(await self.change_state(each, "expired", now_ms)).changed for each in due])

    async def position(self, channel: str) -> ChannelPosition:
        """Where a channel stands; a channel that never was begins."""
        return self._memory.channel(channel).position()

    async def positions(self, channels: Sequence[str]) -> list[tuple[str | None, int]]:
        """Epoch and last offset of many channels at once; None and 0 of one that has not begun."""
        positions = [await self.position(channel) for channel in channels]
        return [(position.epoch, position.offset) for position in positions]

    async def read(self, channel: str, after: int, count: int) -> list[ChannelEntry]:
        """At most ``count`` entries of a channel after an offset, oldest first."""
        return self._memory.channel(channel).after(after, count)

    async def wait(
        self, offsets: Mapping[str, ChannelOffset], block_ms: int, new: Collection[str] | None = None
    ) -> dict[str, list[ChannelEntry]]:
        """What comes after the offset in each channel; empty when nothing does for ``block_ms`` (at most 2,000).

        ``new``: those that were not waited for the last time (None: all); ``offsets`` may change meanwhile.
        """
        deadline = time.monotonic() + min(block_ms, LONGEST_BLOCK_MS) / 1000
        while True:
            entries_by_channel = {
                name: self._memory.channel(name).after(position.offset, ENTRIES_A_WAIT)
                for name, position in offsets.items()
            }
            entries_by_channel = {name: entries for name, entries in entries_by_channel.items() if entries}
            if entries_by_channel or time.monotonic() >= deadline:
                return entries_by_channel
            await asyncio.sleep(POLL_S)
