"""Where facts, hints and dead letters leave the dataflow: Redis when live, a file for recordings.

Every write is safe to repeat: facts and hints are known by their ids, so that a batch written
again after a restart changes nothing.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bytewax.outputs import DynamicSink, StatelessSinkPartition

Item = TypeVar("Item")


class ListSink(DynamicSink[list[Item]], Generic[Item]):
    """Hands each worker's lists to a writer of its own; ``open_writer()`` makes one for a worker."""

    def __init__(self, open_writer: Callable[[], Callable[[Sequence[Item]], None]]) -> None:
        self._open_writer = open_writer

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_ListPartition[Item]":
        """One writer a worker."""
        return _ListPartition(self._open_writer())


class _ListPartition(StatelessSinkPartition[list[Item]], Generic[Item]):
    def __init__(self, write: Callable[[Sequence[Item]], None]) -> None:
        self._write = write

    def write_batch(self, items: list[list[Item]]) -> None:
        """Several lists become one call."""
        self._write(items[0] if len(items) == 1 else [item for batch in items for item in batch])
