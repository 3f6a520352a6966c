"""What events around transactions say of policies and customers: read from the raw bytes, and only for these few.

In: events around transactions and the batch they came in. Out: the same with their details; an ``identify`` that says
nothing we read goes no further. Refused: a ``Policy Updated`` with a wrong policy becomes a dead letter.

Reading these fields with every event would cost all of them a twentieth of their speed.
"""

from collections.abc import Sequence

import msgspec

from flows.steps.validate import ValidBatch
from operators.records.dead_letters import DeadLetter
from operators.records.events import IDENTIFY, POLICY_UPDATED, Rejection
from operators.records.facts import Interaction
from operators.records.policies import read_policy, read_traits


def enrich(around: Sequence[Interaction], fit: ValidBatch, dead_letters: list[DeadLetter]) -> list[Interaction]:
    """``around`` as the steps by customer shard want it; what is wrong is added to ``dead_letters``."""
    if not any(_has_details(each) for each in around):
        return list(around)
    places = {id(event): place for place, event in enumerate(fit.events)}
    detailed: list[Interaction] = []
    for each in around:
        if not _has_details(each):
            detailed.append(each)
            continue
        place = places[id(each.event)]
        read = _read(each, fit.raws[place])
        if isinstance(read, Rejection):
            came_ms = None if fit.arrived_ms is None else fit.arrived_ms[place]
            dead_letters.append(DeadLetter(fit.raws[place], (read,), came_ms, each.customer_id, each.at_ms))
        elif read is not None:
            detailed.append(read)
    return detailed


def _has_details(around: Interaction) -> bool:
    return around.event.event == POLICY_UPDATED or around.event.type == IDENTIFY


def _read(around: Interaction, raw: bytes) -> Interaction | Rejection | None:
    if around.event.event == POLICY_UPDATED:
        policy = read_policy(raw)
        return policy if isinstance(policy, Rejection) else msgspec.structs.replace(around, details=policy)
    traits = read_traits(raw)
    return None if traits.is_empty else msgspec.structs.replace(around, details=traits)
