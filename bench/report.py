"""The report: each measurement in turn, a table for a person, JSON for a program.

In: which measurements, how large. Out: a progress line a measurement on standard error, the table with the
machine's line on standard output, the same as JSON in a file. What can't be measured is said, and the rest goes
on; then the exit code is 1. A missed aim is no error: this is a report.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench import (
    break_offs,
    latency,
    learning,
    memory,
    monitoring,
    processes,
    push,
    recovery,
    replay,
    snapshot,
    stock_window,
    struggling,
)
from bench.figures import Figure, table
from bench.machine import Machine, this_machine
from bench.not_measured import NotMeasured
from bench.peers import against
from bench.progress import tell
from bench.scale import Scale

Measurement = Callable[[Scale], Iterator[Figure]]


def _replay(scale: Scale) -> Iterator[Figure]:
    yield from replay.measure(scale)
    yield from stock_window.measure(scale)


def _latency(scale: Scale) -> Iterator[Figure]:
    yield from latency.measure(scale)
    yield from struggling.measure(scale)


MEASUREMENTS: Final[Mapping[str, Measurement]] = {
    "replay": _replay,
    "latency": _latency,
    "memory": memory.measure,
    "snapshot": snapshot.measure,
    "recovery": recovery.measure,
    "processes": processes.measure,
    "monitoring": monitoring.measure,
    "learning": learning.measure,
    "break_offs": break_offs.measure,
    "push": push.measure,
}
ON_REQUEST: Final[Mapping[str, Measurement]] = {"peers": against.measure}
"""Too long for every day: half an hour, and on its first run gigabytes of other engines."""


class Report(msgspec.Struct, frozen=True):
    """Everything of one run. ``not_measured``: why, by measurement."""

    began_at: datetime
    machine: Machine
    scale: Scale
    figures: list[Figure]
    not_measured: dict[str, str]


def run(names: Sequence[str], scale: Scale, json_file: Path, measurements: Mapping[str, Measurement]) -> int:
    """Measures what ``names`` name; the exit code."""
    machine = this_machine()
    report = Report(datetime.now(UTC), machine, scale, [], {})
    tell(str(machine))
    for name in names:
        began = time.perf_counter()
        tell(f"{name} ...")
        try:
            report.figures.extend(measurements[name](scale))
        except NotMeasured as reason:
            report.not_measured[name] = str(reason)
            tell(str(reason))
        tell(f"{name} took {time.perf_counter() - began:.0f} s")
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    print(text_of(report))
    print(f"\nas JSON: {json_file}")
    return 1 if report.not_measured else 0


def text_of(report: Report) -> str:
    """The report for a person."""
    lines = [f"{report.began_at:%Y-%m-%d %H:%M} UTC, {report.machine}", ""]
    lines += [table(report.figures)] if report.figures else []
    lines += ["", *report.not_measured.values()] if report.not_measured else []
    if report.machine.is_busy:
        lines += [
            "",
            "The machine was busy with other things when this began: trust ratios only, and not their last digit.",
        ]
    return "\n".join(lines)
