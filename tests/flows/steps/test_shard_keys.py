"""Where the engine puts the keys of shards: asked of the engine itself."""

from collections import Counter
from collections.abc import Callable

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource, cluster_main

from flows.steps.shard_keys import SPREADS_OVER, engine_hash, shard_key

Item = tuple[str, int]
_run: Callable[..., None] = cluster_main


class KeyedItems(StatelessSinkPartition[Item]):
    def __init__(self, worker: int, workers: dict[str, int]) -> None:
        self._worker = worker
        self._workers = workers

    def write_batch(self, items: list[Item]) -> None:
        self._workers.update(dict.fromkeys((key for key, _ in items), self._worker))


class Asked(DynamicSink[Item]):
    """Which worker has each key."""

    def __init__(self) -> None:
        self.workers: dict[str, int] = {}

    def build(self, step_id: str, worker_index: int, worker_count: int) -> KeyedItems:
        return KeyedItems(worker_index, self.workers)


def placed(keys: list[str], workers: int) -> dict[str, int]:
    flow, asked = Dataflow("placing"), Asked()
    given = op.input("keys", flow, TestingSource([(key, 1) for key in keys]))
    op.output("asked", op.stateful_map("placed", given, lambda _, value: (None, value)), asked)
    _run(flow, [], 0, worker_count_per_proc=workers)
    return asked.workers


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_shards_are_spread_evenly_over_workers(workers: int) -> None:
    keys = [shard_key(shard) for shard in range(48)]
    found = placed(keys, workers)
    assert set(Counter(found.values()).values()) == {48 // workers}
    assert found == {key: shard % workers for shard, key in enumerate(keys)}


def test_the_engine_hashes_as_we_do() -> None:
    keys = ["", "0", "policy_loan", "保单贷款", "a key of more than sixteen bytes", *map(str, range(100))]
    assert placed(keys, 5) == {key: engine_hash(key) % 5 for key in keys}


def test_a_key_stays_what_it_is() -> None:
    assert [shard_key(shard) for shard in (0, 1, 31)] == KEYS
    assert len({shard_key(shard) for shard in range(2 * SPREADS_OVER)}) == 2 * SPREADS_OVER


KEYS = ["000-11", "001-42", "031-6"]
"""Snapshots are kept by them: another key is another format of the recovery folder."""
