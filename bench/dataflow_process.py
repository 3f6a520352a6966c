"""The whole dataflow in a process of its own, full of attempts, with snapshots or without.

In, on its command line: ``ATTEMPTS AWAKE EVENTS FOLDER``: how many attempts are open, how many of them not yet
silent, how many events are then timed, and where snapshots go (``-``: nowhere). Out: one line of JSON:
``wall_s`` of the timed events and the ``pauses_ms`` between two looks of the source. With a folder that
holds snapshots already, nothing is timed: ``wall_s`` is from the start to the source's first look.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from bench.inputs import SHIPPED_CATALOGUE
from bench.visits import JOURNEY, Visits
from config import load_catalogue
from flows.cluster.recovery_folder import Layout
from flows.dataflow import FlowOptions, Sinks, journey_flow
from flows.live.runner import run_dataflow
from flows.sinks.list_sink import ListSink
from flows.steps.journaled_state import Journals
from flows.steps.messages import Poll

EPOCH_MS: Final = 5_000
SHARDS: Final = 32
LOOK_EVENTS: Final = 500
"""What a live source brings at a look under load."""

LATEST_MS: Final = 1 << 60
_ACTIVE_MS: Final = 80_000
"""From the first event of a visit to its last."""


class Paced(FixedPartitionedSource[Poll, int]):
    """``polls`` of one ``part``, with the instant of each look at them (s, of ``time.perf_counter``)."""

    def __init__(self, polls: Iterable[Poll], part: str = "visits") -> None:
        self._polls = iter(polls)
        self._part = part
        self.looks_s: list[float] = []

    def list_parts(self) -> list[str]:
        """One part."""
        return [self._part]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_PacedPart":
        """The only part."""
        return _PacedPart(self._polls, self.looks_s)


class _PacedPart(StatefulSourcePartition[Poll, int]):
    def __init__(self, polls: Iterator[Poll], looks_s: list[float]) -> None:
        self._polls = polls
        self._looks_s = looks_s

    def next_batch(self) -> Iterable[Poll]:
        self._looks_s.append(time.perf_counter())
        return (next(self._polls),)

    def snapshot(self) -> int:
        return len(self._looks_s)


def timed(attempts: int, awake: int, events: int, folder: Path | None) -> dict[str, Any]:
    """Fills the dataflow, then times ``events`` more."""
    window_ms = attempts * _silent_after_ms() // awake
    visits = Visits(attempts, struggling=True, window_ms=window_ms)
    filling = list(visits.fill())
    further = visits.turn(events, LOOK_EVENTS)
    source = Paced([*filling, *further])
    _run(source, folder)
    looks_s = source.looks_s[len(filling) :]
    pauses_ms = [1_000 * (after - before) for before, after in pairwise(looks_s)]
    return {"wall_s": looks_s[-1] - looks_s[0], "pauses_ms": pauses_ms}


def resumed(folder: Path) -> dict[str, Any]:
    """How long it takes from the start to the first look, with the snapshots that are there."""
    source = Paced([])
    began = time.perf_counter()
    _run(source, folder)
    return {"wall_s": source.looks_s[0] - began, "pauses_ms": []}


def _run(source: Paced, folder: Path | None) -> None:
    layout = Layout(folder, SHARDS, 1) if folder is not None else None
    rules = FlowOptions(
        shards=SHARDS,
        run_out=lambda: False,
        latest_ms=lambda _: LATEST_MS,
        checkpoints=False,
        journals=Journals(layout.journals, lambda _: None, EPOCH_MS / 1000) if layout is not None else None,
    )
    outlets = Sinks(facts=ListSink(nowhere), dead_letters=ListSink(nowhere), hints=ListSink(nowhere))
    catalogue = load_catalogue(SHIPPED_CATALOGUE, quiet_hours=False)
    if layout is not None:
        layout.prepare()
    run_dataflow(journey_flow(source, catalogue, rules, outlets), 1, EPOCH_MS, layout)


def nowhere() -> Callable[[Sequence[object]], None]:
    """Where words go that nobody listens to."""
    return lambda _: None


def _silent_after_ms() -> int:
    """How long an attempt of these visits is awake: its events, then the silence that counts as broken off."""
    journey = load_catalogue(SHIPPED_CATALOGUE).journeys[JOURNEY]
    return _ACTIVE_MS + max(journey.idle_after_ms(step) for step in journey.steps)


def main(attempts: str, awake: str, events: str, folder: str) -> None:
    """One measurement, printed."""
    place = None if folder == "-" else Path(folder)
    if place is not None and (place / "layout.txt").is_file():
        answer = resumed(place)
    else:
        answer = timed(int(attempts), int(awake), int(events), place)
    print(msgspec.json.encode(answer).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
