"""What interactions hold of policies and customers: read from the raw bytes, and only for these few.

In: interactions and the batch they came in. Out: the same with their details; an ``identify`` that says
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


def enrich(interactions: Sequence[Interaction], batch: ValidBatch, dead_letters: list[DeadLetter]) -> list[Interaction]:
    """``interactions`` as the steps by customer shard want it; what is wrong is added to ``dead_letters``."""
    if not any(_has_details(interaction) for interaction in interactions):
        return list(interactions)
    positions = {id(event): position for position, event in enumerate(batch.events)}
    detailed: list[Interaction] = []
    for interaction in interactions:
        if not _has_details(interaction):
            detailed.append(interaction)
            continue
        position = positions[id(interaction.event)]
        result = _read(interaction, batch.raws[position])
        if isinstance(result, Rejection):
            arrived_ms = None if batch.arrived_ms is None else batch.arrived_ms[position]
            dead_letters.append(
                DeadLetter(batch.raws[position], (result,), arrived_ms, interaction.customer_id, interaction.at_ms)
            )
        elif result is not None:
            detailed.append(result)
    return detailed


def _has_details(interaction: Interaction) -> bool:
    return interaction.event.event == POLICY_UPDATED or interaction.event.type == IDENTIFY


def _read(interaction: Interaction, raw: bytes) -> Interaction | Rejection | None:
    if interaction.event.event == POLICY_UPDATED:
        policy = read_policy(raw)
        return policy if isinstance(policy, Rejection) else msgspec.structs.replace(interaction, details=policy)
    traits = read_traits(raw)
    return None if traits.is_empty else msgspec.structs.replace(interaction, details=traits)
