"""A recording replayed by several processes, each with customers of its own.

In: what a ``Replay`` takes, and the number of processes. Out: the same facts, dead letters and report; lines of
different customers in any order, each customer's own in his. Refused: journeys whose customers teach one another
(``NotShared``), for no process would know what the others have learnt; a process that ends early (``ShareLost``).

Each process reads the whole recording and passes over what is not its own: to look whose a line is costs an eighth of
replaying it, less than handing lines on. What they would write they send to this one. When it dies they end too.
"""

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Final, Literal, NamedTuple, cast

import msgspec

from flows.delivery import shards_of
from flows.file_source import RecordingUnreadable, read_blocks
from flows.replay import DEFAULT_KINDS, HINT, Replay, ReplayReport
from operators.catalogue import Catalogue
from operators.events import customers_of

_TELLS_BYTES: Final = 1 << 20
"""So much is told, or read, at a time: each word wakes this process, which has no core of its own."""
_ENDS_WITHIN_S: Final = 10.0
_PROCESSES: Final = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])

Said = (
    tuple[Literal["facts", "letters"], bytes]
    | tuple[Literal["read"], int]
    | tuple[Literal["report"], ReplayReport]
    | tuple[Literal["unreadable"], tuple[Path, str]]
)
"""What a share says: what is to be written, bytes it has read, at last its report, or which file it can't read."""


class SharingFailure(Exception):
    """Why a recording was not replayed by several processes; its text says what to do."""


class NotShared(SharingFailure):
    """Journeys that can't be shared out. ``journeys``: those; ``why``: what their customers teach one another."""

    def __init__(self, journeys: Sequence[str], why: str) -> None:
        self.journeys = tuple(journeys)
        super().__init__(
            f"workers: found {why} ({', '.join(journeys)}), expected nothing that is learnt: what one process learns "
            "the others would not know; replay with one worker"
        )


class ShareLost(SharingFailure):
    """A process that ended before its work was done. ``code``: its exit code (-9: it was killed)."""

    def __init__(self, number: int, code: int | None) -> None:
        self.number = number
        self.code = code
        super().__init__(
            f"replay, worker {number}: found exit code {code}, expected its report; what it had to say stands above, "
            "and where memory ran out, try fewer"
        )


class Task(msgspec.Struct, frozen=True):
    """What every share is to do: ``of`` of them, each with its own customers. Only what is wanted is told."""

    paths: tuple[Path, ...]
    catalogue: Catalogue
    kinds: frozenset[str]
    version: str
    of: int
    facts: bool
    letters: bool


class SharedReplay:
    """As ``Replay``, over ``workers`` processes. Raises NotShared."""

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
        require_independent(catalogue, kinds)
        self.report = ReplayReport()
        self._told = {"facts": out, "letters": dead_letters}
        self._task = Task((), catalogue, frozenset(kinds), version, workers, out is not None, dead_letters is not None)
        self._writing = threading.Lock()

    def run(self, paths: Sequence[Path], on_bytes: Callable[[int], None] = lambda _: None) -> ReplayReport:
        """Replays the files one after the other. Raises RecordingUnreadable, ShareLost, and OSError of writing."""
        began = time.perf_counter()
        task = msgspec.structs.replace(self._task, paths=tuple(paths))
        ended: SimpleQueue[Share] = SimpleQueue()
        ears = Ears(self._write, on_bytes, ended.put)
        shares: list[Share] = []
        try:
            shares.extend(Share(task, number, ears) for number in range(task.of))
            for _ in shares:
                self._add(ended.get().finished())
        finally:
            for share in shares:
                share.stop()
        if self._told["facts"] is not None:
            self._told["facts"].flush()
        self.report.seconds = time.perf_counter() - began
        return self.report

    def _write(self, to: str, content: bytes) -> None:
        """What a share has told."""
        file = self._told[to]
        if file is not None:
            with self._writing:
                file.write(content)

    def _add(self, report: ReplayReport) -> None:
        ours = self.report
        ours.events += report.events
        ours.facts += report.facts
        ours.dead_letters += report.dead_letters
        ours.counts.add(report.counts)


class Ears(NamedTuple):
    """Who is told what a share says: what is to be written, how many bytes it has read, and that it has ended."""

    write: Callable[[str, bytes], None]
    on_bytes: Callable[[int], None]
    on_end: Callable[["Share"], None]


class Share:
    """One of the processes, as seen from this one. All ``ears`` are called from a thread of its own."""

    def __init__(self, task: Task, number: int, ears: Ears) -> None:
        self._number = number
        self._ears = ears
        self._report: ReplayReport | None = None
        self._failure: Exception | None = None
        self._said, says = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=_replay_share, args=(task, number, says), daemon=True)
        self._process.start()
        # Theirs alone: only so does this side see that they are gone.
        says.close()
        self._hearing = threading.Thread(target=self._hear_all, daemon=True)
        self._hearing.start()

    def finished(self) -> ReplayReport:
        """What it did, once it has ended. Raises why it has not done it."""
        if self._report is not None:
            return self._report
        if self._failure is not None:
            raise self._failure
        self._process.join(_ENDS_WITHIN_S)
        raise ShareLost(self._number, self._process.exitcode)

    def stop(self) -> None:
        """Ends it, whatever it does."""
        self._process.terminate()
        self._process.join()
        self._hearing.join()
        self._said.close()

    def _hear_all(self) -> None:
        try:
            while self._failure is None:
                self._hear(cast("Said", self._said.recv()))
        except (EOFError, OSError) as error:
            self._failure = None if isinstance(error, EOFError) else error
        self._ears.on_end(self)

    def _hear(self, said: Said) -> None:
        match said:
            case ("facts" | "letters" as to, content):
                self._ears.write(to, content)
            case ("read", size):
                self._ears.on_bytes(size)
            case ("report", report):
                self._report = report
            case ("unreadable", (path, found)):
                self._failure = RecordingUnreadable(path, found)


def require_independent(catalogue: Catalogue, kinds: Collection[str]) -> None:
    """Nothing that one customer does may change what is told of another. Raises NotShared."""
    learning = catalogue.learning_journeys(checkpoints="idle" in kinds)
    if learning:
        raise NotShared(learning, "journeys that learn")
    if HINT in kinds and catalogue.hints.wording == "bandit":
        raise NotShared(list(catalogue.journeys), "hints whose wordings are on trial")


def own_lines(blocks: Iterable[Sequence[bytes]], number: int, of: int) -> Iterator[bytes]:
    """The lines of a share's customers, in order; those that are nobody's go where they will be refused."""
    for raws in blocks:
        shares = shards_of(customers_of(raws), of)
        yield from [raw for raw, share in zip(raws, shares, strict=True) if share == number]


def _replay_share(task: Task, number: int, says: "Connection[Said, Said]") -> None:
    """What each of the processes does. Ctrl-C is for the one that started us: it ends us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(ConnectionError):  # Nobody is left to tell.
        says.send(_replayed(task, number, says))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _replayed(task: Task, number: int, says: "Connection[Said, Said]") -> Said:
    """The last word of a share. Raises ConnectionError when nobody listens."""
    reading = _Reading(says if number == 0 else None)
    facts, letters = (io.BufferedWriter(_Telling(says, to), _TELLS_BYTES) for to in ("facts", "letters"))
    out, dead_letters = facts if task.facts else None, letters if task.letters else None
    replay = Replay(task.catalogue, out, task.kinds, dead_letters, version=task.version)
    try:
        report = replay.run_lines(own_lines(read_blocks(task.paths, reading.on_bytes), number, task.of))
        letters.flush()
        reading.tell()
    except RecordingUnreadable as error:
        return ("unreadable", (error.path, error.found))
    return ("report", report)


class _Reading:
    """Says how many bytes have been read, not for each few of them; to nobody (None) where another share says it."""

    def __init__(self, says: "Connection[Said, Said] | None") -> None:
        self._says = says
        self._untold = 0

    def on_bytes(self, count: int) -> None:
        """So many more."""
        self._untold += count
        if self._untold >= _TELLS_BYTES:
            self.tell()

    def tell(self) -> None:
        """Says what has not been said yet."""
        if self._says is not None:
            self._says.send(("read", self._untold))
        self._untold = 0


class _Telling(io.RawIOBase):
    """A file to the replay: what is written to it is sent, under a name."""

    def __init__(self, says: "Connection[Said, Said]", to: Literal["facts", "letters"]) -> None:
        self._says = says
        self._to: Literal["facts", "letters"] = to

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: object, /) -> int:
        """Sends the bytes."""
        sent = bytes(cast("memoryview", content))
        self._says.send((self._to, sent))
        return len(sent)
