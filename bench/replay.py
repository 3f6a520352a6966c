"""How much of a replay is more than reading: whole replay against decoding the same lines.

In: recordings. Out: a ratio for each recording and each choice of facts (1.0 would be a replay that costs
nothing but decoding), and the speeds beside it. All take turns in one process.
"""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.figures import Aim, Figure, figure, number
from bench.inputs import CACHE, Recording, recorded, simulated
from bench.scale import Scale
from bench.timing import Taken, cpus, interleaved, quotients, taken, taken_often, walls
from flows.replay.replay import DEFAULT_KINDS, KINDS, Replay, ReplayPace, ReplayReport
from operators.records.events import Event, read_events

CHOICES: Final = (
    ("default facts", DEFAULT_KINDS, Aim(at_least=0.30)),
    ("everything on", KINDS, Aim(at_least=0.20)),
)
"""What is called how, which facts it is, and what is aimed at: by decisions that are fixed, and with learning on."""
_BATCH_EVENTS: Final = ReplayPace().poll_events
"""How the replay decodes: a poll at a time."""


def measure(scale: Scale, cache: Path = CACHE) -> Iterator[Figure]:
    """The figures of the recorded stream where there is one, and of a simulated one."""
    found = recorded()
    if found is not None:
        yield from figures_of(found, scale.repeats)
    yield from figures_of(simulated(scale.simulated_events, cache), scale.simulated_repeats)


def figures_of(recording: Recording, repeats: int) -> Iterator[Figure]:
    """Ratio by choice of facts, then the speeds of decoding alone."""
    lines = recording.lines
    decoding, plain, *replays = interleaved(
        repeats,
        [
            partial(taken_often, partial(decode, lines)),
            partial(taken_often, partial(decode_one_by_one, lines)),
            *(partial(taken, partial(replayed, recording, kinds)) for _, kinds, _ in CHOICES),
        ],
    )
    for (says, _, aim), samples in zip(CHOICES, replays, strict=True):
        name = f"replay / decode only, {recording.name}, {says}"
        against_plain = number(median(quotients(walls(plain), walls(samples))))
        note = f"{_note(recording, decoding, samples)}; against one by one {against_plain}"
        yield figure(name, quotients(walls(decoding), walls(samples)), "", aim, note)
    yield figure(f"decode only, {recording.name}", _speeds(lines, decoding), "events/s")
    yield figure(f"decode one by one, {recording.name}", _speeds(lines, plain), "events/s")


def decode(lines: Sequence[bytes]) -> None:
    """Read ``lines`` as the replay does, a poll at a time, and nothing else."""
    for first in range(0, len(lines), _BATCH_EVENTS):
        read_events(lines[first : first + _BATCH_EVENTS])


def decode_one_by_one(lines: Sequence[bytes]) -> None:
    """The decoder alone, line by line, without our checks."""
    decode_line = msgspec.json.Decoder(Event).decode
    for line in lines:
        decode_line(line)


def replayed(recording: Recording, kinds: Collection[str], pace: ReplayPace | None = None) -> ReplayReport:
    """The whole replay of lines in memory, its facts to a file."""
    with tempfile.TemporaryFile() as out:
        return Replay(recording.catalogue, out, kinds, pace=pace).run_lines(iter(recording.lines))


def _note(recording: Recording, decoding: Sequence[Taken], replays: Sequence[Taken]) -> str:
    speed = number(median(_speeds(recording.lines, replays)))
    by_cpu = number(median(quotients(cpus(decoding), cpus(replays))))
    return f"{recording.says}; replay {speed} events/s; by processor time {by_cpu}"


def _speeds(lines: Sequence[bytes], samples: Sequence[Taken]) -> list[float]:
    return [len(lines) / each.wall_s for each in samples]
