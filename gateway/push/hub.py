"""Reads the channels that somebody listens to, once, and delivers their entries to every listener.

In: listeners, each with a channel and where it left off. Out: every entry from there on, to
each in order of offset, none twice, none left out. Refused: an offset that is no longer (or not
yet) in the channel; the listener then starts at the tip, with ``recovered`` False.
While the store is away listeners get ``on_stale``; when it is back, ``on_fresh``, or ``on_lost``
where the channel has begun a new life or lost entries that were not delivered.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from gateway.push.channel_entry import ChannelEvent, read_channel_event
from gateway.runtime.background_task import BackgroundTask, Backoff, CountFailure, uncounted
from state.hints.repository import HintRepository
from state.redis.channels import ChannelEntry, ChannelOffset, ChannelPosition

BLOCK_MS: Final = 200
"""How long a channel that is new to the hub may wait until it is read along with the others."""
PAGE: Final = 100
RECOVERED_AT_MOST: Final = 1_000
"""Who missed more than this reloads: that is less to send than what was missed."""
VERIFY_EVERY_S: Final = 10.0
VERIFIED_AT_ONCE: Final = 200
QUESTIONS_AT_ONCE: Final = 32
"""Thousands who come back at once ask one after the other: fewer than the store has connections, so nobody fails."""
READ_AGAIN: Final = Backoff(first_s=0.1, longest_s=2.0)
AT_A_STRETCH: Final = 4
"""So many entries are delivered before the desks' writers have a turn: fewer than the smallest send queue holds."""
ENTRIES_AT_ONCE: Final = 32
"""And so many over all channels: what came first is on its way while the rest of a large reading is delivered."""

log = logging.getLogger("zhiyin.push")


class Start(NamedTuple):
    """Where a listener begins: entries after ``offset`` follow. ``recovered``: nothing was missed."""

    epoch: str
    offset: int
    recovered: bool


class Listener(Protocol):
    """Who receives a channel. Only ``on_replay`` may wait: the others return at once."""

    def on_start(self, start: Start) -> None:
        """Called once, before anything else."""

    async def on_replay(self, event: ChannelEvent) -> None:
        """An entry that was missed."""

    def on_event(self, event: ChannelEvent) -> None:
        """An entry, live."""

    def on_stale(self, since_ms: int) -> None:
        """Nothing can be read; what was delivered is as of ``since_ms``."""

    def on_fresh(self) -> None:
        """The store is back and nothing was lost."""

    def on_lost(self) -> None:
        """What follows cannot be joined to what was delivered; the listener has been taken off the channel."""


class _Channel:
    """One channel: what has been read of it, and who is on it (``live`` maps to what each had when it went live)."""

    __slots__ = ("epoch", "live", "members", "name", "offset")

    def __init__(self, name: str, epoch: str, offset: int) -> None:
        self.name = name
        self.epoch = epoch
        self.offset = offset
        self.members: set[Listener] = set()
        self.live: dict[Listener, int] = {}


class Hub:
    """One reader for all channels. ``now_ms``: epoch milliseconds; ``failed``: counts failures that are no outage."""

    def __init__(self, repository: HintRepository, now_ms: Callable[[], int], failed: CountFailure = uncounted) -> None:
        self.stale_since_ms: int | None = None
        self._repository = repository
        self._now_ms = now_ms
        self._channels: dict[str, _Channel] = {}
        self._offsets: dict[str, ChannelOffset] = {}
        self._opened: set[str] = set()
        self._questions = asyncio.Semaphore(QUESTIONS_AT_ONCE)
        self._somebody = asyncio.Event()
        self._read_ms = now_ms()
        self._reading = BackgroundTask("channel_reader", 0.0, self._read, failed, READ_AGAIN)
        self._verifying = BackgroundTask("channel_verifier", VERIFY_EVERY_S, self._verify, failed)

    def start(self) -> None:
        """Begin to read."""
        self._reading.start()
        self._verifying.start()

    async def stop(self) -> None:
        """Stop reading; listeners receive nothing more."""
        await self._reading.stop()
        await self._verifying.stop()

    async def join(self, name: str, listener: Listener, epoch: str | None = None, offset: int | None = None) -> None:
        """Put ``listener`` on the channel; returns when it is live or lost. Raises StoreUnavailable."""
        channel = await self._open(name)
        channel.members.add(listener)
        try:
            start = await self._start(channel, epoch, offset)
            if listener in channel.members:
                listener.on_start(start)
                await self._catch_up(channel, listener, start.offset)
        except BaseException:
            self._take_off(channel, listener)
            raise

    def leave(self, name: str, listener: Listener) -> None:
        """Take ``listener`` off the channel."""
        channel = self._channels.get(name)
        if channel is not None:
            self._take_off(channel, listener)

    async def _open(self, name: str) -> _Channel:
        channel = self._channels.get(name)
        if channel is not None:
            return channel
        position = await self._position(name)
        if name not in self._channels:
            self._channels[name] = _Channel(name, position.epoch, position.offset)
            self._offsets[name] = ChannelOffset(position.epoch, position.offset)
            self._opened.add(name)
        channel = self._channels[name]
        self._read_ms = max(self._read_ms, self._now_ms()) if self.stale_since_ms is None else self._read_ms
        self._somebody.set()
        return channel

    async def _start(self, channel: _Channel, epoch: str | None, offset: int | None) -> Start:
        if epoch is None or offset is None:
            return Start(channel.epoch, channel.offset, recovered=False)
        position = await self._position(channel.name)
        if position.epoch != channel.epoch:
            self._lose(channel)
        if position.recovers(epoch, offset) and position.offset - offset <= RECOVERED_AT_MOST:
            return Start(epoch, offset, recovered=True)
        return Start(channel.epoch, channel.offset, recovered=False)

    async def _catch_up(self, channel: _Channel, listener: Listener, after: int) -> None:
        """What was missed, without hints that have expired or ended meanwhile: nobody shows them as new."""
        ended = await self._ended(channel, after)
        while after < channel.offset:
            entries = await self._page(channel.name, after)
            if listener not in channel.members:
                return
            if not entries or entries[0].offset != after + 1:
                self._take_off(channel, listener)
                listener.on_lost()
                return
            for entry in entries:
                delivered = read_channel_event(entry.offset, entry.event)
                is_over = delivered.is_over(self._now_ms()) or delivered.announces in ended
                if listener in channel.members and not is_over:
                    await listener.on_replay(delivered)
            after = entries[-1].offset
        self._go_live(channel, listener, after)

    async def _position(self, name: str) -> ChannelPosition:
        async with self._questions:
            return await self._repository.position(name)

    async def _page(self, name: str, after: int) -> list[ChannelEntry]:
        async with self._questions:
            return await self._repository.read(name, after, PAGE)

    async def _ended(self, channel: _Channel, after: int) -> set[str]:
        """The hints whose end is among what was missed; looked up first, so that a replay is not held in memory."""
        ended: set[str] = set()
        while after < channel.offset:
            entries = await self._page(channel.name, after)
            if not entries:
                break
            ended.update(
                delivered.ends
                for delivered in (read_channel_event(each.offset, each.event) for each in entries)
                if delivered.ends
            )
            after = entries[-1].offset
        return ended

    def _go_live(self, channel: _Channel, listener: Listener, after: int) -> None:
        """No await between the last look at ``channel.offset`` and here: nothing can slip in between."""
        if listener not in channel.members:
            return
        channel.live[listener] = after
        if self.stale_since_ms is not None:
            listener.on_stale(self.stale_since_ms)

    def _take_off(self, channel: _Channel, listener: Listener) -> None:
        channel.members.discard(listener)
        channel.live.pop(listener, None)
        if not channel.members and self._channels.get(channel.name) is channel:
            self._forget(channel.name)
        if not self._channels:
            self._somebody.clear()

    def _forget(self, name: str) -> None:
        del self._channels[name]
        del self._offsets[name]
        self._opened.discard(name)

    async def _read(self) -> None:
        """One reading, as soon as somebody listens. Whatever fails, listeners learn that they may be behind."""
        await self._somebody.wait()
        try:
            await self._read_once()
        except Exception as error:
            self._went_stale(error)
            raise

    async def _read_once(self) -> None:
        if self.stale_since_ms is not None:
            await self._verify()
            self._is_fresh()
        opened, self._opened = self._opened, set()
        found = await self._repository.wait(self._offsets, BLOCK_MS, opened)
        self._read_ms = self._now_ms()
        delivered = 0
        for name, entries in found.items():
            channel = self._channels.get(name)
            for count, entry in enumerate(entries, 1):
                if channel is not None and entry.offset > channel.offset:
                    self._publish(channel, read_channel_event(entry.offset, entry.event))
                delivered += 1
                if count % AT_A_STRETCH == 0 or delivered % ENTRIES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _publish(self, channel: _Channel, event: ChannelEvent) -> None:
        if event.offset != channel.offset + 1:
            self._lose(channel)
            return
        channel.offset = event.offset
        self._offsets[channel.name] = ChannelOffset(channel.epoch, event.offset)
        for listener, after in list(channel.live.items()):
            if event.offset > after:
                self._deliver(channel, listener, event)

    def _deliver(self, channel: _Channel, listener: Listener, event: ChannelEvent) -> None:
        try:
            listener.on_event(event)
        except Exception:
            log.exception("push: a listener of %s broke at offset %d and is taken off", channel.name, event.offset)
            self._take_off(channel, listener)
            listener.on_lost()

    async def _verify(self) -> None:
        """A store that was emptied under us gives no error: only its epochs tell."""
        channels = list(self._channels.values())
        for start in range(0, len(channels), VERIFIED_AT_ONCE):
            expected = [(channel, channel.offset) for channel in channels[start : start + VERIFIED_AT_ONCE]]
            stands = await self._repository.positions([channel.name for channel, _ in expected])
            for (channel, offset), (epoch, last) in zip(expected, stands, strict=True):
                if epoch != channel.epoch or last < offset:
                    self._lose(channel)

    def _lose(self, channel: _Channel) -> None:
        if self._channels.get(channel.name) is channel:
            self._forget(channel.name)
        members, channel.members, channel.live = list(channel.members), set(), {}
        log.warning("push: channel %s has begun a new life or lost entries; %d reload", channel.name, len(members))
        for listener in members:
            listener.on_lost()

    def _went_stale(self, error: Exception) -> None:
        if self.stale_since_ms is not None:
            return
        log.warning("push: the store is away (%s); desks are told so", error)
        self.stale_since_ms = self._read_ms
        for listener in self._everybody_live():
            listener.on_stale(self._read_ms)

    def _is_fresh(self) -> None:
        log.info("push: the store is back")
        self.stale_since_ms = None
        for listener in self._everybody_live():
            listener.on_fresh()

    def _everybody_live(self) -> list[Listener]:
        return [listener for channel in self._channels.values() for listener in channel.live]
