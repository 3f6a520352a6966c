"""A replay in two processes, one after the other: the first tracks, the second decides and learns.

In: what a ``Replay`` takes. Out: the same facts, dead letters and report, line by line in the same order: what is
learnt is learnt by one process, from the same batches. Refused: what ``flows.replay.worker_process`` refuses.

The first reads the files and follows the customers; what it saw it hands on, a batch at a time. For journeys whose
customers teach one another: ``flows.replay.sharded_replay`` can't share these out.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from flows.replay.replay import Replay, ReplayReport
from flows.replay.worker_process import MessageConnection, Reading, WorkerProcess
from flows.sources.recording import read_lines
from flows.steps.messages import TrackerOutput
from operators.records.catalogue import Catalogue


class TrackingTask(msgspec.Struct, frozen=True):
    """What the first of the two is to do."""

    paths: tuple[Path, ...]
    catalogue: Catalogue
    kinds: frozenset[str]


class TwoStageReplay(Replay):
    """As ``Replay``, in two processes."""

    def run(self, paths: Sequence[Path], on_bytes: Callable[[int], None] = lambda _: None) -> ReplayReport:
        """Replays the files one after the other. Raises as ``Replay``, and ReplayProcessLost."""
        began = time.perf_counter()
        tracking = WorkerProcess("tracking", _track, TrackingTask(tuple(paths), self._catalogue, self._kinds))
        try:
            self.run_tracked(self._received(tracking, on_bytes))
        finally:
            tracking.stop()
            tracking.close()
        self.report.seconds = time.perf_counter() - began
        return self.report

    def _received(
        self, tracking: WorkerProcess[TrackingTask], on_bytes: Callable[[int], None]
    ) -> Iterator[TrackerOutput]:
        """What was tracked; how far it has read is passed on, what it has counted becomes ours."""
        for kind, content in tracking.messages():
            if kind == "tracked":
                yield content
            elif kind == "read":
                on_bytes(content)
            else:
                self.report.counts.add(content.counts)


def _track(task: TrackingTask, sender: MessageConnection) -> ReplayReport:
    """What the first of the two does."""
    reading = Reading(sender)

    def hand_on(tracked: Sequence[TrackerOutput]) -> None:
        for output in tracked:
            sender.send(("tracked", output))

    report = Replay(task.catalogue, None, task.kinds).track_lines(read_lines(task.paths, reading.on_bytes), hand_on)
    reading.report()
    return report
