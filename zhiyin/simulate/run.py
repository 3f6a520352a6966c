"""``zhiyin simulate``: simulated customers posted to a collector as time passes, or written to a file at once.

In: a catalogue and options. Out: events (and, where asked, the planted truth beside
them as NDJSON). Refused: a file that can't be written, a collector that refuses the
key (``CommandFailure``).
"""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from random import Random
from typing import IO, Any, Final

import msgspec

from operators.records.catalogue import Catalogue
from operators.support.timestamps import iso_text
from zhiyin.console.output_file import opened_for_writing
from zhiyin.console.progress import Progress
from zhiyin.console.terminal import say
from zhiyin.processes.supervisor import StopRequest
from zhiyin.simulate.population import Simulation, merged
from zhiyin.simulate.posting import BATCH_EVENTS, CollectorClient, wire_event
from zhiyin.simulate.visit import SimulatedEvent, Truth, Visit

OPENING_CUSTOMERS: Final = 6
"""A live stream begins with this many who break off at once, so that the first hint is not long in coming."""
FILE_BEGINS_MS: Final = 1_767_603_600_000
"""2026-01-05T09:00:00Z, a Monday: files are the same on every day they are made."""
STATISTICS_EVERY_S: Final = 60.0
_ENCODE: Final = msgspec.json.Encoder().encode
_FLUSH_LINES: Final = 5_000


class SimulationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate. ``duration_ms``: stream time in which the customers arrive; ``rounds`` 0: until stopped."""

    customers: int
    seed: int
    duration_ms: int
    speed: float = 1.0
    rounds: int = 1
    truth: Path | None = None


def write_file(catalogue: Catalogue, plan: SimulationPlan, out: Path, begins_ms: int = FILE_BEGINS_MS) -> int:
    """Write the stream to ``out`` in order of time (``.gz .xz .zst`` by its name); the number of events."""
    simulation = Simulation(catalogue, Random(plan.seed))  # noqa: S311 - simulated people, not secrets
    visits = simulation.visits(plan.customers, plan.duration_ms, plan.rounds)
    clock = _scaled(begins_ms, plan.speed)
    with (
        Progress("visits", plan.customers * plan.rounds) as progress,
        opened_for_writing(out, "--out") as file,
        _truth(plan, clock) as truth,
    ):
        lines = _lines(merged(visits), clock, truth, progress)
        return _write_all(file, lines)


def post_live(catalogue: Catalogue, plan: SimulationPlan, collector: CollectorClient, stop: StopRequest) -> None:
    """Post each event when its time has come: wall-clock time passes ``plan.speed`` times as fast for the customers."""
    visits = _live_visits(catalogue, plan, secrets.token_hex(5))
    clock = _scaled(round(time.time() * 1000), plan.speed)
    with _truth(plan, clock) as truth:
        _post_due(merged(visits), clock, truth, collector, stop)


def opening_customers(catalogue: Catalogue, plan: SimulationPlan) -> list[str]:
    """The customers whom ``post_live`` lets break off first: the first hints are theirs."""
    return [visit.truth.customer for visit in islice(_live_visits(catalogue, plan, "unused"), OPENING_CUSTOMERS)]


def _live_visits(catalogue: Catalogue, plan: SimulationPlan, run: str) -> Iterator[Visit]:
    simulation = Simulation(catalogue, Random(plan.seed), run=run)  # noqa: S311 - simulated people, not secrets
    return simulation.visits(plan.customers, plan.duration_ms, plan.rounds, opening=OPENING_CUSTOMERS)


def _post_due(
    stream: Iterable[SimulatedEvent | Visit],
    clock: Callable[[int], int],
    truth: Callable[[Truth], object],
    collector: CollectorClient,
    stop: StopRequest,
) -> None:
    batch: list[dict[str, Any]] = []
    reported_at = time.monotonic()
    for item in stream:
        if isinstance(item, Visit):
            truth(item.truth)
            continue
        at_ms = clock(item.at_ms)
        if batch and (len(batch) >= BATCH_EVENTS or at_ms > time.time() * 1000):
            collector.post(batch)
            batch = []
        if not _wait_until(at_ms, stop):
            return
        batch.append(wire_event(item, at_ms))
        if time.monotonic() - reported_at >= STATISTICS_EVERY_S:
            reported_at = time.monotonic()
            say(f"simulate: {collector.posted}")
    collector.post(batch)


def _wait_until(at_ms: int, stop: StopRequest) -> bool:
    """Sleep until ``at_ms``; False when asked to stop."""
    while not stop:
        left_s = at_ms / 1000 - time.time()
        if left_s <= 0:
            return True
        time.sleep(min(left_s, 0.1))
    return False


def _scaled(begins_ms: int, speed: float) -> Callable[[int], int]:
    return lambda at_ms: begins_ms + round(at_ms / speed)


def _lines(
    stream: Iterable[SimulatedEvent | Visit],
    clock: Callable[[int], int],
    truth: Callable[[Truth], object],
    progress: Progress,
) -> Iterator[bytes]:
    for item in stream:
        if isinstance(item, Visit):
            truth(item.truth)
            progress.step()
        else:
            yield _ENCODE(wire_event(item, clock(item.at_ms)))


def _write_all(file: IO[bytes], lines: Iterator[bytes]) -> int:
    count = 0
    waiting: list[bytes] = []
    for line in lines:
        waiting.append(line)
        count += 1
        if len(waiting) >= _FLUSH_LINES:
            file.write(b"\n".join(waiting) + b"\n")
            waiting.clear()
    file.write(b"".join(line + b"\n" for line in waiting))
    return count


@contextmanager
def _truth(plan: SimulationPlan, clock: Callable[[int], int]) -> Iterator[Callable[[Truth], object]]:
    """What writes one truth a line, or does nothing when nobody asked for it."""
    with nullcontext() if plan.truth is None else opened_for_writing(plan.truth, "--truth") as file:
        if file is None:
            yield lambda _truth: None
        else:
            yield lambda truth: file.write(_ENCODE(truth_document(truth, clock)) + b"\n")


def truth_document(truth: Truth, clock: Callable[[int], int]) -> dict[str, Any]:
    """The truth as it is written; its times as ``clock`` gives them (epoch ms)."""
    document: dict[str, Any] = msgspec.to_builtins(truth)
    document["at"] = iso_text(clock(document.pop("at_ms")))
    return document
