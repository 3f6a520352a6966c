"""What the programs of all peers share; standard library only, for it runs in each peer's own environment.

In, on the command line: ``FILE RULE FOLDER``: events as NDJSON, a ``SessionRule`` as JSON, an empty folder.
The engine writes its sessions to the folder, one JSON object a line with ``completed``, ``cancelled`` (how many
events ended an attempt so) and ``is_open`` (whether one is open at the end). Out: one line of JSON, what
``bench/peers/peer_process.py`` reads. ``wall_s`` and ``cpu_s`` are of the run alone: imports and the start of a virtual
machine before it, and the counting after it, are not in them.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

SERVERS: Final = "ZHIYIN_PEER_KAFKA"
"""The variable of the environment that names the broker, where the engine reads from one."""
PARALLELISM: Final = 2
"""As many cores as the machine of the figures has."""


class SessionRule(NamedTuple):
    """What a session is made of, and what an event in it means.

    ``activity``: events that belong to an attempt, all others are passed over; ``completed``, ``cancelled``: those that
    end one, and an event of ``reaches_step`` at ``final_step`` completes it. ``gap_s``: a longer silence ends the
    session. ``lateness_s``: how much later than another an event may come.
    """

    gap_s: int
    lateness_s: int
    activity: tuple[str, ...]
    completed: str
    cancelled: str
    reaches_step: tuple[str, ...]
    final_step: str


Run = Callable[[Path, SessionRule, Path], None]
Prepare = Callable[[Path, SessionRule], None]
_PARENT_FIELD: Final = 1
_TICK_FIELDS: Final = slice(11, 15)
"""Of /proc/PID/stat after the name: user and system ticks of the process and of its ended children."""


def carry_out(run: Run, words: Sequence[str] = sys.argv[1:], before: Prepare = lambda _, __: None) -> None:
    """Runs the engine and prints its answer. ``before``: what has to be done with the file before the clock runs."""
    file, folder = Path(words[0]), Path(words[2])
    rule = rule_of(words[1])
    before(file, rule)
    began, began_cpu = time.perf_counter(), processor_s()
    run(file, rule, folder)
    wall_s, cpu_s = time.perf_counter() - began, processor_s() - began_cpu
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, **outcome_of(sessions_in(folder))}))


def rule_of(text: str) -> SessionRule:
    """The rule that ``json.dumps`` made ``text`` of."""
    fields: list[Any] = [tuple(each) if isinstance(each, list) else each for each in json.loads(text)]
    return SessionRule(*fields)


def attempt_of(event: dict[str, Any]) -> str:
    """Whose session it belongs to: customer, journey and transaction."""
    properties = event.get("properties", {})
    customer = event.get("userId") or event.get("anonymousId")
    return f"{customer}|{properties.get('journey')}|{properties.get('transaction_id')}"


def at_ms_of(event: dict[str, Any]) -> int:
    """When it happened, epoch ms."""
    return round(datetime.fromisoformat(event["timestamp"]).timestamp() * 1_000)


def row(completed: int, cancelled: int, *, is_open: bool) -> str:
    """A session as ``sessions_in`` reads it, for engines whose own writers we do without."""
    return json.dumps({"completed": completed, "cancelled": cancelled, "is_open": is_open}) + "\n"


def sessions_in(folder: Path) -> Iterator[dict[str, Any]]:
    """All that an engine wrote, except for its own notes (their names begin with ``_``; checksums with ``.`` too)."""
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder)
        if file.is_file() and not any(part.startswith("_") for part in inside.parts) and file.suffix != ".crc":
            with file.open("rb") as lines:
                yield from map(json.loads, lines)


def outcome_of(sessions: Iterator[dict[str, Any]]) -> dict[str, int]:
    """Attempts by how they ended; a session that ends with an attempt open is a silence that breaks off."""
    counted = {"completed": 0, "cancelled": 0, "abandoned": 0}
    for session in sessions:
        counted["completed"] += session["completed"]
        counted["cancelled"] += session["cancelled"]
        counted["abandoned"] += bool(session["is_open"])
    return counted


def processor_s(root: Path = Path("/proc")) -> float:
    """What this process and all below it have taken of the processor: a virtual machine is a process of its own."""
    stats = dict(_stats(root))
    if os.getpid() not in stats:
        return time.process_time()
    ours = {os.getpid()}
    while grown := {pid for pid, fields in stats.items() if int(fields[_PARENT_FIELD]) in ours} - ours:
        ours |= grown
    ticks = sum(int(ticks) for pid in ours for ticks in stats[pid][_TICK_FIELDS])
    return ticks / os.sysconf("SC_CLK_TCK")


def _stats(root: Path) -> Iterator[tuple[int, list[str]]]:
    for folder in root.glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text("utf-8")
        except OSError:  # ended meanwhile
            continue
        yield int(folder.name), text.rpartition(")")[2].split()
