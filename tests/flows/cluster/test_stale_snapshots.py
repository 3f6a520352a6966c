"""What a run wrote that was taken back is not found again by the one after next; Bytewax alone would find it."""

import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from bytewax.testing import TestingSink, TestingSource

from flows.cluster.recovery_folder import RecoveryUnusable
from flows.cluster.stale_snapshots import forget_stale, resume_epoch

run_flow: Callable[..., Any] = cli_main
recovery: Callable[[Path], RecoveryConfig] = RecoveryConfig
make_parts: Callable[[Path, int], None] = init_db_dir

STEP = "sums.sum.stateful_flat_map.stateful.stateful_batch"


def add(total: int | None, value: int) -> tuple[int, int]:
    total = (total or 0) + value
    return total, total


class Sums:
    """A dataflow that adds up by key, run bit by bit: an epoch an item."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.items: list[Any] = []
        make_parts(folder, 2)

    @property
    def parts(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.sqlite3"))

    def run(self, *more: tuple[str, int]) -> list[Any]:
        """What comes out for what goes in; then it is killed."""
        told: list[Any] = []
        self.items += [*more, TestingSource.ABORT()]
        flow = Dataflow("sums")
        items = op.input("items", flow, TestingSource(self.items))
        op.output("told", op.stateful_map("sum", items, add), TestingSink(told))
        run_flow(flow, epoch_interval=timedelta(0), recovery_config=recovery(self.folder))
        return told

    def leave_behind(self, key: str, value: int) -> None:
        """As a process that was killed before its last epoch counted."""
        epoch = resume_epoch(self.parts)
        for part in self.parts:
            with closing(sqlite3.connect(part)) as store, store:
                if store.execute("SELECT 1 FROM snaps WHERE state_key = ?", (key,)).fetchone():
                    row = (STEP, key, epoch, pickle.dumps(value))
                    store.execute(
                        "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?,?,?,?)", row
                    )

    def steps(self) -> set[str]:
        found: set[str] = set()
        for part in self.parts:
            with closing(sqlite3.connect(part)) as store:
                found |= {step for (step,) in store.execute("SELECT DISTINCT step_id FROM snaps")}
        return found


@pytest.fixture
def sums(tmp_path: Path) -> Sums:
    return Sums(tmp_path)


@pytest.mark.parametrize(("forgets", "expected"), [(True, 6), (False, 1005)])
def test_what_was_taken_back_stays_so(sums: Sums, forgets: bool, expected: int) -> None:
    assert sums.run(("a", 1), ("b", 1)) == [("a", 1), ("b", 1)]
    assert STEP in sums.steps()
    sums.leave_behind("a", 1_000)
    if forgets:
        assert forget_stale(sums.folder) >= 1
    sums.run(("b", 1), ("b", 1), ("b", 1), ("b", 1))
    assert ("a", expected) in sums.run(("a", 5))


def test_what_counts_stays(sums: Sums) -> None:
    sums.run(("a", 1), ("b", 1))
    forget_stale(sums.folder)
    assert forget_stale(sums.folder) == 0
    assert ("a", 2) in sums.run(("a", 1))


def test_before_the_first_run_there_is_nothing_to_forget(sums: Sums) -> None:
    assert resume_epoch(sums.parts) is None
    assert forget_stale(sums.folder) == 0


def test_it_goes_on_where_the_slowest_worker_of_the_last_run_was(sums: Sums) -> None:
    with closing(sqlite3.connect(sums.parts[0])) as store, store:
        store.execute("INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (3, 2, 10), (4, 3, 20)")
        store.execute("INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (3, 0, 99), (4, 0, 24)")
    with closing(sqlite3.connect(sums.parts[1])) as store, store:
        store.execute("INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (4, 1, 22)")
    assert resume_epoch(sums.parts) == 20
    with closing(sqlite3.connect(sums.parts[1])) as store, store:
        store.execute("INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (4, 2, 23)")
    assert resume_epoch(sums.parts) == 22


def test_a_store_that_is_none_is_refused_in_words(sums: Sums) -> None:
    sums.parts[0].write_bytes(b"no store at all, but long enough to look like one" * 100)
    with pytest.raises(RecoveryUnusable, match="file is not a database, expected a whole folder"):
        forget_stale(sums.folder)
