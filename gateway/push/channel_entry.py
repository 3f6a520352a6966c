"""One entry of a channel with what the push needs to know of its event, read once for all listeners.

In: an offset and the bytes of a CloudEvent. Out: ``ChannelEvent``. Refused: nothing; an event
that cannot be read is passed on as it is, without times.
"""

from datetime import datetime
from typing import Final

import msgspec

from operators.support.timestamps import to_ms
from state.audit.trail import BUNDLE, HINT, ShownItem

CREATED: Final = "zhiyin.hint.created"
BUNDLED: Final = frozenset(("zhiyin.bundle.created", "zhiyin.bundle.changed"))
ENDINGS: Final = frozenset(("zhiyin.hint.retired", "zhiyin.hint.used", "zhiyin.hint.dismissed"))


class ChannelEvent(msgspec.Struct, frozen=True, gc=False):
    """One entry. ``time_ms``: when its event happened, ``expires_ms``: when it is of no more use (None: not said).

    ``customer_id``: whom it is about; ``branch``, ``region``: where he belongs; ``skill``: what a desk needs to take it
    from a queue.
    """

    offset: int
    event: bytes
    type: str
    time_ms: int | None
    expires_ms: int | None
    hint_id: str = ""
    branch: str | None = None
    region: str | None = None
    skill: str | None = None
    bundle_id: str = ""
    customer_id: str = ""

    @property
    def announces(self) -> str | None:
        """The hint that this puts in front of somebody; None: it does not."""
        return self.hint_id if self.type == CREATED else None

    @property
    def shows(self) -> ShownItem | None:
        """What of whom a desk sees with it; None: nothing that it has not seen before."""
        if self.type == CREATED:
            return ShownItem(HINT, self.hint_id, self.customer_id)
        return ShownItem(BUNDLE, self.bundle_id, self.customer_id) if self.type in BUNDLED else None

    @property
    def ends(self) -> str | None:
        """The hint that has ended with this; None: none has."""
        return self.hint_id if self.type in ENDINGS else None

    def is_over(self, now_ms: int) -> bool:
        """Whether it announces a hint that has expired by now."""
        return self.type == CREATED and self.expires_ms is not None and self.expires_ms <= now_ms


class _About(msgspec.Struct, frozen=True, gc=False):
    hint_id: str = ""
    bundle_id: str = ""
    customer_id: str = ""


class _CloudEvent(msgspec.Struct, gc=False):
    type: str = ""
    data: _About = _About()
    time: datetime | None = None
    expirytime: datetime | None = None
    branch: str | None = None
    region: str | None = None
    skill: str | None = None


_DECODER: Final = msgspec.json.Decoder(_CloudEvent)


def read_channel_event(offset: int, event: bytes) -> ChannelEvent:
    """The entry at ``offset``."""
    try:
        outline = _DECODER.decode(event)
    except (msgspec.DecodeError, UnicodeError):
        return ChannelEvent(offset, event, "", None, None)
    return ChannelEvent(
        offset,
        event,
        outline.type,
        _ms(outline.time),
        _ms(outline.expirytime),
        outline.data.hint_id,
        outline.branch,
        outline.region,
        outline.skill,
        outline.data.bundle_id,
        outline.data.customer_id,
    )


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)
