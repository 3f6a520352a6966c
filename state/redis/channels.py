"""Channels: what a desk or the chatbot receives, in order, under offsets without gaps.

In: a channel's name (``desk:ID`` or ``chatbot``). Out: its keys, and the records a reader gets.
Refused: nothing. A reader that comes back compares its epoch and offset with ``ChannelPosition``:
another epoch, an offset beyond ``offset``, or one before ``oldest - 1`` means start again.
"""

import secrets
from typing import Final, NamedTuple

import msgspec

from state.redis import keys

KEPT_EVENTS: Final = 10_000


class ChannelPosition(msgspec.Struct, frozen=True):
    """Where a channel stands: the last ``offset`` given out (0: none yet) and the ``oldest`` still kept.

    ``oldest`` is ``offset + 1`` when nothing is kept.
    """

    epoch: str
    offset: int
    oldest: int

    def recovers(self, epoch: str, offset: int) -> bool:
        """Whether a reader who stopped at ``offset`` of ``epoch`` can be given everything it missed."""
        return epoch == self.epoch and self.oldest - 1 <= offset <= self.offset


class ChannelOffset(NamedTuple):
    """How far a reader has come: the last ``offset`` it has of the life called ``epoch``."""

    epoch: str
    offset: int


class ChannelEntry(msgspec.Struct, frozen=True):
    """One event of a channel: a CloudEvent as JSON."""

    offset: int
    event: bytes


def channel_keys(channel: str) -> tuple[str, str, str]:
    """The stream, epoch and offset of a channel."""
    return keys.CHANNEL.of(channel), keys.CHANNEL_EPOCH.of(channel), keys.CHANNEL_OFFSET.of(channel)


def fresh_epoch() -> str:
    """A name no channel's life had before."""
    return secrets.token_hex(8)


def offset_of(entry_id: bytes) -> int:
    """The offset in a stream id ``OFFSET-0``."""
    return int(entry_id.partition(b"-")[0])
