"""A timer wheel in event time: many timers, few of them due, most of them moved before they are.

In: items with the instant they wait for. Out: the items whose whole bucket lies before
the watermark. An item that has moved on since is simply put back by its owner, so that
an event costs no timer work at all.

What is not due soon waits in large buckets, many items in each, and is sorted into small ones as
the watermark comes near: a small bucket for each of a million attempts that are to be forgotten
tomorrow would cost more than what it keeps. Sorting one takes a millisecond or more; many wheels in
one process have their large buckets end at different moments (``phase_ms``), so that they do not all
sort at once.

Most buckets of a wheel with few items hold one: it stands there itself, for a list takes more room than all else
that the wheel keeps of it.
"""

import heapq
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

BUCKET_BITS: Final = 6
"""Buckets of 64 ms: what is due is found at most that late."""

FAR_BITS: Final = 16
FAR_MS: Final = 1 << FAR_BITS
"""What is not due soon waits in buckets of 65.5 s."""

_LONG_AGO: Final = -(1 << 62)


class Timed(Protocol):
    """An item that knows the instant it waits for (epoch ms)."""

    timer_ms: int


Item = TypeVar("Item", bound=Timed)


class TimerWheel(Generic[Item]):
    """Buckets of items by instant (epoch ms), taken out in order of time.

    ``phase_ms``: by how much its large buckets begin earlier than others', 0 to ``FAR_MS``.
    """

    __slots__ = ("_far", "_far_heap", "_near", "_near_heap", "_near_until_ms", "_phase_ms")

    def __init__(self, phase_ms: int = 0) -> None:
        self._phase_ms = phase_ms
        self._near: dict[int, Item | list[Item]] = {}
        self._near_heap: list[int] = []
        self._far: dict[int, Item | list[Item]] = {}
        self._far_heap: list[int] = []
        self._near_until_ms = _LONG_AGO

    def add(self, item: Item, at_ms: int) -> None:
        """Waits for the watermark to pass ``at_ms``, which is the item's ``timer_ms``."""
        if at_ms < self._near_until_ms:
            buckets, heap, bucket = self._near, self._near_heap, at_ms >> BUCKET_BITS
        else:
            buckets, heap, bucket = self._far, self._far_heap, (at_ms + self._phase_ms) >> FAR_BITS
        stored = buckets.get(bucket)
        if stored is None:
            buckets[bucket] = item
            heapq.heappush(heap, bucket)
        elif isinstance(stored, list):
            stored.append(item)
        else:
            buckets[bucket] = [stored, item]

    def due(self, before_ms: int) -> Iterator[tuple[int, list[Item]]]:
        """Takes out what waits for an instant strictly before ``before_ms``, oldest bucket first.

        Yields the end of the bucket (first ms after it) and its items; those whose ``timer_ms``
        lies elsewhere have moved on. Items added while this runs are taken too when they are due.
        """
        last_bucket = (before_ms >> BUCKET_BITS) - 1
        heap = self._near_heap
        while True:
            while heap and heap[0] <= last_bucket:
                bucket = heapq.heappop(heap)
                end_ms = (bucket + 1) << BUCKET_BITS
                yield end_ms, _listed(self._near.pop(bucket))
            if not self._far_heap or (self._far_heap[0] << FAR_BITS) - self._phase_ms >= before_ms:
                return
            self._come_near(heapq.heappop(self._far_heap))

    def _come_near(self, far_bucket: int) -> None:
        """Sorts a large bucket into small ones; who waits for another instant by now waits elsewhere."""
        begins_ms = (far_bucket << FAR_BITS) - self._phase_ms
        ends_ms = self._near_until_ms = begins_ms + FAR_MS
        for item in _listed(self._far.pop(far_bucket)):
            if begins_ms <= item.timer_ms < ends_ms:
                self.add(item, item.timer_ms)

    def __len__(self) -> int:
        return sum(len(_listed(stored)) for buckets in (self._near, self._far) for stored in buckets.values())


def _listed(stored: Item | list[Item]) -> list[Item]:
    return stored if isinstance(stored, list) else [stored]
