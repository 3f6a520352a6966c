"""What is new in channels: Redis notifies (``PUBLISH``) whenever a script writes into one, with the entry.

In: a connection to Redis. Out: the entries that were written, within a network's way. Refused: StoreUnavailable from
whoever asks. A notification can be missed (while the connection is made anew): it is reported, and nothing hangs on it,
for each entry stands in the stream. So thousands of channels cost one connection and no question each.
"""

from typing import Any, Final, NamedTuple

from redis.asyncio.client import PubSub

from state.redis import keys
from state.redis.channels import ChannelEntry, offset_of
from state.redis.connections import AsyncClient

PATTERN: Final = keys.CHANNEL.of("*")
MESSAGES_AT_ONCE: Final = 1_000


class Notifications(NamedTuple):
    """``entries``: by stream and the name of its life, in order. ``missed``: there may have been others.

    What was sent while nobody asked is still received, even where the channel has begun a new life since.
    """

    entries: dict[tuple[bytes, bytes], list[ChannelEntry]]
    missed: bool


class ChannelNotifications:
    """One listener. ``client``: made with ``WAIT_TIMEOUT_S``."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._subscription: PubSub | None = None

    async def receive(self, wait_s: float) -> Notifications:
        """What was sent, as soon as something is; nothing after ``wait_s``. Raises what redis-py raises."""
        try:
            return await self._receive_batch(wait_s)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of the connection; the next question makes another."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.aclose()  # type: ignore[no-untyped-call]  # redis-py leaves it without types

    async def _receive_batch(self, wait_s: float) -> Notifications:
        if self._subscription is None:
            self._subscription = self._client.pubsub()
            await self._subscription.psubscribe(PATTERN)
        entries: dict[tuple[bytes, bytes], list[ChannelEntry]] = {}
        missed, count = False, 0
        message: Any = await self._subscription.get_message(timeout=wait_s)
        while message is not None:
            if message["type"] == "psubscribe":
                missed = True
            else:
                entry_id, _, rest = message["data"].partition(b" ")
                epoch, _, event = rest.partition(b" ")
                entry = ChannelEntry(offset_of(entry_id), event)
                entries.setdefault((message["channel"], epoch), []).append(entry)
                count += 1
            message = await self._subscription.get_message(timeout=0) if count < MESSAGES_AT_ONCE else None
        return Notifications(entries, missed)
