"""Which segment of the journey map a transaction counts in: the channel it began on and the customer's group.

In: an event's context. Out: one text, channel and group with a tab between. Refused: nothing; what the catalogue
does not list counts as ``other``, so that senders cannot make the map larger than it is meant to be.
"""

from collections.abc import Iterable
from typing import Final

from operators.records.events import Context

OTHER: Final = "other"
_NO_CONTEXT: Final = Context()


class Segments:
    """The segments of one catalogue: ``channels`` times ``groups``, each with ``other`` for the rest."""

    def __init__(self, channels: Iterable[str] = (), groups: Iterable[str] = ()) -> None:
        self._segments: dict[tuple[str | None, str | None], str] = {}
        self._channels, self._groups = frozenset(channels), frozenset(groups)
        for channel in (*self._channels, OTHER):
            for group in (*self._groups, OTHER):
                self._segments[channel, group] = f"{channel}\t{group}"

    def of(self, context: Context | None) -> str:
        """The segment of an event."""
        context = context or _NO_CONTEXT
        return self._segments.get((context.channel, context.group_id)) or self.named(context.channel, context.group_id)

    def named(self, channel: str | None, group: str | None) -> str:
        """The segment of a channel and a group, either of which may be none of ours."""
        known_channel = channel if channel in self._channels else OTHER
        return self._segments[known_channel, group if group in self._groups else OTHER]


def channel_of(segment: str) -> str:
    """The channel of a segment."""
    return segment.partition("\t")[0]


def group_of(segment: str) -> str:
    """The customer group of a segment."""
    return segment.partition("\t")[2]
