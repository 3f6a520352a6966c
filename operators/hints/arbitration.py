"""Which abandonments become hints: one budget a customer, quiet hours, control group, one open hint a matter.

In: facts, contacts and hint feedback of one customer shard, in order of arrival, and the instant
it is now (the clock when live, event time in a replay). Out: verdicts: a ``Hint`` or a ``HeldBack``
for each abandonment, a ``Retirement`` when an open hint is of no more use, a ``Speak`` when quiet
hours are over. Refused: saved state of another format (``StateUnreadable``).

Asked in this order, the first that applies holds the hint back: ``control`` (the group that never
gets hints; nothing is remembered of it), ``in_contact`` (somebody is talking to the customer now, nobody knows
at which desk; a desk that is known gets the hint, and no bot speaks), ``duplicate`` (an open hint says the same
already), ``cap``. Quiet hours hold back no hint: they only defer the speaking first, or drop it; then a
``HeldBack`` of ``quiet_hours`` comes beside the hint.

A customer is forgotten when no hint is open, the budget's window is past and no contact was within
the hour: memory follows the customers of one window, however long it runs.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import xxhash

from operators.hints.builder import HintMaker, top_reason
from operators.hints.hint import OPEN_STATES, HeldBack, Hint, RetireCause, Retirement, Speak, WhyNot, WordingReward
from operators.hints.quiet_hours import quiet_until
from operators.records.catalogue import Catalogue
from operators.records.facts import Fact
from operators.support.customer_store import CustomerStore, StoredFormat
from operators.support.snapshot_codec import SnapshotCodec
from operators.support.timestamps import duration_ms

FORMAT: Final = "zhiyin-arbitration-1"
CONTACT_ENDS_AFTER_MS: Final = 3_600_000
"""A contact nobody ended is over after an hour."""

_RETIRES: Final[dict[str, RetireCause]] = {
    "returned": "returned",
    "completed": "completed",
    "cancelled": "cancelled",
    "expired": "expired",
}
_ENDS: Final = frozenset(("completed", "cancelled"))
_HASHES: Final = float(1 << 64)


class Contact(msgspec.Struct, frozen=True):
    """A conversation with a customer began (or ended) on ``channel`` (phone, counter, chat).

    ``agent_id``: the desk that talks to him, where it is known: it gets the hints that arise meanwhile.
    """

    customer_id: str
    started: bool
    at_ms: int
    channel: str | None
    agent_id: str | None = None


class HintFeedback(msgspec.Struct, frozen=True):
    """What became of a hint. ``state``: a ``HintState``; ``helpful``: what the agent thought of it."""

    hint_id: str
    customer_id: str
    state: str
    helpful: bool | None
    at_ms: int


Verdict = Hint | Retirement | Speak | HeldBack | WordingReward
"""Only the wordings give the last; it goes where the others go."""

ArbitrationInput = Fact | Contact | HintFeedback


class OpenHint(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of an open hint. ``speak_after_ms``: only while the speaking is deferred."""

    hint_id: str
    attempt_id: str
    journey: str
    reason: str
    expires_at_ms: int
    speak_after_ms: int | None


class CustomerMemory(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of one customer. ``published_at_ms``: of the hints the window still counts."""

    customer_id: str
    published_at_ms: list[int] = []
    open_hints: list[OpenHint] = []
    contact_at_ms: int | None = None
    contact_until_ms: int = 0
    wake_ms: int | None = None
    contact_agent: str | None = None


_HEAD: Final = SnapshotCodec(StoredFormat, FORMAT)
_ROWS: Final = SnapshotCodec(CustomerMemory, FORMAT)


class Arbitration(CustomerStore[CustomerMemory]):
    """The hints of one shard's customers. Call ``due`` whenever ``next_due_ms`` has come: it also frees memory.

    ``keeps_changes``: whether what changes is noted for ``changes``.
    """

    def __init__(self, catalogue: Catalogue, *, keeps_changes: bool = False) -> None:
        super().__init__(FORMAT, CustomerMemory, keeps_changes=keeps_changes)
        self._hints = HintMaker(catalogue)
        self._cap = catalogue.caps.hints
        self._window_ms = duration_ms(catalogue.caps.window)
        self._quiet = catalogue.quiet_hours
        self._control = catalogue.control_group
        self._speaks = "chatbot" in catalogue.hints.surfaces

    def decide(self, inputs: Sequence[ArbitrationInput], now_ms: int) -> list[Verdict]:
        """The verdicts on ``inputs``, in their order, then on what is due: nobody speaks into a contact just received.

        An attempt that returned to its end has its hint retired for the end: that says more.
        """
        verdicts: list[Verdict] = []
        to_their_end = _returns_to_their_end(inputs)
        for item in inputs:
            self._mark(item.customer_id)
        for index, item in enumerate(inputs):
            if isinstance(item, Contact):
                self._remember_contact(item)
            elif isinstance(item, HintFeedback):
                self._remember_feedback(item)
            elif item.kind == "abandoned":
                verdicts += self._abandoned(item, now_ms)
            elif item.kind in _RETIRES and index not in to_their_end:
                verdicts += self._over(item, now_ms)
        return verdicts + self.due(now_ms)

    def due(self, now_ms: int) -> list[Verdict]:
        """The speaking whose time has come, oldest first; what is past is forgotten on the way."""
        verdicts: list[Verdict] = []
        while self._wakes and self._wakes[0][0] <= now_ms:
            wake_ms, customer_id = heapq.heappop(self._wakes)
            memory = self._customers.get(customer_id)
            if memory is None or memory.wake_ms != wake_ms:
                continue
            memory.wake_ms = None
            self._mark(customer_id)
            self._forget_past(memory, now_ms)
            verdicts += self._speak(memory, now_ms)
            self._wake_later(memory)
        return verdicts

    def forget(self, customer_id: str, now_ms: int) -> list[Verdict]:
        """Forgets a customer whole; his open hints are taken from those who have them."""
        self._mark(customer_id)
        memory = self._customers.pop(customer_id, None)
        open_hints = memory.open_hints if memory is not None else []
        return [Retirement(hint.hint_id, customer_id, "cancelled", now_ms, hint.journey) for hint in open_hints]

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        _HEAD.decode(head)
        for row in _ROWS.decode_rows(packed):
            self._customers[row.customer_id] = row
        for memory in list(self._customers.values()):
            memory.wake_ms = None
            self._wake_later(memory)

    def _abandoned(self, fact: Fact, now_ms: int) -> list[Verdict]:
        reason = top_reason(fact).code
        why_not = self._why_not(fact, reason, now_ms)
        if why_not is not None:
            return [_held_back(fact, why_not, now_ms)]
        memory = self._memory(fact.customer_id)
        is_talked_to = memory.contact_until_ms > now_ms
        speak_after_ms = None if is_talked_to else self._speak_after_ms(now_ms)
        hint = self._hints.make(fact, now_ms, speak_after_ms)
        memory.published_at_ms.append(now_ms)
        deferred_ms = speak_after_ms if speak_after_ms is not None and speak_after_ms > now_ms else None
        memory.open_hints.append(
            OpenHint(hint.hint_id, fact.attempt_id, fact.journey, reason, hint.expires_at_ms, deferred_ms)
        )
        self._wake_later(memory)
        if self._speaks and speak_after_ms is None and not is_talked_to:
            return [hint, _held_back(fact, "quiet_hours", now_ms)]
        return [hint]

    def _why_not(self, fact: Fact, reason: str, now_ms: int) -> WhyNot | None:
        if in_control_group(fact.customer_id, self._control.salt, self._control.share):
            return "control"
        memory = self._customers.get(fact.customer_id)
        if memory is None:
            return None
        self._forget_past(memory, now_ms)
        if memory.contact_until_ms > now_ms and memory.contact_agent is None:
            return "in_contact"
        if any(hint.journey == fact.journey and hint.reason == reason for hint in memory.open_hints):
            return "duplicate"
        return "cap" if len(memory.published_at_ms) >= self._cap else None

    def _over(self, fact: Fact, now_ms: int) -> list[Verdict]:
        """The attempt needs no hint any more: its open ones are retired."""
        memory = self._customers.get(fact.customer_id)
        if memory is None:
            return []
        self._forget_past(memory, now_ms)
        over = [hint for hint in memory.open_hints if hint.attempt_id == fact.attempt_id]
        if over:
            memory.open_hints = [hint for hint in memory.open_hints if hint.attempt_id != fact.attempt_id]
        cause = _RETIRES[fact.kind]
        return [Retirement(hint.hint_id, fact.customer_id, cause, now_ms, hint.journey) for hint in over]

    def _remember_contact(self, contact: Contact) -> None:
        """The latest event of the contact counts, whatever the order it arrives in."""
        memory = self._memory(contact.customer_id)
        if memory.contact_at_ms is None or contact.at_ms >= memory.contact_at_ms:
            memory.contact_at_ms = contact.at_ms
            memory.contact_until_ms = contact.at_ms + CONTACT_ENDS_AFTER_MS if contact.started else contact.at_ms
            memory.contact_agent = contact.agent_id if contact.started else None
        self._wake_later(memory)

    def _remember_feedback(self, feedback: HintFeedback) -> None:
        memory = self._customers.get(feedback.customer_id)
        if memory is not None and feedback.state not in OPEN_STATES:
            memory.open_hints = [hint for hint in memory.open_hints if hint.hint_id != feedback.hint_id]

    def _speak_after_ms(self, now_ms: int) -> int | None:
        """When a bot may open with a hint made now; None: not at all."""
        if not self._speaks:
            return None
        until_ms = quiet_until(self._quiet, now_ms) if self._quiet is not None else None
        if until_ms is None:
            return now_ms
        defers = self._quiet is not None and self._quiet.on_conflict == "defer"
        return until_ms if defers and until_ms < now_ms + self._hints.lifetime_ms else None

    def _speak(self, memory: CustomerMemory, now_ms: int) -> list[Verdict]:
        """What may be said now. Woken late, it may be quiet again, or somebody be talking: then it waits on."""
        later_ms = quiet_until(self._quiet, now_ms) if self._quiet is not None else None
        if memory.contact_until_ms > now_ms:
            later_ms = max(later_ms or 0, memory.contact_until_ms)
        verdicts: list[Verdict] = []
        for hint in memory.open_hints:
            if hint.speak_after_ms is not None and hint.speak_after_ms <= now_ms:
                hint.speak_after_ms = later_ms
                if later_ms is None:
                    verdicts.append(Speak(hint.hint_id, memory.customer_id, now_ms, hint.journey))
        return verdicts

    def _memory(self, customer_id: str) -> CustomerMemory:
        memory = self._customers.get(customer_id)
        if memory is None:
            memory = self._customers[customer_id] = CustomerMemory(customer_id)
        return memory

    def _forget_past(self, memory: CustomerMemory, now_ms: int) -> None:
        """Drops the hints that have run out and what the window no longer counts."""
        window_began_ms = now_ms - self._window_ms
        if memory.published_at_ms:
            memory.published_at_ms = [at_ms for at_ms in memory.published_at_ms if at_ms > window_began_ms]
        if memory.open_hints:
            memory.open_hints = [hint for hint in memory.open_hints if hint.expires_at_ms > now_ms]
        if memory.contact_at_ms is not None and memory.contact_at_ms + CONTACT_ENDS_AFTER_MS <= now_ms:
            memory.contact_at_ms, memory.contact_until_ms = None, 0

    def _wake_later(self, memory: CustomerMemory) -> None:
        """Puts the customer down for the next speaking, else for the end of all there is to remember."""
        wake_ms = self._wake_ms(memory)
        if wake_ms is None:
            del self._customers[memory.customer_id]
        elif memory.wake_ms is None or wake_ms < memory.wake_ms:
            memory.wake_ms = wake_ms
            heapq.heappush(self._wakes, (wake_ms, memory.customer_id))

    def _wake_ms(self, memory: CustomerMemory) -> int | None:
        speaks_ms = [hint.speak_after_ms for hint in memory.open_hints if hint.speak_after_ms is not None]
        if speaks_ms:
            return min(speaks_ms)
        ends_ms = [hint.expires_at_ms for hint in memory.open_hints]
        ends_ms += [at_ms + self._window_ms for at_ms in memory.published_at_ms]
        if memory.contact_at_ms is not None:
            ends_ms.append(memory.contact_at_ms + CONTACT_ENDS_AFTER_MS)
        return max(ends_ms, default=None)


def _returns_to_their_end(inputs: Sequence[ArbitrationInput]) -> set[int]:
    """The indexes of those ``returned`` from which the attempt went on to its end without another break-off."""
    indexes: set[int] = set()
    ends: set[str] = set()
    for index in range(len(inputs) - 1, -1, -1):
        item = inputs[index]
        if isinstance(item, Fact):
            if item.kind in _ENDS:
                ends.add(item.attempt_id)
            elif item.kind == "abandoned":
                ends.discard(item.attempt_id)
            elif item.kind == "returned" and item.attempt_id in ends:
                indexes.add(index)
    return indexes


def in_control_group(customer_id: str, salt: str, share: float) -> bool:
    """Whether the customer belongs to the share that never gets hints: a bucket of a hash, for ever the same."""
    bucket = xxhash.xxh3_64_intdigest(f"{salt}\0{customer_id}".encode("utf-8", "surrogatepass"))
    return bucket / _HASHES < share


def _held_back(fact: Fact, why_not: WhyNot, now_ms: int) -> HeldBack:
    return HeldBack(fact.attempt_id, fact.customer_id, fact.journey, why_not, now_ms)
