"""What leaves the dataflow for a Kafka topic: one part a partition, each item written once, whatever dies.

In: lists of items, routed to partitions by their customers; and each part's last snapshot. Out: messages on the
partition; a part's snapshot is taken when the brokers have everything that came before it.
Refused: nothing; Kafka being away is waited for, with the whole dataflow, and when it is to stop then the
``StoreUnavailable`` comes out.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from state.bus.protocol import partition_of
from state.kafka.idempotent_topic import IdempotentPartition, TopicDocument
from state.kafka.producers import TopicProducers
from state.redis.retry import Retry

LOG: Final = logging.getLogger("zhiyin.engine")


class _Concerns(Protocol):
    """Something about a customer; None: nobody knows which."""

    @property
    def customer_id(self) -> str | None: ...


Item = TypeVar("Item", bound=_Concerns)


class TopicEncoder(Generic[Item]):
    """What is done with a list of items."""

    def before_write(self, items: Sequence[Item]) -> None:
        """What must have happened before the topic receives them; done again after a restart."""

    def documents(self, items: Sequence[Item]) -> Iterable[TopicDocument]:
        """What the topic receives of them."""
        raise NotImplementedError


class TopicOpening(msgspec.Struct, frozen=True):
    """How topics are opened. ``retry``: makes a call until it gets through; ``begin()``: as the dataflow begins."""

    producers: TopicProducers
    partitions: int
    retry: Retry
    begin: Callable[[], None]
    topic: str = ""
    content_type: str = ""

    def of(self, topic: str, content_type: str) -> "TopicOpening":
        """The same for one topic."""
        return msgspec.structs.replace(self, topic=topic, content_type=content_type)

    def part(self, number: int, resumed: bytes | None) -> IdempotentPartition:
        """One partition of it, once it is known what stands there."""
        partition = IdempotentPartition(self.producers, self.topic, number, self.content_type, resumed)
        self.retry(partition.recover)
        if partition.awaited:
            since = "its beginning" if resumed is None else "the last snapshot"
            LOG.info("%s, partition %d: %d documents told since %s", self.topic, number, partition.awaited, since)
        return partition


def by_partition(partitions: int) -> Callable[[list[Item]], Iterable[tuple[str, list[Item]]]]:
    """Splits lists of items by their customers' partitions, each under its part's name."""

    def route(items: list[Item]) -> Iterable[tuple[str, list[Item]]]:
        grouped: dict[str, list[Item]] = {}
        for item in items:
            grouped.setdefault(part_name(partition_of(item.customer_id or "", partitions)), []).append(item)
        return grouped.items()

    return route


def part_name(partition: int) -> str:
    """A partition as a name that sorts as its number does: ``007``."""
    return f"{partition:03d}"


class TopicSink(FixedPartitionedSink[list[Item], bytes], Generic[Item]):
    """One topic; ``new_encoder()`` is called once a part."""

    def __init__(self, opening: TopicOpening, new_encoder: Callable[[], TopicEncoder[Item]]) -> None:
        self._opening = opening
        self._new_encoder = new_encoder

    def list_parts(self) -> list[str]:
        """Partition numbers, as Bytewax wants them: text that sorts."""
        self._opening.begin()
        return [part_name(partition) for partition in range(self._opening.partitions)]

    def part_fn(self, item_key: str) -> int:
        """The index of a part among all; keys are the parts' names."""
        return int(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: bytes | None) -> "TopicPart[Item]":
        """One partition; Bytewax asks for it with its snapshot, or when there is a first item."""
        partition = self._opening.part(int(for_part), resume_state)
        return TopicPart(partition, self._new_encoder(), self._opening.retry)


class TopicPart(StatefulSinkPartition[list[Item], bytes], Generic[Item]):
    """One partition: sends what comes; its snapshot is the position up to which all is sent."""

    def __init__(self, partition: IdempotentPartition, encoder: TopicEncoder[Item], retry: Retry) -> None:
        self._partition = partition
        self._encoder = encoder
        self._retry = retry

    def write_batch(self, values: list[list[Item]]) -> None:
        """Hands over several lists at once; the brokers may not have them yet."""
        items = values[0] if len(values) == 1 else [item for batch in values for item in batch]
        self._encoder.before_write(items)
        self._partition.enqueue(self._encoder.documents(items))
        self._retry(self._partition.send)

    def snapshot(self) -> bytes:
        """The position up to which all is sent, once it is."""
        self._retry(self._partition.flush)
        return self._partition.position()
