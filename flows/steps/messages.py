"""What moves between the steps of the dataflow: polls, shard batches, what was tracked.

A ``Poll`` is everything one look at a source brought; it becomes at most one ``ShardBatch``
a shard, still raw, so that the engine's cost for each event is nearly nothing.
"""

import zlib
from collections.abc import Iterable, Sequence

import msgspec

from flows.steps.shard_keys import shard_key
from operators.records.dead_letters import DeadLetter
from operators.records.events import customers_of
from operators.records.facts import Fact, Interaction, Observation
from operators.tracking.transitions import Transition


class Poll(msgspec.Struct, gc=False):
    """One look at one partition of a source.

    ``customers``, ``times_ms`` (corrected timestamps) and ``arrived_ms``: one an event, as the
    bus has them; None where only the event itself knows (recordings). ``now_ms``: the clock, when
    the partition is live and has been read to its end. ``partition``: of ``partitions``.
    """

    raws: list[bytes]
    customers: list[str] | None = None
    times_ms: list[int] | None = None
    arrived_ms: list[int] | None = None
    now_ms: int | None = None
    partition: int = 0
    partitions: int = 1


class ShardBatch(msgspec.Struct, gc=False):
    """One shard's part of a poll; the lists run in parallel."""

    shard: str
    raws: list[bytes]
    times_ms: list[int] | None = None
    arrived_ms: list[int] | None = None
    now_ms: int | None = None


class TrackerOutput(msgspec.Struct, gc=False):
    """What one shard made of a batch. ``transitions``: by journey."""

    observations: list[Observation]
    interactions: list[Interaction]
    dead_letters: list[DeadLetter]
    transitions: dict[str, list[Transition]] = {}


class CustomerInputs(msgspec.Struct, gc=False):
    """The inputs of one shard's customers, in order."""

    shard: str
    inputs: list[Fact | Interaction]


def shard_of(customer_id: str, shards: int) -> int:
    """The shard of a customer: crc32 of the id in UTF-8, modulo ``shards``."""
    return zlib.crc32(customer_id.encode()) % shards


def shards_of(customer_ids: Iterable[str], shards: int) -> list[int]:
    """``shard_of`` each, without a call for each."""
    crc32 = zlib.crc32
    return [crc32(customer_id.encode()) % shards for customer_id in customer_ids]


def by_shard(poll: Poll, shards: int) -> Iterable[tuple[str, ShardBatch]]:
    """Groups a poll into one batch a shard; a live tick reaches every shard of its partition."""
    if shards == 1:
        return [(shard_key(0), ShardBatch(shard_key(0), poll.raws, poll.times_ms, poll.arrived_ms, poll.now_ms))]
    batches: dict[int, ShardBatch] = {}
    if poll.customers is None:
        _group_recorded(poll.raws, shards, batches)
    else:
        _group_arrived(poll, poll.customers, shards, batches)
    if poll.now_ms is not None:
        for shard in range(poll.partition, shards, poll.partitions):
            batches.setdefault(shard, ShardBatch(shard_key(shard), [])).now_ms = poll.now_ms
    return [(batch.shard, batch) for batch in batches.values()]


def _group_recorded(raws: Sequence[bytes], shards: int, batches: dict[int, ShardBatch]) -> None:
    """Only the event says whose it is; an unreadable one is nobody's and goes where it will be refused."""
    for raw, shard in zip(raws, shards_of(customers_of(raws), shards), strict=True):
        batch = batches.get(shard)
        if batch is None:
            batches[shard] = ShardBatch(shard_key(shard), [raw])
        else:
            batch.raws.append(raw)


def _group_arrived(poll: Poll, customers: Sequence[str], shards: int, batches: dict[int, ShardBatch]) -> None:
    times_ms, arrived_ms = poll.times_ms or [], poll.arrived_ms or []
    customer_shards = shards_of(customers, shards)
    for raw, shard, time_ms, came_ms in zip(poll.raws, customer_shards, times_ms, arrived_ms, strict=True):
        batch = batches.get(shard)
        if batch is None or batch.times_ms is None or batch.arrived_ms is None:
            batches[shard] = ShardBatch(shard_key(shard), [raw], [time_ms], [came_ms])
        else:
            batch.raws.append(raw)
            batch.times_ms.append(time_ms)
            batch.arrived_ms.append(came_ms)
