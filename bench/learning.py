"""What learning costs a replay: the same facts told, with learning and without, taking turns.

In: a recording, where there is one. Out: the share of the replay's speed that learning takes, by the clock and by the
processor, and how many outcomes were learnt.
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.figures import Aim, Figure, figure, number
from bench.inputs import CACHE, RECORDED, ROOT, Recording, simulated
from bench.scale import Scale
from bench.timing import cpus, interleaved, quotients, taken, walls
from config import load_catalogue
from flows.replay.replay import Replay
from flows.sources.recording import read_lines
from operators.records.catalogue import Catalogue

AIM: Final = Aim(at_most=0.35)
CATALOGUE: Final = ROOT / "tests" / "recorded" / "online_process_learned.yaml"
KINDS: Final = ("idle", "abandoned", "returned", "completed", "expired")


def measure(scale: Scale, cache: Path = CACHE) -> Iterator[Figure]:
    """The figures of the recorded stream where there is one, and of a simulated one."""
    if RECORDED.is_file():
        lines = list(read_lines([RECORDED], lambda _: None))
        recorded = Recording("recorded", f"{len(lines):,} events of real people", lines, load_catalogue(CATALOGUE))
        yield figure_of(recorded, scale.repeats)
    yield figure_of(simulated(scale.simulated_events, cache), scale.simulated_repeats)


def figure_of(recording: Recording, repeats: int) -> Figure:
    """The share of a replay's speed that is lost by learning, ``idle`` facts told both times."""
    journeys = {
        name: msgspec.structs.replace(each, decision=None) for name, each in recording.catalogue.journeys.items()
    }
    without = msgspec.structs.replace(recording.catalogue, journeys=journeys, decision="fixed", learning=False)
    runs = [partial(taken, partial(replay, recording, each)) for each in (without, recording.catalogue)]
    plain, learning = interleaved(repeats, runs)
    lost = [1.0 - each for each in quotients(walls(plain), walls(learning))]
    by_cpu = number(median([1.0 - each for each in quotients(cpus(plain), cpus(learning))]))
    note = f"{recording.says}; by processor time {by_cpu}"
    return figure(f"speed lost by learning, {recording.name}", lost, "", AIM, note)


def replay(recording: Recording, catalogue: Catalogue) -> None:
    """One replay, its facts to a file."""
    with tempfile.TemporaryFile() as out:
        Replay(catalogue, out, KINDS).run_lines(iter(recording.lines))
