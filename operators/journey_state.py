"""The state of a journey shard as bytes and back: whole shard, msgpack.

In: a ``JourneyShard``. Out: bytes any later process of the same format can take up.
Refused: bytes of another format, by name (``StateUnreadable``). What the catalogue says is
not stored: after a change of it, open attempts go on under the new rules; attempts of journeys
that are gone are dropped, those at steps that are gone keep no step.
"""

from typing import Final

import msgspec

from operators.journey_plan import StepPlan
from operators.struggle import Struggle

FORMAT: Final = "zhiyin-shard-1"


class StateUnreadable(Exception):
    """Saved state that is not of our format. ``found``, ``expected``: the format words."""

    def __init__(self, found: str, expected: str = FORMAT) -> None:
        self.found = found
        self.expected = expected
        super().__init__(
            f"saved shard state: found format {found!r}, expected {expected!r}; "
            "start with an empty recovery folder, or with the version that wrote it"
        )


class AttemptRow(msgspec.Struct, array_like=True, gc=False):
    """One open attempt, stored."""

    customer_id: str
    journey: str
    transaction_id: str | None
    id: str
    step: str | None
    last_seen_ms: int
    due_ms: int
    rung: int
    cause: str | None
    struggle: Struggle | None


class CustomerRow(msgspec.Struct, array_like=True, gc=False):
    """One remembered customer, stored."""

    id: str
    recent: bytes
    due_ms: int


class ShardState(msgspec.Struct, array_like=True, gc=False):
    """One shard, stored."""

    format: str
    watermark_ms: int
    newest_ms: int
    newest_arrived_ms: int | None
    attempts: list[AttemptRow]
    customers: list[CustomerRow]


class _Format(msgspec.Struct, array_like=True, gc=False):
    format: str


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(ShardState)


def pack(state: ShardState) -> bytes:
    """The state as bytes."""
    return _ENCODER.encode(state)


def unpack(packed: bytes) -> ShardState:
    """The state from bytes. Raises StateUnreadable."""
    try:
        found = msgspec.msgpack.decode(packed, type=_Format).format
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateUnreadable("nothing we know") from error
    if found != FORMAT:
        raise StateUnreadable(found)
    try:
        return _DECODER.decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateUnreadable(f"{FORMAT}, damaged ({error})") from error


def next_rung(place: StepPlan, row: AttemptRow) -> int:
    """The index of the rung a stored attempt waits for under today's catalogue.

    With an unchanged catalogue that is the stored one. After a change it is the first rung not
    sooner than the one that was waited for, so that nothing told is told again.
    """
    if row.rung < len(place.rungs) and row.due_ms == row.last_seen_ms + place.rungs[row.rung]:
        return row.rung
    if row.rung == 0:
        return 0
    waited_ms = row.due_ms - row.last_seen_ms
    return next((index for index, rung in enumerate(place.rungs) if rung >= waited_ms), len(place.rungs) - 1)
