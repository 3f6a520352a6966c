"""How long from an event to the frame on a desk: real processes, events posted at fixed times.

In: a rate and how long. Out: percentiles in ms of two ways: an event that ends an open hint (the customer
completes after all) to the ``retired`` frame, and a deadline that passes to the ``created`` frame. Time counts
from when the event was due to be posted, so that a house that stalls is charged for what it kept waiting.

First as many customers as there will be events break off at the same rate and get their hints; this also
warms everything up. Then each completes. What never arrives counts as infinitely late.
"""

import asyncio
import gc
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.desk import Desk, listening
from bench.figures import Aim, Figure, figure, number, percentile
from bench.house_up import Addresses, house_up
from bench.inputs import ROOT
from bench.posting import Poster, TimedAnswer
from bench.scale import Scale
from config import load_catalogue
from operators.records.events import COMPLETED, STEP_FAILED
from operators.support.timestamps import iso_text

AIM: Final = Aim(at_most=100)
AFTER_DEADLINE: Final = Aim(at_most=250)
QUICK_CATALOGUE: Final = ROOT / "tests" / "recorded" / "quick.yaml"
JOURNEY: Final = "policy_loan"
CREATED: Final = "zhiyin.hint.created"
RETIRED: Final = "zhiyin.hint.retired"
_SOON_S: Final = 0.5
_WAITS_S: Final = 120.0
_SLICES: Final = 4
"""The spread of a percentile: over as many consecutive parts of the run."""


class Phase(msgspec.Struct, frozen=True):
    """One stretch of posting. ``taken_ms``: by event, from due to frame."""

    timed: list[TimedAnswer]
    taken_ms: list[float]

    def says(self) -> str:
        """What was missing, and how the load itself behaved."""
        late_ms = percentile([(each.sent_s - each.due_s) * 1000 for each in self.timed], 0.99)
        answer_ms = percentile([(each.answered_s - each.sent_s) * 1000 for each in self.timed], 0.99)
        missing = sum(math.isinf(each) for each in self.taken_ms)
        return (
            f"{len(self.taken_ms):,} events, {missing} frames missing, largest {number(max(self.taken_ms))} ms; "
            f"p99 of the collector's answer {number(answer_ms)} ms, of posting late {number(late_ms)} ms"
        )


def measure(scale: Scale) -> Iterator[Figure]:
    """Both ways' p50 and p99."""
    with tempfile.TemporaryDirectory() as folder, house_up(_learning(Path(folder))) as addresses:
        broken_off, completed = asyncio.run(_both_phases(addresses, scale))
    at = f"at {scale.rate} events/s"
    yield from figures_of(f"completion posted -> retired frame, {at}", completed, AIM)
    yield from figures_of(f"deadline + lateness -> created frame, {at}", broken_off, AFTER_DEADLINE)


def figures_of(name: str, phase: Phase, aim: Aim | None) -> Iterator[Figure]:
    """Median and 99th percentile of a phase; the aim is the latter's."""
    size = math.ceil(len(phase.taken_ms) / _SLICES)
    slices = [phase.taken_ms[first : first + size] for first in range(0, len(phase.taken_ms), size)]
    for share, limit, note in ((0.5, None, ""), (0.99, aim, phase.says())):
        spread = [percentile(each, share) for each in slices]
        whole = figure(f"{name}, p{100 * share:g}", spread, "ms", limit, note)
        yield msgspec.structs.replace(whole, value=percentile(phase.taken_ms, share))


def _learning(folder: Path) -> Path:
    """The quick catalogue as shipped ones are: it learns."""
    path = folder / QUICK_CATALOGUE.name
    path.write_text(QUICK_CATALOGUE.read_text("utf-8").replace("learning: false", "learning: true"), "utf-8")
    return path


async def _both_phases(addresses: Addresses, scale: Scale) -> tuple[Phase, Phase]:
    customers = [f"bench-{number:06d}" for number in range(round(scale.rate * scale.seconds))]
    catalogue = load_catalogue(QUICK_CATALOGUE)
    silence_s = (catalogue.journeys[JOURNEY].idle_after_ms(None) + catalogue.lateness_ms) / 1000
    async with (
        listening(addresses.ws, addresses.desk_token) as desk,
        Poster(addresses.http, addresses.write_key) as poster,
    ):
        phases = Phases(desk, poster, customers, scale.rate)
        return await phases.run(STEP_FAILED, CREATED, silence_s), await phases.run(COMPLETED, RETIRED, 0.0)


class Phases:
    """The same customers, again and again."""

    def __init__(self, desk: Desk, poster: Poster, customers: Sequence[str], rate: int) -> None:
        self._desk = desk
        self._poster = poster
        self._customers = customers
        self._rate = rate

    async def run(self, event: str, frame: str, silence_s: float) -> Phase:
        """Every customer does ``event``; ``frame`` is due ``silence_s`` later."""
        begins_s = time.perf_counter() + _SOON_S
        epoch_ms = (time.time() + _SOON_S) * 1000
        requests = [
            self._poster.request(_event(event, customer, round(epoch_ms + 1000 * index / self._rate)))
            for index, customer in enumerate(self._customers)
        ]
        gc.collect()
        gc.freeze()
        timed = await self._poster.post_all(requests, begins_s, self._rate)
        await self._desk.wait_for(frame, len(requests), _WAITS_S + silence_s)
        arrived = (self._desk.arrived.get((frame, customer), math.inf) for customer in self._customers)
        taken_ms = [(at_s - each.due_s - silence_s) * 1000 for at_s, each in zip(arrived, timed, strict=True)]
        return Phase(timed, taken_ms)


def _event(event: str, customer: str, at_ms: int) -> bytes:
    failure = {"error_code": "face_mismatch"} if event == STEP_FAILED else {}
    document = {
        "type": "track",
        "event": event,
        "messageId": f"{customer}-{event}",
        "userId": customer,
        "timestamp": iso_text(at_ms),
        "context": {"channel": "web"},
        "properties": {"journey": JOURNEY, "transaction_id": f"t-{customer}", "step": "face_check", **failure},
    }
    return msgspec.json.encode(document)
