"""What is remembered of customers who may be called first, and what of their doings matters to it.

In: a customer's memory, times in epoch milliseconds. Out: ``next_look_ms``, the instant at which something of it
changes by itself. Refused: nothing.
"""

from typing import Final

import msgspec

from operators.hints.arbitration import CONTACT_ENDS_AFTER_MS, Contact
from operators.records.facts import Fact

FORMAT: Final = "zhiyin-outreach-1"
HELPED: Final = "hint"
"""The channel of a contact that is a used hint: somebody has helped already."""


class CallOutcome(msgspec.Struct, frozen=True):
    """What came of a call. ``outcome``: one of ``OUTCOMES``."""

    customer_id: str
    outreach_id: str
    outcome: str
    at_ms: int


class DoNotCall(msgspec.Struct, frozen=True):
    """The customer wants no calls, or takes that back."""

    customer_id: str
    wanted: bool
    at_ms: int


CallListInput = Fact | Contact | CallOutcome | DoNotCall


class Case(msgspec.Struct, array_like=True, gc=False):
    """One abandonment. ``outreach_id``: under which it is on the list, empty while it waits; ``fact``: packed."""

    attempt_id: str
    silent_since_ms: int
    due_ms: int
    expires_at_ms: int
    fact: bytes
    outreach_id: str = ""


class CallMemory(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of one customer. ``do_not_call_at_ms``: since when; 0: calls are welcome."""

    customer_id: str
    cases: list[Case] = []
    cool_off_until_ms: int = 0
    no_answers: int = 0
    do_not_call_at_ms: int = 0
    contact_at_ms: int = 0
    wake_ms: int | None = None


def next_look_ms(memory: CallMemory) -> int | None:
    """The next instant at which something of the customer changes by itself."""
    is_listed = any(case.outreach_id for case in memory.cases)
    instants = [case.expires_at_ms for case in memory.cases]
    instants += [case.due_ms for case in memory.cases if not is_listed]
    if memory.cool_off_until_ms:
        instants.append(memory.cool_off_until_ms)
    if memory.contact_at_ms:
        instants.append(memory.contact_at_ms + CONTACT_ENDS_AFTER_MS)
    return min(instants, default=None)
