"""The one place that starts Bytewax."""

import gc
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import bytewax.run
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir

_GARBAGE_THRESHOLDS: Final = (50_000, 20, 1_000_000)
"""State is millions of long-lived records without cycles: looking through all of them would find
nothing and stall for it; only what is young is looked through."""
_FORMAT: Final = "snapshots of format 2"
RECOVERY_PARTITIONS: Final = 32
"""Enough that the store's rows, which Bytewax never frees for a discarded key, stay spread out."""

_recovery: Final[Callable[[Path], RecoveryConfig]] = RecoveryConfig
_run: Final[Callable[..., Any]] = bytewax.run.cli_main
_init_db_dir: Final[Callable[[Path, int], None]] = init_db_dir


def quieten_garbage_collection() -> None:
    """For processes that hold shards: from now on only young objects are looked through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


class RecoveryMismatch(Exception):
    """Snapshots of another layout. ``folder``, ``found``, ``expected``: the layouts in words."""

    def __init__(self, folder: Path, found: str, expected: str) -> None:
        self.folder = folder
        self.found = found
        self.expected = expected
        super().__init__(
            f"snapshots in {folder}: found {found}, expected {expected}; "
            "set these settings back, or move the folder away to start without a memory"
        )


class Layout(NamedTuple):
    """Where snapshots are kept, and what must not change while they are: where a customer belongs, and on which bus.

    ``topic``: the bus's on Kafka, None on Redis.
    """

    folder: Path
    shards: int
    bus_partitions: int
    topic: str | None = None

    def check(self) -> None:
        """Raises RecoveryMismatch when snapshots of another layout are there."""
        if self._stone.is_file():
            found = self._stone.read_text("utf-8")
            if found != self._words:
                raise RecoveryMismatch(self.folder, found, self._words)

    def recovery_config(self) -> RecoveryConfig:
        """The snapshots' place for Bytewax, made when it is not there. Raises RecoveryMismatch."""
        self.check()
        if not self._stone.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            for stale in self.folder.glob("part-*.sqlite3*"):
                stale.unlink()
            shutil.rmtree(self.journals, ignore_errors=True)
            _init_db_dir(self.folder, RECOVERY_PARTITIONS)
            self._stone.write_text(self._words, "utf-8")
        return _recovery(self.folder)

    @property
    def journals(self) -> Path:
        """Where the steps write what their snapshots point to."""
        return self.folder / "journals"

    @property
    def _words(self) -> str:
        bus = "" if self.topic is None else f", Kafka topic {self.topic}"
        return f"{self.shards} shards, {self.bus_partitions} bus_partitions{bus}, {_FORMAT}"

    @property
    def _stone(self) -> Path:
        return self.folder / "layout.txt"


def run_dataflow(flow: Dataflow, workers: int, epoch_ms: int = 10_000, layout: Layout | None = None) -> None:
    """Runs until the sources end. With a ``layout``, state is kept there. Raises RecoveryMismatch."""
    quieten_garbage_collection()
    _run(
        flow,
        workers_per_process=workers,
        epoch_interval=timedelta(milliseconds=epoch_ms),
        recovery_config=layout.recovery_config() if layout is not None else None,
    )
