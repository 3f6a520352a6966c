"""Recorded events through the same dataflow, in event time, as fast as it goes.

In: recordings, a catalogue, the kinds of facts wanted. Out: facts as NDJSON, one a line, and
a ``ReplayReport``. Refused events go to the dead-letter file, or are counted and shown by kind.
No Redis, no network.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import msgspec
from bytewax.dataflow import Dataflow

from flows.dataflow import FlowOptions, Sinks, deciding_flow, journey_flow, tracking_flow
from flows.live.runner import run_dataflow
from flows.replay.worker_process import ReplayProcessLost
from flows.sinks.list_sink import ListSink
from flows.sources.recording import RecordingSource, RecordingUnreadable, polls_of, read_lines
from flows.steps.decide import Learns
from flows.steps.messages import TrackerOutput
from flows.steps.shard_keys import shard_key
from flows.steps.uplift import WatchUplift
from operators.hints.arbitration import Verdict
from operators.hints.hint import Hint, hint_document
from operators.records.catalogue import Catalogue
from operators.records.dead_letters import DeadLetter, dead_letter_document
from operators.records.facts import FACT_KINDS, LIFE_CYCLE, Fact, fact_document
from operators.tracking.attempt import TrackerCounts
from operators.tracking.tracker import ShardTracker

Item = TypeVar("Item")

HINT: Final = "hint"
KINDS: Final = (*FACT_KINDS, HINT)
DEFAULT_KINDS: Final = tuple(kind for kind in FACT_KINDS if kind in LIFE_CYCLE)
_AHEAD_MS: Final = 60_000
_ENCODER: Final = msgspec.json.Encoder()


class ReplayReport(msgspec.Struct):
    """What a replay did. ``facts``, ``dead_letters``: counts by kind."""

    events: int = 0
    seconds: float = 0.0
    facts: Counter[str] = msgspec.field(default_factory=Counter)
    dead_letters: Counter[str] = msgspec.field(default_factory=Counter)
    counts: TrackerCounts = msgspec.field(default_factory=TrackerCounts)


class ReplayPace(msgspec.Struct, frozen=True):
    """How a replay is cut up; its facts do not depend on any of it.

    One worker alone needs no shards: sharing out would only cost.
    """

    shards: int = 1
    poll_events: int = 512
    workers: int = 1


class ReplayObservers(msgspec.Struct, frozen=True):
    """Who else is shown what happens: the wanted facts, what hints are worth (None: nobody), what is learnt."""

    facts: Callable[[Sequence[Fact]], None] = lambda _: None
    uplift: WatchUplift | None = None
    learns: Learns = Learns()


class Replay:
    """One replay: what is wanted, where it goes (``out`` None: nowhere), who watches, and what it did."""

    def __init__(
        self,
        catalogue: Catalogue,
        out: IO[bytes] | None,
        kinds: Collection[str] = DEFAULT_KINDS,
        dead_letters: IO[bytes] | None = None,
        *,
        version: str = "",
        pace: ReplayPace | None = None,
        watching: ReplayObservers | None = None,
    ) -> None:
        self.report = ReplayReport()
        self._catalogue = catalogue
        self._out = out
        self._kinds = frozenset(kinds)
        self._dead_letters = dead_letters
        self._version = version
        self._pace = pace or ReplayPace()
        self._observers = watching or ReplayObservers()
        self._latest_ms = time.time_ns() // 1_000_000 + _AHEAD_MS
        self._write_lock = threading.Lock()
        self._failure: RecordingUnreadable | ReplayProcessLost | OSError | None = None

    def run(self, paths: Sequence[Path], on_bytes: Callable[[int], None] = lambda _: None) -> ReplayReport:
        """Replays the files one after the other. Raises RecordingUnreadable, and OSError when writing fails."""
        return self.run_lines(read_lines(paths, on_bytes))

    def run_lines(self, lines: Iterator[bytes]) -> ReplayReport:
        """Replays lines that are already there."""
        source = self._source(polls_of(lines, self._pace.poll_events))
        return self._run(journey_flow(source, self._catalogue, self._options(), self._sinks()))

    def run_tracked(self, tracked: Iterator[TrackerOutput]) -> ReplayReport:
        """Replays what ``track_lines`` elsewhere handed on; who hands it here adds to ``report.counts``."""
        source = self._source((shard_key(0), output) for output in tracked)
        return self._run(deciding_flow(source, self._catalogue, self._options(), self._sinks()))

    def track_lines(self, lines: Iterator[bytes], send: Callable[[Sequence[TrackerOutput]], None]) -> ReplayReport:
        """The first half of a replay alone: nothing is decided, nothing published. Raises as ``run``."""
        source = self._source(polls_of(lines, self._pace.poll_events))
        return self._run(tracking_flow(source, self._catalogue, self._options(), ListSink(lambda: send)))

    def _run(self, flow: Dataflow) -> ReplayReport:
        began = time.perf_counter()
        run_dataflow(flow, self._pace.workers)
        if self._failure is not None:
            raise self._failure
        if self._out is not None:
            self._out.flush()
        self.report.seconds = time.perf_counter() - began
        self.report.events = self.report.counts.events + sum(self.report.dead_letters.values())
        return self.report

    def _source(self, items: Iterator[Item]) -> RecordingSource[Item]:
        self._failure = None
        return RecordingSource(self._until_failure(items), lambda: self._failure is not None)

    def _options(self) -> FlowOptions:
        return FlowOptions(
            shards=self._pace.shards,
            run_out=lambda: self._failure is None,
            latest_ms=lambda _: self._latest_ms,
            checkpoints="idle" in self._kinds,
            struggles="struggled" in self._kinds,
            watch=self._watch,
            learns=self._observers.learns,
            watch_uplift=self._observers.uplift,
        )

    def _sinks(self) -> Sinks:
        return Sinks(
            facts=ListSink(lambda: self._write_facts),
            dead_letters=ListSink(lambda: self._write_dead_letters),
            hints=ListSink(lambda: self._write_hints) if HINT in self._kinds else None,
        )

    def _until_failure(self, items: Iterator[Item]) -> Iterator[Item]:
        """What there is up to a failure: the engine would bury the error in its own."""
        try:
            yield from items
        except (RecordingUnreadable, ReplayProcessLost) as error:
            self._failure = error

    def _watch(self, shard: ShardTracker) -> None:
        counts, shard.counts = shard.counts, TrackerCounts()
        with self._write_lock:
            self.report.counts.add(counts)

    def _write_facts(self, facts: Sequence[Fact]) -> None:
        wanted = [fact for fact in facts if fact.kind in self._kinds]
        if wanted:
            if self._out is not None:
                self._write(self._out, map(fact_document, wanted))
            with self._write_lock:
                self.report.facts.update([fact.kind for fact in wanted])
                self._observers.facts(wanted)

    def _write_hints(self, verdicts: Sequence[Verdict]) -> None:
        hints: list[dict[str, Any]] = [
            {"kind": HINT, **hint_document(verdict)} for verdict in verdicts if isinstance(verdict, Hint)
        ]
        if hints:
            if self._out is not None:
                self._write(self._out, hints)
            with self._write_lock:
                self.report.facts[HINT] += len(hints)

    def _write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        with self._write_lock:
            self.report.dead_letters.update(letter.rejections[0].kind for letter in letters)
        if self._dead_letters is not None:
            self._write(self._dead_letters, (dead_letter_document(letter, self._version) for letter in letters))

    def _write(self, file: IO[bytes], documents: Iterable[dict[str, Any]]) -> None:
        """Writes a line each, unless writing has failed before: the failure is raised when the engine has ended."""
        lines = [*map(_ENCODER.encode, documents), b""]
        with self._write_lock:
            try:
                if self._failure is None:
                    file.write(b"\n".join(lines))
            except OSError as error:
                self._failure = error
