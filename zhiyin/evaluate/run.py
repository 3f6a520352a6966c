"""``zhiyin evaluate``: recordings in, a report of how good the predictions would have been.

In: a catalogue, the command's options. Out: tables (or JSON) on stdout; with ``--out`` a report and two pictures.
Refused: a recording that can't be read, a folder that can't be written (``CommandFailure``). Without LightGBM or
matplotlib it does the rest, and says so in one line.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from flows.replay.replay import HINT, Replay, ReplayObservers, ReplayReport
from flows.replay.two_stage_replay import TwoStageReplay
from flows.replay.worker_process import ReplayProcessLost
from flows.sources.recording import RecordingUnreadable
from flows.steps.decide import Learns
from operators.hints.uplift import UpliftCounts
from operators.learning.interfaces import Learning
from operators.records.catalogue import Catalogue
from operators.records.facts import Fact, FactKind
from operators.tracking.features import PredictionQuestion, ScoredPrediction
from zhiyin.admin.replay import total_bytes
from zhiyin.console.errors import CommandFailure
from zhiyin.console.progress import Progress
from zhiyin.console.terminal import say
from zhiyin.console.version import VERSION
from zhiyin.evaluate.batch_model import BatchModelMissing, batch_scores
from zhiyin.evaluate.catalogues import looks_ms, shortest_ms, with_shortest_timeout, with_target
from zhiyin.evaluate.findings import Compared, findings, reliability_of
from zhiyin.evaluate.plots import PlotsMissing, plot
from zhiyin.evaluate.predictions import Predictions
from zhiyin.evaluate.report import EvaluationReport, JourneyTiming, in_order, printed, uplift_of
from zhiyin.evaluate.timeouts import LearnedPromptness, Silences

TIMED: Final[tuple[FactKind, ...]] = ("abandoned", "returned")
Replaying = Callable[[str, Catalogue, Sequence[str], ReplayObservers], ReplayReport]
"""Replays the recordings through a catalogue: what it is called, which facts are wanted, who watches."""


class Witness:
    """Watches the replay as the catalogue has it: predictions, learning, hints."""

    def __init__(self) -> None:
        self.predictions: dict[tuple[str, PredictionQuestion], Predictions] = {}
        self.learning: dict[str, Learning] = {}
        self.uplift: dict[str, UpliftCounts] = {}

    def scored(self, journey: str, scored: Sequence[ScoredPrediction]) -> None:
        """Predictions whose outcomes are known now."""
        for prediction in scored:
            self.predictions.setdefault((journey, prediction.question), Predictions()).add((prediction,))

    def begin(self, journey: str, learning: Learning, *, resumed: bool) -> None:
        """A journey's learning, which begins from nothing."""
        self.learning[journey] = learning

    def __call__(self, journey: str, learning: Learning) -> None:
        """After each batch: nothing to keep."""

    def watching(self) -> ReplayObservers:
        """The observers through which a replay reaches this witness."""
        return ReplayObservers(uplift=self.uplift.__setitem__, learns=Learns(self.scored, self))


def run_evaluate(catalogue: Catalogue, chosen: argparse.Namespace) -> int:
    """Evaluate ``chosen.files``. Raises CommandFailure."""
    if chosen.out is not None:
        _make(chosen.out)

    replay = Replay if chosen.workers == 1 else TwoStageReplay

    def replaying(what: str, catalogue: Catalogue, kinds: Sequence[str], watching: ReplayObservers) -> ReplayReport:
        with Progress(what, total_bytes(chosen.files), quiet=chosen.quiet) as progress:
            try:
                return replay(catalogue, None, kinds, watching=watching).run(chosen.files, progress.step)
            except (RecordingUnreadable, ReplayProcessLost) as error:
                raise CommandFailure(str(error)) from error

    report = evaluated(catalogue, replaying, chosen.targets, [str(path) for path in chosen.files])
    if chosen.out is not None:
        report = _written(report, chosen.out)
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n" if chosen.json else printed(report))
    return 0


def evaluated(
    catalogue: Catalogue, replaying: Replaying, targets: Sequence[float], recordings: Sequence[str]
) -> EvaluationReport:
    """The whole report: one replay as the catalogue has it, one for fixed timeouts, one for each target."""
    witness = Witness()
    learning = msgspec.structs.replace(catalogue, learning=True)
    replayed = replaying("predictions", learning, ("idle", HINT), witness.watching())
    timing = tuple(timed(catalogue, replaying, targets))
    notes: list[str] = []
    compared = list(_compared(witness.predictions, notes))
    return EvaluationReport(
        program=VERSION,
        recordings=tuple(recordings),
        events=replayed.events,
        seconds=replayed.seconds,
        findings=in_order(finding for comparison in compared for finding in findings(comparison)),
        reliability=tuple(reliability_of(comparison) for comparison in compared),
        timing=timing,
        uplift=tuple(uplift_of(journey, counts) for journey, counts in sorted(witness.uplift.items())),
        learning=tuple(learned.figures() for _, learned in sorted(witness.learning.items())),
        notes=tuple(notes),
    )


def timed(catalogue: Catalogue, replaying: Replaying, targets: Sequence[float]) -> Iterator[JourneyTiming]:
    """Each journey's checkpoint policy at its target precisions, beside fixed timeouts."""
    shortest = shortest_ms(catalogue)
    silences = {name: Silences(shortest) for name in catalogue.journeys}
    replaying("fixed timeouts", with_shortest_timeout(catalogue), TIMED, _by_journey(silences))
    runs: list[dict[str, LearnedPromptness]] = []
    for target in dict.fromkeys((catalogue.target_precision, *targets)):
        learned = {name: LearnedPromptness(target) for name in catalogue.journeys}
        replaying(f"target {target:g}", with_target(catalogue, target), TIMED, _by_journey(learned))
        runs.append(learned)
    for name, fixed in silences.items():
        by_target = tuple(learned[name].promptness() for learned in runs)
        if not any(run.told for run in by_target):
            continue
        same = tuple(None if run.precision is None else fixed.shortest_for(run.precision) for run in by_target)
        yield JourneyTiming(name, by_target, same, tuple(fixed.at(timeout) for timeout in looks_ms(catalogue, name)))


def _by_journey(watchers: Mapping[str, Silences] | Mapping[str, LearnedPromptness]) -> ReplayObservers:
    def take(facts: Sequence[Fact]) -> None:
        for fact in facts:
            watchers[fact.journey].take((fact,))

    return ReplayObservers(facts=take)


def _compared(
    predictions: Mapping[tuple[str, PredictionQuestion], Predictions], notes: list[str]
) -> Iterator[Compared]:
    for (journey, question), scored in sorted(predictions.items()):
        table = scored.table()
        try:
            yield Compared(journey, question, table, batch_scores(table))
        except BatchModelMissing as error:
            if str(error) not in notes:
                notes.append(str(error))
            yield Compared(journey, question, table, None)


def _written(report: EvaluationReport, folder: Path) -> EvaluationReport:
    """Writes pictures and report; the report with what could not be drawn."""
    try:
        pictures = plot(report, folder)
    except PlotsMissing as error:
        pictures = []
        report = msgspec.structs.replace(report, notes=(*report.notes, str(error)))
    path = folder / "report.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    say(f"evaluate: {', '.join(str(file) for file in (path, *pictures))}")
    return report


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailure(f"--out {folder}: {error.strerror}, expected a folder that can be made") from error
