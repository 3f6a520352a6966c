"""One run: a house under load, struck again and again, left alone at the end, and judged.

In: a ``Plan``. Out: an ``Outcome``. Refused: nothing; what goes wrong is a fault in the verdict.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos.customers import acts
from tests.chaos.house import WRITE_KEY, House
from tests.chaos.sender import Sender
from tests.chaos.strikes import Strike, strikes
from tests.chaos.verdict import Verdict, bus_faults, due_facts, due_words, judged, told_words

CALM_S: Final = 60.0
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


class Outcome(NamedTuple):
    """``events``: different ones on the bus."""

    kills: int
    events: int
    verdict: Verdict


def run(plan: Plan, folder: Path, killed: Callable[[], None]) -> Outcome:
    """Everything, in ``folder``; ``killed`` is told of each kill."""
    with House(folder, plan.bus, plan.workers) as house, ExitStack() as sending:
        stream = acts(plan.seed, plan.customers)
        sender = sending.enter_context(Sender(lambda: house.http, WRITE_KEY, stream, "m"))
        faults: list[str] = []
        for strike in strikes(plan.seed, plan.kills, plan.bus):
            _strike(house, strike)
            faults += house.fallen()
            killed()
        sender.stop()
        verdict = _judged(house, sender, plan.customers, faults)
        return Outcome(plan.kills, len({each.event["id"] for each in house.tap.seen}), verdict)


def _strike(house: House, strike: Strike) -> None:
    part = house.part(strike.victim)
    house.wait_for(strike.moment, house.engine)
    time.sleep(strike.after_s)
    part.kill()
    time.sleep(strike.down_s)
    part.start()


def _judged(house: House, sender: Sender, customers: int, faults: list[str]) -> Verdict:
    """The verdict once all that is due has been told; or when that takes too long."""
    end = time.monotonic() + CALM_S
    while time.monotonic() < end:
        time.sleep(LOOK_S)
        if _now(house, customers, []).is_good:
            break
    time.sleep(AFTERWARDS_S)
    faults += house.fallen() + sender.refusals + house.desk.faults
    faults += bus_faults(house.tap.seen, sender.accepted)
    letters = house.dead_letters()
    faults += [f"dead letters: {letters[:3]}"] if letters else []
    return _now(house, customers, faults)


def _now(house: House, customers: int, faults: list[str]) -> Verdict:
    """How it stands."""
    everybody = [f"c{number}" for number in range(customers)]
    told = told_words(house.documents(), house.desk.events, house.next_hints, everybody)
    return judged(due_words(due_facts(house.tap.seen)), told, faults)
