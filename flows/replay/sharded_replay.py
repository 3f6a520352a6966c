"""A recording replayed by several processes, each with customers of its own.

In: what a ``Replay`` takes, and the number of processes. Out: the same facts, dead letters and report; lines of
different customers in any order, each customer's own in his. Refused: journeys whose customers teach one another
(ValueError), for no process would know what the others have learnt; what ``flows.replay.worker_process`` refuses.

Each process reads the whole recording and passes over what is not its own: to look whose a line is costs an eighth of
replaying it, less than handing lines on. What they would write they send to this one.
"""

import io
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Final, NamedTuple, cast

import msgspec

from flows.replay.replay import DEFAULT_KINDS, HINT, Replay, ReplayReport
from flows.replay.worker_process import MessageConnection, Reading, WorkerProcess
from flows.sources.recording import read_blocks
from flows.steps.messages import shards_of
from operators.records.catalogue import Catalogue
from operators.records.events import customers_of

_SEND_BYTES: Final = 1 << 20
"""So much is sent at a time: each message wakes this process, which has no core of its own."""


def is_shareable(catalogue: Catalogue, kinds: Collection[str]) -> bool:
    """Whether nothing that one customer does changes the outputs for another."""
    learns = catalogue.learning_journeys(checkpoints="idle" in kinds)
    return not learns and not (HINT in kinds and catalogue.hints.wording == "bandit")


class ShareTask(msgspec.Struct, frozen=True):
    """What a share is to do: number ``number`` of ``of``, each with its own customers. Only what is wanted is sent."""

    number: int
    paths: tuple[Path, ...]
    catalogue: Catalogue
    kinds: frozenset[str]
    version: str
    of: int
    facts: bool
    letters: bool


class SharedReplay:
    """As ``Replay``, over ``workers`` processes. Raises ValueError for what is not shareable."""

    def __init__(
        self,
        catalogue: Catalogue,
        out: IO[bytes] | None,
        kinds: Collection[str] = DEFAULT_KINDS,
        dead_letters: IO[bytes] | None = None,
        *,
        version: str = "",
        workers: int,
    ) -> None:
        if not is_shareable(catalogue, kinds):
            raise ValueError("customers who teach one another can't be shared out; replay them with TwoStageReplay")
        self.report = ReplayReport()
        self._files = {"facts": out, "letters": dead_letters}
        wanted = out is not None, dead_letters is not None
        self._task = ShareTask(0, (), catalogue, frozenset(kinds), version, workers, *wanted)
        self._write_lock = threading.Lock()

    def run(self, paths: Sequence[Path], on_bytes: Callable[[int], None] = lambda _: None) -> ReplayReport:
        """Replays the files one after the other. Raises as ``Replay``, and ReplayProcessLost."""
        began = time.perf_counter()
        task = msgspec.structs.replace(self._task, paths=tuple(paths))
        ended: SimpleQueue[ShareWorker] = SimpleQueue()
        listener = WorkerListener(self._write, on_bytes, ended.put)
        shares: list[ShareWorker] = []
        try:
            shares.extend(
                ShareWorker(msgspec.structs.replace(task, number=number), listener) for number in range(task.of)
            )
            for _ in shares:
                self._add(ended.get().finished())
        finally:
            for share in shares:
                share.stop()
        if self._files["facts"] is not None:
            self._files["facts"].flush()
        self.report.seconds = time.perf_counter() - began
        return self.report

    def _write(self, name: str, content: bytes) -> None:
        """What a share has sent."""
        file = self._files[name]
        if file is not None:
            with self._write_lock:
                file.write(content)

    def _add(self, report: ReplayReport) -> None:
        ours = self.report
        ours.events += report.events
        ours.facts += report.facts
        ours.dead_letters += report.dead_letters
        ours.counts.add(report.counts)


class WorkerListener(NamedTuple):
    """Who receives what a share sends: what is to be written, how many bytes it has read, and that it has ended."""

    write: Callable[[str, bytes], None]
    on_bytes: Callable[[int], None]
    on_end: Callable[["ShareWorker"], None]


class ShareWorker:
    """One of the processes, as seen from this one. All of ``listener`` is called from a thread of its own."""

    def __init__(self, task: ShareTask, listener: WorkerListener) -> None:
        self._listener = listener
        self._report: ReplayReport | None = None
        self._failure: Exception | None = None
        self._process = WorkerProcess(f"worker {task.number}", _replay_share, task)
        self._receiver = threading.Thread(target=self._receive, daemon=True)
        self._receiver.start()

    def finished(self) -> ReplayReport:
        """What it did, once it has ended. Raises why it has not done it."""
        if self._failure is not None:
            raise self._failure
        return cast("ReplayReport", self._report)

    def stop(self) -> None:
        """Ends it, whatever it does."""
        self._process.stop()
        self._receiver.join()
        self._process.close()

    def _receive(self) -> None:
        try:
            for kind, content in self._process.messages():
                if kind == "report":
                    self._report = content
                elif kind == "read":
                    self._listener.on_bytes(content)
                else:
                    self._listener.write(kind, content)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the replay was asked for
            self._failure = error
        self._listener.on_end(self)


def own_lines(blocks: Iterable[Sequence[bytes]], number: int, of: int) -> Iterator[bytes]:
    """The lines of a share's customers, in order; those that are nobody's go where they will be refused."""
    for raws in blocks:
        shares = shards_of(customers_of(raws), of)
        yield from [raw for raw, share in zip(raws, shares, strict=True) if share == number]


def _replay_share(task: ShareTask, sender: MessageConnection) -> ReplayReport:
    """What each of the processes does. One of them reports how far all have read."""
    reading = Reading(sender)
    on_bytes = reading.on_bytes if task.number == 0 else lambda _: None
    facts, letters = (io.BufferedWriter(_SentOutput(sender, name), _SEND_BYTES) for name in ("facts", "letters"))
    out, dead_letters = facts if task.facts else None, letters if task.letters else None
    replay = Replay(task.catalogue, out, task.kinds, dead_letters, version=task.version)
    report = replay.run_lines(own_lines(read_blocks(task.paths, on_bytes), task.number, task.of))
    letters.flush()
    reading.report()
    return report


class _SentOutput(io.RawIOBase):
    """A file to the replay: what is written to it is sent, under a name."""

    def __init__(self, sender: MessageConnection, name: str) -> None:
        self._sender = sender
        self._name = name

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: object, /) -> int:
        """Sends the bytes."""
        sent = bytes(cast("memoryview", content))
        self._sender.send((self._name, sent))
        return len(sent)
