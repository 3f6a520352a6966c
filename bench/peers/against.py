"""Other engines on the same file and by the same rule, taking turns with our replay.

In: a recording of the journey whose every step has the same ``idle_after``. Out: how many times as fast our
replay is as each peer, with the fixed decision and with learning; the peer's start-up is taken off its time.
Refused: another answer than ours (``NotMeasured``). A peer that this machine can't run is skipped with a line.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.figures import Aim, Figure, figure, number
from bench.inputs import CACHE, RECORDED_CATALOGUE, Recording, recorded, simulated
from bench.not_measured import NotMeasured
from bench.peers.broker import surroundings
from bench.peers.environments import Peer, PeerSkipped, python_of
from bench.peers.peer_process import PeerRun, Runs, run_peer
from bench.peers.session_job import PARALLELISM, SessionRule, processor_s
from bench.progress import tell
from bench.scale import Scale
from bench.stock_window import gap_ms, outcome_of, require_agreement
from bench.timing import Taken, cpus, interleaved, quotients, taken, walls
from flows.replay.replay import ReplayReport
from flows.replay.sharded_replay import SharedReplay
from flows.replay.two_stage_replay import TwoStageReplay
from operators.records.catalogue import Catalogue, Decision
from operators.records.events import ACTIVITY, CANCELLED, COMPLETED, STEP_COMPLETED, STEP_VIEWED

PEERS: Final = (
    Peer("flink_sql", "Flink SQL", ("java",), Aim(at_least=5), Aim(at_least=3)),
    Peer("spark", "Spark", ("java",)),
    Peer("pathway", "Pathway"),
    Peer("quix", "Quix Streams", reads_kafka=True),
    Peer("faust", "Faust", reads_kafka=True),
)
DECISIONS: Final[tuple[Decision, ...]] = ("fixed", "learned")
TINY_EVENTS: Final = 1_000
"""What a run costs that has next to nothing to do: the start-up, which is taken off."""


class Round(msgspec.Struct, frozen=True):
    """One turn of all: ours with each decision, the peer's with next to nothing and with all."""

    fixed: Taken
    learned: Taken
    tiny: PeerRun
    whole: PeerRun

    @property
    def net(self) -> Taken:
        """The peer's time without its start-up."""
        return Taken(self.whole.wall_s - self.tiny.wall_s, self.whole.cpu_s - self.tiny.cpu_s)


class Files(msgspec.Struct, frozen=True):
    """The events all read, ``whole`` and the first few of them."""

    whole: Path
    tiny: Path


def measure(scale: Scale, cache: Path = CACHE, peers: Iterable[Peer] = PEERS) -> Iterator[Figure]:
    """The figures of each peer that can be had here, of real people where they are at hand and of simulated ones.

    Raises NotMeasured after all others when one of them fails or gives another answer.
    """
    found = (simulated(scale.peer_events, cache, RECORDED_CATALOGUE), recorded())
    recordings = [each for each in found if each is not None]
    failed: list[NotMeasured] = []
    for peer in peers:
        try:
            python = python_of(peer)
            with surroundings(peer) as environment:
                for recording in recordings:
                    tell(f"{peer.says}, {recording.says} ...")
                    yield from _figures_or_why(Runs(peer, python, environment), recording, scale.peer_repeats, failed)
        except PeerSkipped as reason:
            tell(str(reason))
    if failed:
        raise failed[0]


def _figures_or_why(runs: Runs, recording: Recording, repeats: int, failed: list[NotMeasured]) -> Iterator[Figure]:
    try:
        yield from figures_of(runs, recording, repeats)
    except NotMeasured as reason:
        tell(str(reason))
        failed.append(reason)


def figures_of(runs: Runs, recording: Recording, repeats: int) -> Iterator[Figure]:
    """How many times as fast our replay is, with the fixed decision and with learning. Raises NotMeasured."""
    with tempfile.TemporaryDirectory(prefix="zhiyin-peers-") as folder:
        files = _files(recording, Path(folder))
        for decision in DECISIONS:
            # The peers' clocks run without their imports: ours are done here.
            replay(recording.catalogue, decision, files.tiny)
        [rounds] = interleaved(repeats, [partial(one_round, runs, recording.catalogue, files)])
    peer, net = runs.peer, [each.net for each in rounds]
    if min(walls(net)) <= 0:
        raise NotMeasured(peer.says, f"{recording.says} in no more time than its start-up", "a longer run")
    for says, aim, ours in (
        ("fixed decision", peer.fixed, [each.fixed for each in rounds]),
        ("learning on", peer.learning, [each.learned for each in rounds]),
    ):
        name = f"our replay / {peer.says}, speed, {recording.name}, {says}"
        yield figure(name, quotients(walls(net), walls(ours)), "times", aim, _note(recording, rounds, ours))


def one_round(runs: Runs, catalogue: Catalogue, files: Files) -> Round:
    """A turn of each; all answers are compared before a time is told. Raises NotMeasured."""
    reports: list[ReplayReport] = []

    def ours(decision: Decision) -> None:
        reports.append(replay(catalogue, decision, files.whole))

    fixed, learned = (taken(partial(ours, decision), processor_s=processor_s) for decision in DECISIONS)
    rule = rule_of(catalogue)
    tiny, whole = (run_peer(runs, file, rule) for file in (files.tiny, files.whole))
    require_agreement(whole.outcome, outcome_of(reports[0]), runs.peer.says)
    require_same_ends(*reports)
    return Round(fixed, learned, tiny, whole)


def rule_of(catalogue: Catalogue) -> SessionRule:
    """What the peers' programs need to know: one final step, the same ``idle_after`` everywhere."""
    [final] = {step.id for journey in catalogue.journeys.values() for step in journey.steps if step.final}
    return SessionRule(
        gap_ms(catalogue) // 1_000,
        catalogue.lateness_ms // 1_000,
        tuple(sorted(ACTIVITY)),
        COMPLETED,
        CANCELLED,
        (STEP_VIEWED, STEP_COMPLETED),
        final,
    )


def require_same_ends(fixed: ReplayReport, learned: ReplayReport) -> None:
    """Learning tells break-offs earlier, of people who may go on; the ends are the same. Raises NotMeasured."""
    told, learnt = outcome_of(fixed), outcome_of(learned)
    if (told.completed, told.cancelled) != (learnt.completed, learnt.cancelled) or learnt.abandoned < told.abandoned:
        raise NotMeasured("learning", f"{learnt} with it, {told} without", "the same ends, and no fewer break-offs")


def replay(catalogue: Catalogue, decision: Decision, file: Path) -> ReplayReport:
    """Our replay of the file, its facts to a file, as ``zhiyin replay`` does it best on this machine.

    By as many processes as the peers have threads. ``learned``: it also learns, in the second of them, and tells some
    break-offs earlier.
    """
    chosen = msgspec.structs.replace(catalogue, decision=decision, learning=decision == "learned")
    with tempfile.TemporaryFile() as out:
        if decision == "fixed":
            return SharedReplay(chosen, out, workers=PARALLELISM).run([file])
        return TwoStageReplay(chosen, out).run([file])


def _files(recording: Recording, folder: Path) -> Files:
    files = Files(folder / "whole.ndjson", folder / "tiny.ndjson")
    for file, lines in ((files.whole, recording.lines), (files.tiny, recording.lines[:TINY_EVENTS])):
        file.write_bytes(b"".join(line + b"\n" for line in lines))
    return files


def _note(recording: Recording, rounds: Sequence[Round], ours: Sequence[Taken]) -> str:
    net = [each.net for each in rounds]
    speeds = [_speeds(recording, each) for each in (ours, net)]
    by_cpu = number(median(quotients(cpus(net), cpus(ours))))
    start_s = number(median([each.tiny.wall_s for each in rounds]))
    return (
        f"{recording.says}, same answer; events/s, median (best): {speeds[0]} against {speeds[1]}; "
        f"by processor time {by_cpu}; {start_s} s of start-up taken off"
    )


def _speeds(recording: Recording, samples: Sequence[Taken]) -> str:
    speeds = [len(recording.lines) / each.wall_s for each in samples]
    return f"{number(median(speeds))} ({number(max(speeds))})"
