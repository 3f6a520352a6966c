"""What is new in channels: Redis rings (``PUBLISH``) whenever a script writes into one, and says what.

In: a connection to Redis. Out: the entries that were written, within a network's way. Refused: StoreUnavailable from
whoever asks. A ring can be missed (while the connection is made anew): it is said so, and nothing hangs on it, for
what is told stands in the stream. So thousands of channels cost one connection and no question each.
"""

from typing import Any, Final, NamedTuple

from redis.asyncio.client import PubSub

from state.redis import keys
from state.redis.channels import ChannelEntry, offset_of
from state.redis.connections import AsyncClient

PATTERN: Final = keys.CHANNEL.of("*")
RINGS_AT_ONCE: Final = 1_000


class Notifications(NamedTuple):
    """``entries``: by stream and the name of its life, in order. ``missed``: there may have been others.

    What rang while nobody asked is still to be heard, even where the channel has begun a new life since.
    """

    entries: dict[tuple[bytes, bytes], list[ChannelEntry]]
    missed: bool


class ChannelNotifications:
    """One listener. ``client``: made with ``WAIT_TIMEOUT_S``."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._listening: PubSub | None = None

    async def receive(self, wait_s: float) -> Notifications:
        """What rang, as soon as something does; nothing after ``wait_s``. Raises what redis-py raises."""
        try:
            return await self._heard(wait_s)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of the connection; the next question makes another."""
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it without types

    async def _heard(self, wait_s: float) -> Notifications:
        if self._listening is None:
            self._listening = self._client.pubsub()
            await self._listening.psubscribe(PATTERN)
        entries: dict[tuple[bytes, bytes], list[ChannelEntry]] = {}
        missed, rings = False, 0
        message: Any = await self._listening.get_message(timeout=wait_s)
        while message is not None:
            if message["type"] == "psubscribe":
                missed = True
            else:
                entry_id, _, rest = message["data"].partition(b" ")
                epoch, _, event = rest.partition(b" ")
                entry = ChannelEntry(offset_of(entry_id), event)
                entries.setdefault((message["channel"], epoch), []).append(entry)
                rings += 1
            message = await self._listening.get_message(timeout=0) if rings < RINGS_AT_ONCE else None
        return Notifications(entries, missed)
