"""One run: a house under load, struck again and again, left alone at the end, and judged.

In: a ``Plan``. Out: an ``ChaosOutcome``. Refused: nothing; what goes wrong is a fault in the verdict.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos.customers import acts
from tests.chaos.house import WRITE_KEY, ChaosSetup
from tests.chaos.sender import Sender, wall_clock_ms
from tests.chaos.strikes import Strike, strikes
from tests.chaos.verdict import ChaosVerdict, bus_faults, due_facts, due_words, judged, told_words

CALM_S: Final = 300.0
"""So long the last words may take, when all parts run again."""

AFTERWARDS_S: Final = 1.5
"""So long it is watched whether anything more is told."""

LOOK_S: Final = 0.5


class Plan(NamedTuple):
    """What a run is: all of it follows from the seed, but for the machine's own pace."""

    seed: str
    bus: str
    workers: int
    kills: int
    customers: int = 60


class ChaosOutcome(NamedTuple):
    """``events``: different ones on the bus."""

    kills: int
    events: int
    verdict: ChaosVerdict


def run(plan: Plan, folder: Path, killed: Callable[[], None]) -> ChaosOutcome:
    """Everything, in ``folder``; ``killed`` is told of each kill."""
    faults: list[str] = []
    with ChaosSetup(folder, plan.bus, plan.workers) as house, load(house, plan.seed, plan.customers) as sender:
        for strike in strikes(plan.seed, plan.kills, plan.bus):
            _strike(house, strike)
            faults += house.fallen()
            killed()
        verdict = verdict_on(house, sender, faults)
        return ChaosOutcome(plan.kills, len({each.event["id"] for each in house.tap.seen}), verdict)


@contextmanager
def load(
    house: ChaosSetup, seed: str, customers: int, clock_ms: Callable[[], int] = wall_clock_ms, *, keeps: bool = False
) -> Iterator[Sender]:
    """Customers who go about their business in the house."""
    with Sender(house.http, WRITE_KEY, acts(seed, customers), clock_ms, keeps=keeps) as sender:
        yield sender


def verdict_on(
    house: ChaosSetup, sender: Sender, faults: Sequence[str] = (), late_ms: float | None = None
) -> ChaosVerdict:
    """Stops the sender; the verdict once all that is due has been told, or when that takes too long.

    ``late_ms``: what comes later than that makes the oracle's word worthless (None: as the house has it).
    """
    sender.stop()
    found = [*faults, *house.fallen()]
    house.await_programs()
    end = time.monotonic() + CALM_S
    while time.monotonic() < end and not _now(house, ()).is_good:
        time.sleep(LOOK_S)
    time.sleep(AFTERWARDS_S)
    found += [*house.fallen(), *sender.refusals, *house.desk.faults]
    found += bus_faults(house.tap.seen, sender.accepted, house.late_ms if late_ms is None else late_ms)
    letters = house.dead_letters()
    found += [f"dead letters: {letters[:3]}"] if letters else []
    return _now(house, found)


def _now(house: ChaosSetup, faults: Sequence[str]) -> ChaosVerdict:
    """How it stands."""
    seen = list(house.tap.seen)
    everybody = sorted({each.customer for each in seen})
    told = told_words(house.documents(), house.desk.events, house.next_hints, everybody, house.desk.left_out)
    return judged(due_words(due_facts(seen)), told, faults)


def _strike(house: ChaosSetup, strike: Strike) -> None:
    part = house.part(strike.victim)
    house.wait_for(strike.moment, house.engine)
    time.sleep(strike.after_s)
    part.kill()
    time.sleep(strike.down_s)
    part.start()
