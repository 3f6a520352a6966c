"""One subscription of one desk: what the hub tells it becomes frames in the desk's outbox.

In: what the hub says of one channel. Out: ``subscribed``, ``next``, ``stale``, ``fresh``, and
``error`` with code ``history_lost`` when the client has to reload. Refused: nothing.
"""

from collections.abc import Callable

from gateway.push.channel_entry import ChannelEvent
from gateway.push.frames import error_frame, frame_bytes, next_frame, next_head
from gateway.push.hub import Start
from gateway.push.send_queue import SendQueue
from operators.support.timestamps import iso_text
from state.audit.trail import ShownItem


class Subscription:
    """A listener of the hub. ``on_lost``: called when the hub has taken it off its channel.

    ``sees(event)``: whether this entry is for its desk's eyes; asked of each, whatever the channel.
    Once ``has_ended`` it says nothing more: joining may still be under way then.
    """

    __slots__ = ("_head", "_on_lost", "_sees", "_send_queue", "channel", "has_ended", "id")

    def __init__(
        self,
        subscription_id: str,
        channel: str,
        outbox: SendQueue,
        on_lost: Callable[[str], None],
        sees: Callable[[ChannelEvent], bool] = lambda _: True,
    ) -> None:
        self.id = subscription_id
        self.has_ended = False
        self.channel = channel
        self._send_queue = outbox
        self._on_lost = on_lost
        self._sees = sees
        self._head = next_head(subscription_id)

    def on_start(self, start: Start) -> None:
        """Where it begins."""
        frame = frame_bytes("subscribed", id=self.id, epoch=start.epoch, offset=start.offset, recovered=start.recovered)
        self._put("subscribed", frame)

    async def on_replay(self, event: ChannelEvent) -> None:
        """An entry that was missed."""
        if not self.has_ended and self._sees(event):
            frame = next_frame(self._head, event.offset, event.event)
            await self._send_queue.put_when_there_is_room("next", frame, event.shows)

    def on_event(self, event: ChannelEvent) -> None:
        """An entry, live."""
        if self._sees(event):
            self._put("next", next_frame(self._head, event.offset, event.event), event.time_ms, event.shows)

    def on_stale(self, since_ms: int) -> None:
        """The store is away."""
        self._put("stale", frame_bytes("stale", id=self.id, since=iso_text(since_ms)))

    def on_fresh(self) -> None:
        """The store is back."""
        self._put("fresh", frame_bytes("fresh", id=self.id))

    def on_lost(self) -> None:
        """Nothing more comes under this id."""
        message = "the channel has begun anew or no longer holds what was missed: reload and subscribe again"
        self._put("error", error_frame(self.id, "history_lost", message, temporary=True))
        self._on_lost(self.id)

    def _put(self, kind: str, frame: bytes, event_ms: int | None = None, shows: ShownItem | None = None) -> None:
        if not self.has_ended:
            self._send_queue.put(kind, frame, event_ms, shows)
