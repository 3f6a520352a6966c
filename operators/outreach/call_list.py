"""Whom an agent calls first: customers who broke off, did not come back for a while, and were helped by nobody.

In: facts, contacts, outcomes of calls and do-not-call wishes of one customer shard, a reading at a time, and the
instant it is now. Out: outputs: ``CallFirst`` when a customer goes on the list, ``NoCall`` when the entry is of no more
use, ``NotListed`` for an abandonment that is not called about. Refused: saved state of another format
(``StateUnreadable``).

An abandonment waits for ``outreach.after``; what happens until then (a return, an end, a contact) forgets it without
an output. A customer is on the list at most once, with the case of the greatest need; the others wait behind it. Asked
in this order, the first that applies keeps a customer off the list: ``do_not_call``, ``control`` (the group that is
never helped first), ``contact`` (since the customer fell silent), ``cool_off``, ``quiet_hours``. What ends before
the case does only puts it off.

A customer is forgotten when no case is left, no cool-off runs and no contact was within the hour; a
do-not-call wish is remembered for good.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from operators.hints.arbitration import CONTACT_ENDS_AFTER_MS, Contact, in_control_group
from operators.hints.builder import HintMaker
from operators.hints.quiet_hours import quiet_until
from operators.outreach.call_list_entry import (
    CallFirst,
    CallListOutput,
    NoCall,
    NoCallCause,
    NotListed,
    OutreachEntry,
    WhyNotListed,
    entry_of,
)
from operators.outreach.call_list_state import (
    FORMAT,
    HELPED,
    CallListInput,
    CallMemory,
    CallOutcome,
    Case,
    DoNotCall,
    next_look_ms,
)
from operators.records.catalogue import Catalogue
from operators.records.facts import Fact
from operators.support.customer_store import CustomerStore, StoredFormat
from operators.support.snapshot_codec import SnapshotCodec
from operators.support.timestamps import duration_ms

_ENDS: Final[dict[str, NoCallCause]] = {
    "returned": "returned",
    "completed": "completed",
    "cancelled": "cancelled",
    "expired": "expired",
}
_FACT: Final = msgspec.msgpack.Decoder(Fact)
_HEAD: Final = SnapshotCodec(StoredFormat, FORMAT)
_ROWS: Final = SnapshotCodec(CallMemory, FORMAT)
_HAPPENED_MS: Final[Callable[[CallListInput], int]] = attrgetter("at_ms")


class CallList(CustomerStore[CallMemory]):
    """The calls of one shard's customers. Call ``due`` whenever ``next_due_ms`` has come: it also frees memory.

    ``keeps_changes``: whether what changes is noted for ``changes``.
    """

    def __init__(self, catalogue: Catalogue, *, keeps_changes: bool = False) -> None:
        super().__init__(FORMAT, CallMemory, keeps_changes=keeps_changes)
        plan = catalogue.outreach
        self._hints = HintMaker(catalogue)
        self._after_ms, self._lease_ms = duration_ms(plan.after), duration_ms(plan.lease)
        self._cool_off_ms, self._no_answer_ms = duration_ms(plan.cool_off), duration_ms(plan.no_answer_after)
        self._tries = plan.tries
        self._forget_ms = {name: journey.forget_after_ms for name, journey in catalogue.journeys.items()}
        self._quiet = catalogue.quiet_hours
        self._control = catalogue.control_group

    def decide(self, inputs: Sequence[CallListInput], now_ms: int) -> list[CallListOutput]:
        """What follows from ``inputs``, each taken when it happened, and from what is due by now.

        What was due before one of them is listed before it is taken: after a crash the same entry comes again and
        then ended, for the list may have it from before.
        """
        outputs: list[CallListOutput] = []
        for item in sorted(inputs, key=_HAPPENED_MS):
            at_ms = min(item.at_ms, now_ms)
            outputs += self.due(at_ms)
            memory = self._customers.get(item.customer_id)
            if memory is None:
                if isinstance(item, Fact) and item.kind != "abandoned":
                    continue
                memory = CallMemory(item.customer_id)
            outputs += self._take(memory, item, at_ms)
            outputs += self._settle(memory, at_ms)
        return outputs + self.due(now_ms)

    def due(self, now_ms: int) -> list[CallListOutput]:
        """What time alone brings, one instant after the other: the outputs for cases whose time has come or is over."""
        outputs: list[CallListOutput] = []
        while self._wakes and self._wakes[0][0] <= now_ms:
            wake_ms, customer_id = heapq.heappop(self._wakes)
            memory = self._customers.get(customer_id)
            if memory is not None and memory.wake_ms == wake_ms:
                outputs += self._settle(memory, wake_ms)
        return outputs

    def forget(self, customer_id: str, now_ms: int) -> list[CallListOutput]:
        """Forgets a customer whole, his wish not to be called too; what is listed of him goes from the list."""
        self._mark(customer_id)
        memory = self._customers.pop(customer_id, None)
        return [] if memory is None else self._end(memory, memory.cases, "cancelled", now_ms)

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        _HEAD.decode(head)
        for row in _ROWS.decode_rows(packed):
            self._customers[row.customer_id] = row
        for memory in list(self._customers.values()):
            memory.wake_ms = None
            self._remember(memory)

    def _take(self, memory: CallMemory, item: CallListInput, now_ms: int) -> list[CallListOutput]:
        if isinstance(item, Contact):
            return self._contacted(memory, item, now_ms)
        if isinstance(item, CallOutcome):
            return self._called(memory, item, now_ms)
        if isinstance(item, DoNotCall):
            return self._wished(memory, item.wanted, item.at_ms, now_ms)
        if item.kind == "abandoned":
            return self._abandoned(memory, item, now_ms)
        ended = [case for case in memory.cases if case.attempt_id == item.attempt_id]
        return self._end(memory, ended, _ENDS[item.kind], now_ms)

    def _abandoned(self, memory: CallMemory, fact: Fact, now_ms: int) -> list[CallListOutput]:
        silent_since_ms = fact.at_ms - fact.idle_ms
        if memory.do_not_call_at_ms:
            return [NotListed(fact.attempt_id, fact.customer_id, fact.journey, "do_not_call", now_ms)]
        if in_control_group(fact.customer_id, self._control.salt, self._control.share):
            return [NotListed(fact.attempt_id, fact.customer_id, fact.journey, "control", now_ms)]
        if memory.contact_at_ms > silent_since_ms:
            return [NotListed(fact.attempt_id, fact.customer_id, fact.journey, "contact", now_ms)]
        expires_at_ms = fact.at_ms + self._forget_ms.get(fact.journey, 0)
        packed = msgspec.msgpack.encode(fact)
        earlier = [case for case in memory.cases if case.attempt_id == fact.attempt_id]
        outputs = self._end(memory, earlier, "returned", now_ms)
        memory.cases.append(Case(fact.attempt_id, silent_since_ms, fact.at_ms + self._after_ms, expires_at_ms, packed))
        return outputs

    def _contacted(self, memory: CallMemory, contact: Contact, now_ms: int) -> list[CallListOutput]:
        """Whoever talked to the customer had the hint in front of them: nobody need call."""
        if not contact.started:
            return []
        memory.contact_at_ms = max(memory.contact_at_ms, contact.at_ms)
        ended = [case for case in memory.cases if case.silent_since_ms < contact.at_ms]
        return self._end(memory, ended, "helped" if contact.channel == HELPED else "contact", now_ms)

    def _called(self, memory: CallMemory, outcome: CallOutcome, now_ms: int) -> list[CallListOutput]:
        if outcome.outcome == "do_not_call":
            return self._wished(memory, True, outcome.at_ms, now_ms)
        listed = [case for case in memory.cases if case.outreach_id]
        tries_again = outcome.outcome == "no_answer" and memory.no_answers + 1 < self._tries
        outputs = self._end(memory, listed, "called", now_ms)
        if tries_again:
            memory.cases += [_waiting_again(case) for case in listed]
        memory.no_answers = memory.no_answers + 1 if tries_again else 0
        until_ms = outcome.at_ms + (self._no_answer_ms if tries_again else self._cool_off_ms)
        memory.cool_off_until_ms = max(memory.cool_off_until_ms, until_ms)
        return outputs

    def _wished(self, memory: CallMemory, wanted: bool, at_ms: int, now_ms: int) -> list[CallListOutput]:
        """The later wish counts, whatever the order they arrive in; at the same instant the customer's no."""
        if not wanted:
            if at_ms > memory.do_not_call_at_ms:
                memory.do_not_call_at_ms = 0
            return []
        memory.do_not_call_at_ms = max(memory.do_not_call_at_ms, at_ms, 1)
        return self._end(memory, memory.cases, "do_not_call", now_ms)

    def _end(self, memory: CallMemory, ended: list[Case], cause: NoCallCause, now_ms: int) -> list[CallListOutput]:
        """Forgets cases; those on the list go from it, with an output."""
        attempt_ids = {case.attempt_id for case in ended}
        memory.cases = [case for case in memory.cases if case.attempt_id not in attempt_ids]
        return [
            NoCall(case.outreach_id, memory.customer_id, _FACT.decode(case.fact).journey, cause, now_ms)
            for case in ended
            if case.outreach_id
        ]

    def _settle(self, memory: CallMemory, now_ms: int) -> list[CallListOutput]:
        """Forgets what is past, lists what is due, and puts the customer down for the next look."""
        if memory.contact_at_ms + CONTACT_ENDS_AFTER_MS <= now_ms:
            memory.contact_at_ms = 0
        if memory.cool_off_until_ms <= now_ms:
            memory.cool_off_until_ms = 0
        outputs = self._end(memory, [case for case in memory.cases if case.expires_at_ms <= now_ms], "expired", now_ms)
        if not any(case.outreach_id for case in memory.cases):
            outputs += self._list_best(memory, now_ms)
        self._remember(memory)
        return outputs

    def _list_best(self, memory: CallMemory, now_ms: int) -> list[CallListOutput]:
        outputs: list[CallListOutput] = []
        may_call: list[tuple[OutreachEntry, Case]] = []
        for case in [case for case in memory.cases if case.due_ms <= now_ms]:
            held_back = self._held_back(memory, case, now_ms)
            if held_back is not None:
                outputs.append(held_back)
                memory.cases.remove(case)
            elif case.due_ms <= now_ms:
                may_call.append((self._entry(memory, case, now_ms), case))
        if may_call:
            entry, case = max(may_call, key=_need)
            case.outreach_id = entry.outreach_id
            outputs.append(CallFirst(entry))
        return outputs

    def _held_back(self, memory: CallMemory, case: Case, now_ms: int) -> NotListed | None:
        """Why the case is never to be listed; what ends in time puts it off instead."""
        quiet_ms = quiet_until(self._quiet, now_ms) if self._quiet is not None else None
        drops = quiet_ms is not None and self._quiet is not None and self._quiet.on_conflict == "drop"
        later_ms = max(memory.cool_off_until_ms, quiet_ms or 0)
        if later_ms <= now_ms:
            return None
        if later_ms < case.expires_at_ms and not drops:
            case.due_ms = later_ms
            return None
        fact = _FACT.decode(case.fact)
        why_not: WhyNotListed = "cool_off" if memory.cool_off_until_ms > now_ms else "quiet_hours"
        return NotListed(case.attempt_id, memory.customer_id, fact.journey, why_not, now_ms)

    def _entry(self, memory: CallMemory, case: Case, now_ms: int) -> OutreachEntry:
        hint = self._hints.make(_FACT.decode(case.fact), now_ms, None)
        return entry_of(hint, now_ms, case.expires_at_ms, memory.no_answers, self._lease_ms, self._quiet)

    def _remember(self, memory: CallMemory) -> None:
        """Keeps the customer until there is nothing left to remember; the heap knows the next look."""
        self._mark(memory.customer_id)
        wake_ms = next_look_ms(memory)
        if wake_ms is None and not memory.do_not_call_at_ms:
            self._customers.pop(memory.customer_id, None)
            return
        self._customers[memory.customer_id] = memory
        if wake_ms != memory.wake_ms and wake_ms is not None:
            heapq.heappush(self._wakes, (wake_ms, memory.customer_id))
        memory.wake_ms = wake_ms


def _waiting_again(case: Case) -> Case:
    return msgspec.structs.replace(case, outreach_id="")


def _need(candidate: tuple[OutreachEntry, Case]) -> tuple[float, int]:
    entry, _ = candidate
    return entry.need, entry.abandoned_at_ms
