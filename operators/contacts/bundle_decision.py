"""The decision of bundles: everything a customer needs, once, for the agent whose contact with the customer begins.

In: policies and traits as events tell of them, break-offs and their ends, contacts, of one customer shard in order of
arrival. Out: a ``Bundle`` for each contact that begins, a ``BundleChanged`` when the customer struggles meanwhile, a
``BundleEnd`` when it is over, ``CustomerWhereabouts`` when whose customer he is has changed, ``QuestionAsked`` and
``AnswerRated`` for the hot questions. Refused: saved state of another format (``StateUnreadable``).

A bundle holds the open interruption, if there is one, with its reason and fix, what the customer has struggled with
within the hour in a transaction that he has neither broken off nor ended (if a rule knows why), and at most N needs
read from the policies, the most important first; ``more`` says how many there are beyond. Customers of the control
group get their needs, and nothing of their transactions. The id of a bundle is a hash of customer, conversation and
instant: the same contact received twice is one bundle.

An older state of a policy never replaces a newer one; one that has ended calls for nothing. A policy is forgotten when
nothing was received of it for ``keep_ms``, and of more than 50 a customer the one received longest ago.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from operators.contacts.bundle import (
    AnswerNews,
    Attendance,
    Bundle,
    BundleChanged,
    BundleEnd,
    ContactInput,
    ContactOutput,
    CustomerWhereabouts,
    PolicyNews,
)
from operators.contacts.hot_questions import AnswerRated, QuestionAsked, groups_of, question_id
from operators.contacts.live_struggle import Struggling
from operators.contacts.needs import NeedRules
from operators.hints.arbitration import CONTACT_ENDS_AFTER_MS, in_control_group
from operators.hints.builder import HintMaker, hint_id, top_reason
from operators.hints.hint import Hint
from operators.reasons.rules import ReasonRules
from operators.records.catalogue import UNKNOWN, Catalogue
from operators.records.facts import Fact, stable_id
from operators.records.policies import ENDED, Policy, Traits
from operators.records.routing import Whereabouts
from operators.support.customer_store import CustomerStore, StoredFormat
from operators.support.snapshot_codec import SnapshotCodec

FORMAT: Final = "zhiyin-bundles-1"
POLICIES_A_CUSTOMER: Final = 50
QUESTIONS_A_CUSTOMER: Final = 8
RATED_WITHIN_MS: Final = 86_400_000
"""A rating of an answer counts within a day of the question."""
CHANNELS: Final = frozenset(("phone", "counter", "chat"))
_BEGINS: Final = frozenset(("abandoned", "struggled"))


class KnownPolicy(msgspec.Struct, array_like=True, gc=False):
    """A policy and since when it has been so."""

    at_ms: int
    policy: Policy


class OpenBundle(msgspec.Struct, array_like=True, gc=False):
    """The bundle of the contact that is under way."""

    bundle_id: str
    agent_id: str | None
    conversation_id: str | None
    at_ms: int
    branch: str | None = None
    region: str | None = None


class OfferedAnswer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a customer broke off for: so that a rating of the hint is one of the answer."""

    hint_id: str
    question_id: str
    at_ms: int


class ContactRow(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of one customer; empty: he is forgotten."""

    customer_id: str
    policies: dict[str, KnownPolicy] = {}
    traits: Traits = Traits()
    traits_at_ms: int = 0
    breaks: list[Fact] = []
    contact: OpenBundle | None = None
    wake_ms: int | None = None
    questions: list[OfferedAnswer] = []
    struggling: Struggling | None = None


_HEAD: Final = SnapshotCodec(StoredFormat, FORMAT)
_ROWS: Final = SnapshotCodec(ContactRow, FORMAT)


class BundleDecision(CustomerStore[ContactRow]):
    """The bundles of one shard's customers. ``keep_ms``: how long a policy is remembered after its last event.

    ``keeps_changes``: whether what changes is noted for ``changes``.
    """

    def __init__(self, catalogue: Catalogue, keep_ms: int, *, keeps_changes: bool = False) -> None:
        super().__init__(FORMAT, ContactRow, keeps_changes=keeps_changes)
        self._rules = NeedRules(catalogue)
        self._hints = HintMaker(catalogue)
        self._reasons = ReasonRules(catalogue)
        self._at_most = catalogue.bundles.needs
        self._control = catalogue.control_group
        self._keep_ms = keep_ms

    def decide(self, inputs: Sequence[ContactInput], now_ms: int) -> list[ContactOutput]:
        """What follows from ``inputs``, in their order; then what is past is forgotten."""
        outputs: list[ContactOutput] = []
        for item in inputs:
            row = self._customers.get(item.customer_id)
            if row is None:
                if isinstance(item, Fact) and item.kind not in _BEGINS:
                    continue
                row = self._customers[item.customer_id] = ContactRow(item.customer_id)
            outputs += self._take(row, item, now_ms)
            self._note(row, now_ms)
        return outputs + self.due(now_ms)

    def due(self, now_ms: int) -> list[ContactOutput]:
        """Forgets what time has passed over; there are no outputs."""
        while self._wakes and self._wakes[0][0] <= now_ms:
            wake_ms, customer_id = heapq.heappop(self._wakes)
            row = self._customers.get(customer_id)
            if row is not None and row.wake_ms == wake_ms:
                row.wake_ms = None
                self._note(row, now_ms)
        return []

    def forget(self, customer_id: str, now_ms: int) -> list[ContactOutput]:
        """Forgets a customer whole; a bundle that is open is ended."""
        self._mark(customer_id)
        row = self._customers.pop(customer_id, None)
        return [] if row is None or row.contact is None else [_end(row, row.contact, now_ms)]

    def restore(self, head: bytes, packed: Iterable[bytes]) -> None:
        """Takes up what ``head``, ``changes`` and ``rows`` gave; later packs hold. Raises StateUnreadable."""
        _HEAD.decode(head)
        for row in _ROWS.decode_rows(packed):
            if row.wake_ms is None:
                self._customers.pop(row.customer_id, None)
            else:
                self._customers[row.customer_id] = row
        self._wakes = [(row.wake_ms, row.customer_id) for row in self._customers.values() if row.wake_ms is not None]
        heapq.heapify(self._wakes)

    def _take(self, row: ContactRow, item: ContactInput, now_ms: int) -> list[ContactOutput]:
        if isinstance(item, Fact):
            return self._transaction(row, item, now_ms)
        if isinstance(item, AnswerNews):
            return _rated(row, item)
        if isinstance(item, Attendance):
            return self._contact(row, item, now_ms)
        before = whereabouts(row)
        if isinstance(item, PolicyNews):
            _learn_policy(row, item)
        elif item.at_ms >= row.traits_at_ms:
            row.traits, row.traits_at_ms = _merged_traits(row.traits, item.traits), item.at_ms
        known = whereabouts(row)
        return [] if known == before else [CustomerWhereabouts(row.customer_id, known)]

    def _transaction(self, row: ContactRow, fact: Fact, now_ms: int) -> list[ContactOutput]:
        if fact.kind == "struggled":
            return self._struggled(row, fact, now_ms)
        row.breaks = [break_off for break_off in row.breaks if break_off.attempt_id != fact.attempt_id]
        if fact.kind == "abandoned":
            return self._broken_off(row, fact)
        ended = None if row.struggling is None else row.struggling.ended_by(fact)
        if ended is None:
            return []
        row.struggling = ended
        return self._changed_since(row, ended.over_ms - 1, now_ms)

    def _struggled(self, row: ContactRow, fact: Fact, now_ms: int) -> list[ContactOutput]:
        """The latest struggle is remembered, unless nobody knows what it is about; who talks to him sees it."""
        *earlier_signals, _ = fact.signals
        reasons = self._reasons.rank(earlier_signals, fact.step, fact.journey)
        if reasons[0].code == UNKNOWN or (row.struggling is not None and row.struggling.fact.at_ms > fact.at_ms):
            return []
        row.struggling = Struggling(msgspec.structs.replace(fact, reasons=reasons))
        return self._changed_since(row, fact.at_ms - 1, now_ms)

    def _changed_since(self, row: ContactRow, at_ms: int, now_ms: int) -> list[ContactOutput]:
        """The changes for the agent in contact; nothing when nobody is, or nobody knows at which desk."""
        contact = row.contact
        if contact is None or contact.agent_id is None or row.struggling is None or self._is_control(row):
            return []
        changes: list[ContactOutput] = []
        for change in row.struggling.since(at_ms):
            hint = None if change.struggle is None else self._hints.make(change.struggle, now_ms, None)
            fields = contact.bundle_id, row.customer_id, contact.agent_id, change.cause, change.at_ms
            changes.append(BundleChanged(*fields, hint, contact.branch, contact.region))
        return changes

    def _struggle_hint(self, row: ContactRow, at_ms: int) -> Hint | None:
        """What went wrong at an instant in a transaction under way, as the hint would say it."""
        fact = None if row.struggling is None else row.struggling.struggle_at(at_ms)
        if (
            fact is None
            or self._is_control(row)
            or any(break_off.attempt_id == fact.attempt_id for break_off in row.breaks)
        ):
            return None
        return self._hints.make(fact, at_ms, None)

    def _is_control(self, row: ContactRow) -> bool:
        return in_control_group(row.customer_id, self._control.salt, self._control.share)

    def _broken_off(self, row: ContactRow, fact: Fact) -> list[ContactOutput]:
        """The break-off is open, and it is a question asked, unless nobody knows which."""
        row.breaks.append(fact)
        reason = top_reason(fact).code
        if reason == UNKNOWN:
            return []
        answer = OfferedAnswer(hint_id(fact), question_id(fact.journey, reason), fact.at_ms)
        row.questions = [*row.questions[1 - QUESTIONS_A_CUSTOMER :], answer]
        return [QuestionAsked(groups_of(fact.journey, row.traits.group), answer.question_id, fact.at_ms)]

    def _contact(self, row: ContactRow, attendance: Attendance, now_ms: int) -> list[ContactOutput]:
        open_bundle = row.contact
        if open_bundle is not None and attendance.at_ms < open_bundle.at_ms:
            return []
        if not attendance.started:
            if open_bundle is None or not _is_of(open_bundle, attendance):
                return []
            row.contact = None
            return [_end(row, open_bundle, attendance.at_ms)]
        if open_bundle is not None and _is_reported(open_bundle, attendance):
            return []
        bundle = self._bundle(row, attendance)
        row.contact = OpenBundle(
            bundle.bundle_id,
            bundle.agent_id,
            attendance.conversation_id,
            attendance.at_ms,
            bundle.branch,
            bundle.region,
        )
        changes = self._changed_since(row, attendance.at_ms, now_ms)
        return (
            [bundle, *changes] if open_bundle is None else [_end(row, open_bundle, attendance.at_ms), bundle, *changes]
        )

    def _bundle(self, row: ContactRow, attendance: Attendance) -> Bundle:
        channel: Any = attendance.channel if attendance.channel in CHANNELS else None
        policies = [stored.policy for stored in row.policies.values() if stored.policy.status not in ENDED]
        needs = self._rules.needs(policies, channel, attendance.at_ms)
        known = whereabouts(row)
        return Bundle(
            bundle_id=stable_id(
                "bundle", attendance.customer_id, attendance.conversation_id or "", str(attendance.at_ms)
            ),
            customer_id=attendance.customer_id,
            agent_id=attendance.agent_id or None,
            channel=attendance.channel,
            conversation_id=attendance.conversation_id,
            at_ms=attendance.at_ms,
            expires_at_ms=attendance.at_ms + CONTACT_ENDS_AFTER_MS,
            interruption=self._interruption(row, attendance.at_ms),
            struggling=self._struggle_hint(row, attendance.at_ms),
            needs=needs.found[: self._at_most],
            more=max(0, len(needs.found) - self._at_most),
            branch=known.branch,
            region=known.region,
            failures=needs.failures,
        )

    def _interruption(self, row: ContactRow, now_ms: int) -> Hint | None:
        """The latest break-off that is still open, as the hint would say it."""
        if not row.breaks or self._is_control(row):
            return None
        return self._hints.make(max(row.breaks, key=_instant), now_ms, None)

    def _note(self, row: ContactRow, now_ms: int) -> None:
        """Forgets what is past, and the customer when nothing is left of him; puts him down for the next time."""
        self._mark(row.customer_id)
        kept_ms = now_ms - self._keep_ms
        if any(known.at_ms <= kept_ms for known in row.policies.values()):
            row.policies = {name: known for name, known in row.policies.items() if known.at_ms > kept_ms}
        row.breaks = [break_off for break_off in row.breaks if break_off.at_ms > kept_ms]
        if row.struggling is not None and row.struggling.until_ms <= now_ms:
            row.struggling = None
        row.questions = [question for question in row.questions if question.at_ms + RATED_WITHIN_MS > now_ms]
        if row.traits_at_ms <= kept_ms:
            row.traits, row.traits_at_ms = Traits(), 0
        if row.contact is not None and row.contact.at_ms + CONTACT_ENDS_AFTER_MS <= now_ms:
            row.contact = None
        wake_ms = self._wake_ms(row)
        if wake_ms is None:
            del self._customers[row.customer_id]
        elif row.wake_ms is None or wake_ms < row.wake_ms:
            row.wake_ms = wake_ms
            heapq.heappush(self._wakes, (wake_ms, row.customer_id))

    def _wake_ms(self, row: ContactRow) -> int | None:
        ends_ms = [known.at_ms + self._keep_ms for known in row.policies.values()]
        ends_ms += [break_off.at_ms + self._keep_ms for break_off in row.breaks]
        ends_ms += [question.at_ms + RATED_WITHIN_MS for question in row.questions]
        if row.struggling is not None:
            ends_ms.append(row.struggling.until_ms)
        if not row.traits.is_empty:
            ends_ms.append(row.traits_at_ms + self._keep_ms)
        if row.contact is not None:
            ends_ms.append(row.contact.at_ms + CONTACT_ENDS_AFTER_MS)
        return min(ends_ms, default=None)


def whereabouts(row: ContactRow) -> Whereabouts:
    """Whose a customer is: his traits say it, else the newest policy that does."""
    sources: list[Traits | Policy] = [
        row.traits,
        *(known.policy for known in sorted(row.policies.values(), key=_since, reverse=True)),
    ]
    owner = next((source.owner_agent_id for source in sources if source.owner_agent_id), None)
    branch = next((source.branch for source in sources if source.branch), None)
    region = next((source.region for source in sources if source.region), None)
    return Whereabouts(owner, branch, region, row.traits.group)


def _learn_policy(row: ContactRow, news: PolicyNews) -> None:
    name = news.policy.policy_id
    known = row.policies.get(name)
    if known is not None and known.at_ms > news.at_ms:
        return
    row.policies[name] = KnownPolicy(news.at_ms, news.policy)
    if len(row.policies) > POLICIES_A_CUSTOMER:
        del row.policies[min(row.policies, key=lambda policy_id: (row.policies[policy_id].at_ms, policy_id))]


def _rated(row: ContactRow, rating: AnswerNews) -> list[ContactOutput]:
    """The rating of an answer, where it is known which question it answered."""
    hint_question_id = next(
        (question.question_id for question in row.questions if question.hint_id == rating.hint_id), None
    )
    rated_id = rating.question_id or hint_question_id
    if rated_id is None:
        return []
    groups = groups_of(rated_id.rpartition(".")[0], row.traits.group)
    return [AnswerRated(groups, rated_id, rating.solved, rating.at_ms)]


def _merged_traits(known: Traits, newer: Traits) -> Traits:
    """What was not said stays as it was."""
    changes = {name: value for name, value in msgspec.structs.asdict(newer).items() if value is not None}
    return msgspec.structs.replace(known, **changes)


def _is_reported(open_bundle: OpenBundle, attendance: Attendance) -> bool:
    """Whether this conversation is reported to the same agent already."""
    same = attendance.conversation_id and open_bundle.conversation_id == attendance.conversation_id
    return bool(same) and open_bundle.agent_id == attendance.agent_id


def _is_of(open_bundle: OpenBundle, end: Attendance) -> bool:
    """Whether the end is that of this contact: an end that names no conversation ends any."""
    return (
        not end.conversation_id or not open_bundle.conversation_id or end.conversation_id == open_bundle.conversation_id
    )


def _end(row: ContactRow, contact: OpenBundle, at_ms: int) -> BundleEnd:
    return BundleEnd(contact.bundle_id, row.customer_id, contact.agent_id, at_ms, contact.branch, contact.region)


def _instant(fact: Fact) -> tuple[int, str]:
    return fact.at_ms, fact.attempt_id


def _since(known: KnownPolicy) -> tuple[int, str]:
    return known.at_ms, known.policy.policy_id
