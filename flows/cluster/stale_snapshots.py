"""Snapshots that were written and did not count: removed before they are taken for the truth.

In: the recovery folder, as a run begins. Out: how many rows of Bytewax's store were removed. Refused: a store that
can't be read or written (``RecoveryUnusable``).

A process that is killed may have written snapshots of the epoch from which the next one goes on, or of later ones.
Bytewax leaves them there and counts on their being overwritten. But a step is snapshotted only in epochs in which it
had something to do: where it has nothing to do in that very epoch the second time, the old row stays, and the start
after the next takes it for its state - out of a past that was taken back.

It is called when nobody of the run before is left and nobody has begun, by one process of a set alone: then nobody
else has the store open, and what Bytewax will go on from is settled. Never while Bytewax has it open in this very
process: it carries an SQLite of its own, the two do not see one another's locks, and ours, closing, would take away
the log that the other still writes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from flows.cluster.recovery_folder import RecoveryUnusable

_PATIENCE_S: Final = 10.0
"""Whoever looks at a part may hold it for a moment."""

_LAST_RUN: Final = "SELECT ex_num, worker_count, resume_epoch FROM exs ORDER BY ex_num DESC LIMIT 1"
_FRONTIERS: Final = "SELECT worker_index, worker_frontier FROM fronts WHERE ex_num = ?"


def forget_stale(folder: Path) -> int:
    """Removes every snapshot of the epoch from which Bytewax goes on, and of later ones. Raises RecoveryUnusable."""
    parts = sorted(folder.glob("part-*.sqlite3"))
    try:
        epoch = resume_epoch(parts)
        return 0 if epoch is None else sum(_forget(part, epoch) for part in parts)
    except sqlite3.Error as error:
        raise RecoveryUnusable(folder, str(error)) from error


def resume_epoch(parts: list[Path]) -> int | None:
    """The epoch from which Bytewax goes on: all workers of the last run were through those before. None: no run was."""
    run = max((row for part in parts for row in _rows(part, _LAST_RUN)), default=None)
    if run is None:
        return None
    number, workers, began_at = run
    frontiers = dict.fromkeys(range(workers), began_at)
    for part in parts:
        for worker, frontier in _rows(part, _FRONTIERS, number):
            frontiers[worker] = max(frontiers.get(worker, began_at), frontier)
    return min(frontiers.values())


def _rows(part: Path, query: str, *values: int) -> Iterator[tuple[int, ...]]:
    with closing(sqlite3.connect(part, timeout=_PATIENCE_S)) as connection:
        yield from connection.execute(query, values)


def _forget(part: Path, epoch: int) -> int:
    with closing(sqlite3.connect(part, timeout=_PATIENCE_S)) as connection, connection:
        return connection.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (epoch,)).rowcount
