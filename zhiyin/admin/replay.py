"""``zhiyin replay``: files in, facts out, a progress bar for a person, a summary at the end.

In: a catalogue, the command's options. Out: facts where they were wanted; on stderr what
the replay did. Refused: a kind of fact there is none of, an output that can't be written
(``CommandFailure``); what ``flows.sources.recording`` can't read.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from flows.replay.replay import DEFAULT_KINDS, KINDS, Replay, ReplayReport
from flows.replay.sharded_replay import SharedReplay, is_shareable
from flows.replay.two_stage_replay import TwoStageReplay
from flows.replay.worker_process import ReplayProcessLost
from flows.sources.recording import RecordingUnreadable
from operators.records.catalogue import Catalogue
from zhiyin.console.errors import CommandFailure
from zhiyin.console.output_file import opened_for_writing
from zhiyin.console.progress import Progress
from zhiyin.console.terminal import say
from zhiyin.console.version import VERSION


def run_replay(catalogue: Catalogue, chosen: argparse.Namespace) -> ReplayReport:
    """Replay ``chosen.files``. Raises CommandFailure."""
    kinds = wanted_kinds(chosen.emit)
    with _output(chosen.out) as out, _dead_letters(chosen.dead_letters) as dead_letters:
        try:
            replay = _replay(chosen.workers, catalogue, out, kinds, dead_letters)
            with Progress("replay", total_bytes(chosen.files), quiet=chosen.quiet) as progress:
                report = replay.run(chosen.files, progress.step)
        except (RecordingUnreadable, ReplayProcessLost) as error:
            raise CommandFailure(str(error)) from error
    if not chosen.quiet:
        say(summary(report))
    return report


def _replay(
    workers: int, catalogue: Catalogue, out: IO[bytes], kinds: Sequence[str], dead_letters: IO[bytes] | None
) -> Replay | SharedReplay:
    if workers > 1 and is_shareable(catalogue, kinds):
        return SharedReplay(catalogue, out, kinds, dead_letters, version=VERSION, workers=workers)
    replay = Replay if workers == 1 else TwoStageReplay
    return replay(catalogue, out, kinds, dead_letters, version=VERSION)


def wanted_kinds(emit: str | None) -> tuple[str, ...]:
    """The kinds in ``abandoned,returned``; those that are always the same when None. Raises CommandFailure."""
    if emit is None:
        return DEFAULT_KINDS
    kinds = tuple(kind.strip() for kind in emit.split(",") if kind.strip())
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        found = ", ".join(unknown) or "none"
        raise CommandFailure(f"--emit: found {found}, expected kinds with commas between, of: {', '.join(KINDS)}")
    return kinds


def total_bytes(files: Sequence[Path]) -> int | None:
    """How many bytes the files have on disk, packed or not; None where one is not there (the replay says so)."""
    return sum(path.stat().st_size for path in files) if all(path.is_file() for path in files) else None


def summary(report: ReplayReport) -> str:
    """What a replay did, in a few lines."""
    rate = round(report.events / report.seconds) if report.seconds > 0 else 0
    lines = [f"replay: {report.events:,} events in {report.seconds:.1f} s ({rate:,} a second)"]
    lines += [f"  {kind} {count:,}" for kind, count in sorted(report.facts.items())]
    lines += [f"  refused, {kind} {count:,}" for kind, count in sorted(report.dead_letters.items())]
    return "\n".join(lines)


def _output(path: Path | None) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdout.buffer) if path is None else opened_for_writing(path, "--out")


def _dead_letters(path: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    return nullcontext() if path is None else opened_for_writing(path, "--dead-letters")
