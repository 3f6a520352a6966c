"""How long from a customer's failing again to the desk of the agent who talks to him, under the load of others.

In: rates and how long. Out: percentiles in ms, counted from when the event was due to be posted. A whole ``zhiyin up``
over the shipped catalogue; the customers in contact fail twice at the face check, others work through their steps
meanwhile, posted by the fifty as a busy site does. What never arrives counts as infinitely late.
"""

import asyncio
import gc
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from bench.desk import Desk, listening
from bench.figures import Aim, Figure
from bench.house_up import Addresses, house_up
from bench.inputs import SHIPPED_CATALOGUE
from bench.latency import Phase, figures_of
from bench.posting import BATCH, Poster
from bench.scale import Scale
from config import load_catalogue
from operators.hints.arbitration import in_control_group
from operators.records.catalogue import Catalogue
from operators.records.events import CONTACT_STARTED, STEP_FAILED, STEP_VIEWED
from operators.support.timestamps import iso_text

AIM: Final = Aim(at_most=20)
JOURNEY: Final = "policy_loan"
STEP: Final = "face_check"
DESK: Final = "desk-1"
TOLD_OF_CONTACT: Final = "zhiyin.bundle.created"
TOLD_OF_STRUGGLE: Final = "zhiyin.bundle.changed"
OTHERS: Final = 2_000
A_BATCH: Final = 50
CONTACTS_A_SECOND: Final = 100
_SOON_S: Final = 0.5
_WAITS_S: Final = 120.0


def measure(scale: Scale) -> Iterator[Figure]:
    """Both percentiles at ``busy_rate`` events/s, of which ``struggles_a_second`` are timed."""
    catalogue = load_catalogue(SHIPPED_CATALOGUE)
    with house_up(SHIPPED_CATALOGUE) as addresses:
        phase = asyncio.run(_struggles(addresses, scale, catalogue))
    yield from figures_of(f"customer fails again -> changed frame, at {scale.busy_rate} events/s", phase, AIM)


async def _struggles(addresses: Addresses, scale: Scale, catalogue: Catalogue) -> Phase:
    customers = list(islice(_hinted(catalogue), round(scale.struggles_a_second * scale.seconds)))
    async with (
        listening(addresses.ws, addresses.desk_token) as desk,
        Poster(addresses.http, addresses.write_key) as poster,
        Poster(addresses.http, addresses.write_key, connections=4) as others,
    ):
        await _post(poster, [_contact(each) for each in customers], CONTACTS_A_SECOND)
        await desk.wait_for(TOLD_OF_CONTACT, len(customers), _WAITS_S)
        await _post(poster, [_failure(each, 1) for each in customers], CONTACTS_A_SECOND)
        return await _timed(desk, poster, others, customers, scale)


def _hinted(catalogue: Catalogue) -> Iterator[str]:
    """Customers that are in no control group."""
    group = catalogue.control_group
    numbers = (f"bench-{number:06d}" for number in range(1 << 30))
    return (each for each in numbers if not in_control_group(each, group.salt, group.share))


async def _timed(desk: Desk, poster: Poster, others: Poster, customers: Sequence[str], scale: Scale) -> Phase:
    """Each fails a second time at its instant, while others go on."""
    batches_a_second = (scale.busy_rate - scale.struggles_a_second) / A_BATCH
    crowd = [others.request(_batch(number), BATCH) for number in range(round(batches_a_second * scale.seconds))]
    failures = [poster.request(msgspec.json.encode(_failure(each, 2))) for each in customers]
    gc.collect()
    gc.freeze()
    begins_s = time.perf_counter() + _SOON_S
    timed, _ = await asyncio.gather(
        poster.post_all(failures, begins_s, scale.struggles_a_second),
        others.post_all(crowd, begins_s, batches_a_second),
    )
    await desk.wait_for(TOLD_OF_STRUGGLE, len(customers), _WAITS_S)
    arrived = (desk.arrived.get((TOLD_OF_STRUGGLE, each), math.inf) for each in customers)
    return Phase(timed, [(at_s - each.due_s) * 1000 for at_s, each in zip(arrived, timed, strict=True)])


async def _post(poster: Poster, events: Sequence[dict[str, Any]], rate: float) -> None:
    requests = [poster.request(msgspec.json.encode(each)) for each in events]
    await poster.post_all(requests, time.perf_counter() + _SOON_S, rate)


def _contact(customer: str) -> dict[str, Any]:
    said = {"channel": "phone", "agent_id": DESK, "conversation_id": f"call-{customer}"}
    return {**_event(CONTACT_STARTED, customer, f"{customer}-call"), "properties": said}


def _failure(customer: str, number: int) -> dict[str, Any]:
    told = _event(STEP_FAILED, customer, f"{customer}-{number}")
    told["properties"] |= {"error_code": "face_mismatch"}
    return told


def _batch(number: int) -> bytes:
    """Fifty customers of the crowd, each at one of two steps."""
    first = number * A_BATCH
    events = [
        _event(STEP_VIEWED, f"other-{each % OTHERS}", f"other-{each}", (STEP, "sms_code")[each // OTHERS % 2])
        for each in range(first, first + A_BATCH)
    ]
    return msgspec.json.encode({"batch": events})


def _event(name: str, customer: str, message_id: str, step: str = STEP) -> dict[str, Any]:
    """An event as of now: the collector's clock counts where it comes later."""
    return {
        "type": "track",
        "event": name,
        "messageId": message_id,
        "userId": customer,
        "timestamp": iso_text(time.time_ns() // 1_000_000),
        "context": {"channel": "web"},
        "properties": {"journey": JOURNEY, "transaction_id": f"t-{customer}", "step": step},
    }
