"""A timer wheel in event time: many timers, few of them due, most of them moved before they are.

In: items with the instant they wait for. Out: the items whose whole bucket lies before
the watermark. An item that has moved on since is simply put back by its owner, so that
an event costs no timer work at all.
"""

import heapq
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

BUCKET_BITS: Final = 6
"""Buckets of 64 ms: what is due is found at most that late."""

Item = TypeVar("Item")


class TimerWheel(Generic[Item]):
    """Buckets of items by instant (epoch ms), taken out in order of time."""

    __slots__ = ("_buckets", "_heap")

    def __init__(self) -> None:
        self._buckets: dict[int, list[Item]] = {}
        self._heap: list[int] = []

    def add(self, item: Item, at_ms: int) -> None:
        """Waits for the watermark to pass ``at_ms``."""
        bucket = at_ms >> BUCKET_BITS
        waiting = self._buckets.get(bucket)
        if waiting is None:
            self._buckets[bucket] = [item]
            heapq.heappush(self._heap, bucket)
        else:
            waiting.append(item)

    def due(self, before_ms: int) -> Iterator[tuple[int, Item]]:
        """Takes out what waits for an instant strictly before ``before_ms``, oldest bucket first.

        Yields the end of the bucket (first ms after it) and the item. Items added while this
        runs are taken too when they are due.
        """
        last_bucket = (before_ms >> BUCKET_BITS) - 1
        heap = self._heap
        while heap and heap[0] <= last_bucket:
            bucket = heapq.heappop(heap)
            end_ms = (bucket + 1) << BUCKET_BITS
            for item in self._buckets.pop(bucket):
                yield end_ms, item

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))
