"""Hints as the gateway reads them, their state as desks and bots report it, and the channels.

In: ids of customers, desks, hints and channels; the time in epoch milliseconds. Out: hint documents
with their ``state``, positions and entries of channels, changes of state. Refused: a change the state
a hint is in does not allow (``changed`` False); ``StoreUnavailable`` when Redis is away.

A reader of a channel keeps its own offset. ``wait`` never answers to an offset that is greater than the
channel's, as it is after Redis lost data: when a wait comes back empty, look at ``position`` again.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from operators.hints.hint import OPEN_STATES
from state.hints.script_calls import (
    DOCUMENT_FIELDS,
    OWNER_FIELDS,
    deliver_call,
    document_from,
    drop_expired_call,
    owner_from,
    position_call,
    transition_call,
)
from state.hints.transitions import HintOwner, state_transition
from state.redis import keys
from state.redis.channel_notifications import ChannelNotifications, Notifications
from state.redis.channels import KEPT_EVENTS, ChannelEntry, ChannelOffset, ChannelPosition, channel_keys, offset_of
from state.redis.connections import LONGEST_BLOCK_MS, AsyncClient, answering
from state.redis.scripts import run_async

MOST_HINTS: Final = 3
"""So many a chatbot receives at once."""
ENTRIES_A_WAIT: Final = 500
CHANNELS_A_QUESTION: Final = 200
CHANNEL_PREFIX: Final = keys.CHANNEL.of()
SWEEP_EVERY_S: Final = 2.0
"""All channels are looked at so often, notified or not: a Redis that has fallen silent is noticed by it too."""
EXPIRED_AT_ONCE: Final = 200

Document = dict[str, Any]
Record = Sequence[bytes | None]


class StateChange(msgspec.Struct, frozen=True):
    """What became of a wish to change a hint's state. ``state`` None: no such hint."""

    changed: bool
    state: str | None
    customer_id: str | None
    desk_id: str | None


UNKNOWN_HINT: Final = StateChange(changed=False, state=None, customer_id=None, desk_id=None)


class HintRepository(Protocol):
    """What the gateway sees of hints and channels. Raises StoreUnavailable."""

    async def next_hints(self, customer_id: str, now_ms: int, surface: str = "chatbot") -> list[Document]:
        """A customer's open hints for ``surface``, best first, at most three."""

    async def desk_hints(self, desk_id: str, now_ms: int) -> list[Document]:
        """All open hints of a desk, newest first."""

    async def hint(self, hint_id: str) -> Document | None:
        """One hint, open or over; None: unknown, or over for more than a day."""

    async def owner(self, hint_id: str) -> HintOwner | None:
        """Whose a hint is: its customer and desk; None: unknown."""

    async def change_state(self, hint_id: str, state: str, now_ms: int) -> StateChange:
        """Move a hint to ``state`` where ``operators.hints.hint.may_become`` allows it, and notify the channels."""

    async def deliver(self, hint_ids: Sequence[str]) -> int:
        """Move hints from created to delivered, quietly; how many were created."""

    async def expire(self, now_ms: int) -> int:
        """End open hints whose lifetime is over, at most ``EXPIRED_AT_ONCE``, and notify the channels; how many."""

    async def position(self, channel: str) -> ChannelPosition:
        """Where a channel stands; a channel that never was begins."""

    async def positions(self, channels: Sequence[str]) -> list[tuple[str | None, int]]:
        """Epoch and last offset of many channels at once; None and 0 of one that has not begun."""

    async def read(self, channel: str, after: int, count: int) -> list[ChannelEntry]:
        """At most ``count`` entries of a channel after an offset, oldest first."""

    async def wait(
        self, offsets: Mapping[str, ChannelOffset], block_ms: int, new: Collection[str] | None = None
    ) -> dict[str, list[ChannelEntry]]:
        """What comes after the offset in each channel; empty when nothing does for ``block_ms`` (at most 2,000).

        ``new``: those that were not waited for the last time (None: all); ``offsets`` may change meanwhile.
        """


class RedisHintRepository(HintRepository):
    """Hints and channels in Redis. ``waiting``: a client made with ``WAIT_TIMEOUT_S``, for calls that block."""

    def __init__(self, client: AsyncClient, waiting: AsyncClient, kept_events: int = KEPT_EVENTS) -> None:
        self._client = client
        self._waiting = waiting
        self._kept_events = kept_events
        self._notifications = ChannelNotifications(waiting)
        self._swept_s = -SWEEP_EVERY_S
        self._to_sweep: list[str] = []

    async def next_hints(self, customer_id: str, now_ms: int, surface: str = "chatbot") -> list[Document]:
        """A customer's open hints for ``surface``, best first, at most three."""
        with answering("reading a customer's hints", self._client):
            ids: Any = await self._client.zrevrange(keys.OPEN_HINTS.of(customer_id), 0, -1)
            records = await self._records(ids)
            if any(_expired(record, now_ms) for record in records):
                await run_async(self._client, drop_expired_call(customer_id, now_ms))
        documents = _open_documents(records, now_ms)
        return [document for document in documents if surface in document["surfaces"]][:MOST_HINTS]

    async def desk_hints(self, desk_id: str, now_ms: int) -> list[Document]:
        """All open hints of a desk, newest first."""
        key = keys.DESK_OPEN.of(desk_id)
        with answering("reading a desk's hints", self._client):
            await self._client.zremrangebyscore(key, "-inf", now_ms)
            ids: Any = await self._client.zrange(key, 0, -1)
            records = await self._records(ids)
        return newest_first(_open_documents(records, now_ms))

    async def hint(self, hint_id: str) -> Document | None:
        """One hint, open or over; None: unknown, or over for more than a day."""
        with answering("reading a hint", self._client):
            record: Any = await self._client.hmget(keys.HINT_RECORD.of(hint_id), DOCUMENT_FIELDS)
        return document_from(record)

    async def owner(self, hint_id: str) -> HintOwner | None:
        """Whose a hint is: its customer and desk; None: unknown."""
        with answering("asking whose a hint is", self._client):
            record: Any = await self._client.hmget(keys.HINT_RECORD.of(hint_id), OWNER_FIELDS)
        return owner_from(record)

    async def change_state(self, hint_id: str, state: str, now_ms: int) -> StateChange:
        """Move a hint to ``state`` where ``operators.hints.hint.may_become`` allows it, and notify the channels."""
        with answering("changing a hint's state", self._client):
            record: Any = await self._client.hmget(keys.HINT_RECORD.of(hint_id), OWNER_FIELDS)
            owner = owner_from(record)
            if owner is None:
                return UNKNOWN_HINT
            transition = state_transition(hint_id, state, now_ms, owner)
            call = transition_call(transition, owner, now_ms, self._kept_events)
            changed, current_state = await run_async(self._client, call)
        return StateChange(bool(changed), current_state.decode() or None, owner.customer_id, owner.desk_id)

    async def deliver(self, hint_ids: Sequence[str]) -> int:
        """Move hints from created to delivered, quietly; how many were created."""
        with answering("noting that hints were delivered", self._client):
            [count] = await run_async(self._client, deliver_call(hint_ids))
        return int(count)

    async def expire(self, now_ms: int) -> int:
        """End open hints whose lifetime is over, at most ``EXPIRED_AT_ONCE``, and notify the channels; how many."""
        key = keys.EXPIRING.of()
        with answering("looking for hints whose lifetime is over", self._client):
            due: Any = await self._client.zrangebyscore(key, "-inf", now_ms, start=0, num=EXPIRED_AT_ONCE)
        ended = 0
        for hint_id in due:
            if (await self.change_state(hint_id.decode(), "expired", now_ms)).changed:
                ended += 1
            else:
                with answering("forgetting a hint that is over", self._client):
                    await self._client.zrem(key, hint_id)
        return ended

    async def position(self, channel: str) -> ChannelPosition:
        """Where a channel stands; a channel that never was begins."""
        with answering("asking where a channel stands", self._client):
            epoch, offset, oldest = await run_async(self._client, position_call(channel))
        return ChannelPosition(epoch.decode(), int(offset), int(oldest))

    async def positions(self, channels: Sequence[str]) -> list[tuple[str | None, int]]:
        """Epoch and last offset of many channels at once; None and 0 of one that has not begun."""
        names = [key for channel in channels for key in channel_keys(channel)[1:]]
        with answering("asking where channels stand", self._client):
            values: Any = await self._client.mget(names) if names else []
        pairs = zip(values[::2], values[1::2], strict=True)
        return [(None if epoch is None else epoch.decode(), int(offset or 0)) for epoch, offset in pairs]

    async def read(self, channel: str, after: int, count: int) -> list[ChannelEntry]:
        """At most ``count`` entries of a channel after an offset, oldest first."""
        with answering("reading a channel", self._client):
            rows: Any = await self._client.xrange(channel_keys(channel)[0], f"{after + 1}-0", "+", count)
        return _entries(rows)

    async def wait(
        self, offsets: Mapping[str, ChannelOffset], block_ms: int, new: Collection[str] | None = None
    ) -> dict[str, list[ChannelEntry]]:
        """What comes after the offset in each channel; empty when nothing does for ``block_ms`` (at most 2,000).

        ``new``: those that were not waited for the last time (None: all); ``offsets`` may change meanwhile.
        """
        wait_s = max(1, min(block_ms, LONGEST_BLOCK_MS)) / 1000
        if not offsets:
            await asyncio.sleep(wait_s)
            return {}
        give_up_s = time.monotonic() + wait_s
        with answering("waiting on channels", self._waiting):
            received = await self._read_after({name: offsets[name] for name in (offsets if new is None else new)})
            while not received and (left_s := give_up_s - time.monotonic()) > 0:
                notifications = await self._notifications.receive(left_s)
                received, to_read = self._take_notifications(offsets, notifications)
                received |= await self._read_after(to_read)
        return received

    def _take_notifications(
        self, offsets: Mapping[str, ChannelOffset], notifications: Notifications
    ) -> tuple[dict[str, list[ChannelEntry]], Mapping[str, ChannelOffset]]:
        """The entries that follow on the offsets without a gap; and the channels that have to be read to know.

        What was sent in another life of the channel is passed over: it is gone, or the reader is about to learn of it.
        """
        if notifications.missed:
            self._to_sweep = []
            return {}, dict(offsets)
        received: dict[str, list[ChannelEntry]] = {}
        to_read = {name: offsets[name] for name in self._swept(offsets) if name in offsets}
        for (stream, epoch), entries in notifications.entries.items():
            name = stream.decode().removeprefix(CHANNEL_PREFIX)
            position = offsets.get(name)
            if position is None or position.epoch.encode() != epoch:
                continue
            new = [entry for entry in entries if entry.offset > position.offset]
            if any(entry.offset != expected for expected, entry in enumerate(new, position.offset + 1)):
                to_read[name] = position
            elif new:
                received[name] = new
                to_read.pop(name, None)
        return received, to_read

    def _swept(self, offsets: Mapping[str, ChannelOffset]) -> list[str]:
        """Some of all channels, in turn: often enough that all come up every ``SWEEP_EVERY_S``."""
        now_s = time.monotonic()
        rounds = 1 + len(offsets) // CHANNELS_A_QUESTION
        if now_s - self._swept_s < SWEEP_EVERY_S / rounds:
            return []
        self._swept_s = now_s
        self._to_sweep = self._to_sweep or list(offsets)
        batch, self._to_sweep = self._to_sweep[:CHANNELS_A_QUESTION], self._to_sweep[CHANNELS_A_QUESTION:]
        return batch

    async def _read_after(self, offsets: Mapping[str, ChannelOffset]) -> dict[str, list[ChannelEntry]]:
        """What stands after the offset in each channel, so many channels a question."""
        entries_by_channel: dict[str, list[ChannelEntry]] = {}
        names = list(offsets)
        for start in range(0, len(names), CHANNELS_A_QUESTION):
            names_by_key = {channel_keys(name)[0].encode(): name for name in names[start : start + CHANNELS_A_QUESTION]}
            streams: dict[Any, Any] = {key: f"{offsets[name].offset}-0" for key, name in names_by_key.items()}
            rows: Any = await self._waiting.xread(streams, count=ENTRIES_A_WAIT)
            entries_by_channel |= {names_by_key[key]: _entries(entries) for key, entries in rows or ()}
        return entries_by_channel

    async def _records(self, ids: Sequence[bytes]) -> list[Record]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for hint_id in ids:
                pipeline.hmget(keys.HINT_RECORD.of(hint_id.decode()), DOCUMENT_FIELDS)
            records: list[Record] = await pipeline.execute()
            return records


def _expired(record: Record, now_ms: int) -> bool:
    return record[2] is None or int(record[2]) <= now_ms


def _open_documents(records: Iterable[Record], now_ms: int) -> list[Document]:
    documents = [document_from(record) for record in records if not _expired(record, now_ms)]
    return [document for document in documents if document is not None and document["state"] in OPEN_STATES]


def newest_first(documents: Iterable[Document]) -> list[Document]:
    """Hint documents by the time they were made, the newest first."""
    return sorted(documents, key=lambda document: (document["created_at"], document["hint_id"]), reverse=True)


def _entries(rows: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> list[ChannelEntry]:
    return [ChannelEntry(offset_of(entry_id), fields[b"e"]) for entry_id, fields in rows]
