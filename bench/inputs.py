"""What the replays read: a recording of real people where it is at hand, and simulated customers.

In: how many events. Out: ``Recording``: lines in memory, the catalogue that reads them, and
what they are. Refused: a recording that can't be read (``RecordingUnreadable``).
"""

from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from config import load_catalogue
from flows.sources.recording import read_lines
from operators.records.catalogue import Catalogue
from zhiyin.simulate.run import SimulationPlan, write_file

ROOT: Final = Path(__file__).resolve().parent.parent
RECORDED: Final = ROOT.parent / "shared" / "data" / "vanguard_dev.ndjson.xz"
RECORDED_CATALOGUE: Final = ROOT / "tests" / "recorded" / "online_process.yaml"
SHIPPED_CATALOGUE: Final = ROOT / "config" / "catalog"
CACHE: Final = ROOT / "var" / "bench"
_EVENTS_A_VISIT: Final = 10
"""Fewer than there are, so that a stream is never too short; what is too long is cut."""
_ARRIVALS_AN_HOUR: Final = 5_000
_HOUR_MS: Final = 3_600_000


class Recording(msgspec.Struct, frozen=True):
    """Events as they come from a file, one a line. ``says``: what they are."""

    name: str
    says: str
    lines: list[bytes]
    catalogue: Catalogue

    def first(self, events: int) -> "Recording":
        """The beginning of it."""
        says = f"the first {min(events, len(self.lines)):,} of {self.says}"
        return msgspec.structs.replace(self, lines=self.lines[:events], says=says)


def recorded(path: Path = RECORDED) -> Recording | None:
    """The recorded online process; None on a machine without it."""
    if not path.is_file():
        return None
    lines = list(read_lines([path], lambda _: None))
    return Recording("recorded", f"{len(lines):,} events of real people", lines, load_catalogue(RECORDED_CATALOGUE))


def simulated(events: int, cache: Path = CACHE, catalogue_path: Path = SHIPPED_CATALOGUE) -> Recording:
    """The first ``events`` of a simulated stream over a catalogue; kept in ``cache`` for the next time."""
    catalogue = load_catalogue(catalogue_path, quiet_hours=False)
    path = cache / f"{catalogue_path.stem}-{events}.ndjson"
    if not path.is_file():
        _write(catalogue, events, path)
    lines = list(read_lines([path], lambda _: None))
    return Recording("simulated", f"{len(lines):,} events of simulated customers", lines, catalogue)


def _write(catalogue: Catalogue, events: int, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    customers = events // _EVENTS_A_VISIT + 1
    plan = SimulationPlan(customers=customers, seed=1, duration_ms=customers * _HOUR_MS // _ARRIVALS_AN_HOUR)
    unfinished = path.with_suffix(".unfinished")
    write_file(catalogue, plan, unfinished)
    with unfinished.open("rb") as long, path.with_suffix(".cut").open("wb") as cut:
        cut.writelines(islice(long, events))
    unfinished.unlink()
    path.with_suffix(".cut").replace(path)
