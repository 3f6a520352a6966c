"""What break-offs teach: who will turn to a person, to whom one is of use, which reason an agent confirms.

In: abandonments of one journey as they are told; contacts, calls and agents' words around them; ends of attempts.
Out: the abandonment with what is thought of it; figures. Refused: nothing here.

What counts as yes and no:

- ``contact``: the customer begins a contact (phone, counter, chat) within ``contact_within`` of the break-off. Once
  we have called first, it is not known what the customer would have done: no outcome.
- ``person``: yes when a call ended with ``solved``, when one that ``reached`` the customer is followed by the
  completion, or when the customer turned to a person by himself; no when he completed without anybody, when he
  declined, when a call that reached him changed nothing. Who was not called and never completed: no outcome.
- ``reason``: see ``reason_ranking``.

The first two are learnt when ``contact_within`` is over, yes and no alike: who contacts us does so soon, who does not
is known only at the end, and learnt as they come the first would count for too much.

Contacts and calls are asked about only after one was heard of in this journey's life: where no telephone is
connected, nobody's silence on it says anything. Time is that of the journey's facts; an outcome is waited for
``GRACE_MS`` longer, and by at most ``MOST_WAITING`` attempts: beyond, the oldest is dropped, and counted.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from operators.hints.arbitration import Contact
from operators.hints.builder import hint_id, need_score, top_reason
from operators.learning.interfaces import BreakOffQuestion, Quality
from operators.learning.models import BaseRates, OutcomeCounts, count, rate
from operators.learning.outcome_model import OutcomeModel, OutcomeModelState, OutcomePrediction
from operators.learning.reason_ranking import Candidate, ReasonRanking
from operators.outreach.call_list_entry import outreach_id
from operators.outreach.call_list_state import CallOutcome
from operators.reasons.explanation import what_moved
from operators.records.catalogue import UNKNOWN, Catalogue
from operators.records.facts import Fact, FeatureEffect
from operators.support.timestamps import duration_ms
from operators.tracking.features import AttemptFeatures

CALLED: Final = "outreach"
"""The channel of a contact that we began: an agent has claimed the customer's entry of the list."""
GRACE_MS: Final = 60_000
MOST_WAITING: Final = 50_000
LEAST_TOLD: Final = 50
"""Before so many outcomes P(contact) is not told."""
_TENTHS: Final = 10
_USELESS: Final = frozenset(("declined", "do_not_call"))


class Judgement(msgspec.Struct, frozen=True):
    """An agent's word on a hint: whether its reason is ``right`` (None: not said), or which one is (``named``)."""

    customer_id: str
    hint_id: str
    at_ms: int
    right: bool | None = None
    named: str | None = None


class CustomerForgotten(msgspec.Struct, frozen=True):
    """A customer who is to be forgotten."""

    customer_id: str
    at_ms: int


BreakoffOutcome = Contact | CallOutcome | Judgement | CustomerForgotten


class PendingOutcome(msgspec.Struct, array_like=True, gc=False):
    """One break-off that waits for its outcomes; what is settled is None, or empty.

    ``shown``: the reason that was told; ``need``: tenths of the rule's need. What has happened so far: he turned to a
    person (``contacted``), a call has ``reached`` him; a person has ``helped``, or was of no use (None: not known).
    """

    customer_id: str
    hint_id: str
    at_ms: int
    known: AttemptFeatures
    shown: str
    candidates: list[Candidate] = []
    tokens: list[str] = []
    contact: OutcomePrediction | None = None
    person: OutcomePrediction | None = None
    need: int = 0
    contacted: bool = False
    reached: bool = False
    helped: bool | None = None


class BreakoffOutcomesState(msgspec.Struct, array_like=True, gc=False):
    """What is saved: the three models, the base rates of two of them."""

    models: dict[BreakOffQuestion, OutcomeModelState] = {}
    contact_rates: dict[str, list[OutcomeCounts]] = {}
    person_rates: dict[str, list[OutcomeCounts]] = {}
    hears: bool = False
    drift_until_ms: int = 0
    dropped: int = 0


class BreakoffOutcomes:
    """What one journey's break-offs teach. ``drift_noted_ms``: so long after a drift of an error, facts say so.

    ``keeps_changes``: whether rows are noted for ``take_changed``.
    """

    def __init__(self, catalogue: Catalogue, drift_noted_ms: int, *, keeps_changes: bool = False) -> None:
        self.waiting: dict[str, PendingOutcome] = {}
        self.dropped = 0
        self.drift_until_ms = 0
        self._ranking = ReasonRanking(catalogue.hints.min_confidence)
        self._contact, self._person = OutcomeModel("contact"), OutcomeModel("person")
        self._models = (self._contact, self._person, self._ranking.model)
        self._contact_rates, self._person_rates = BaseRates(1), BaseRates(1)
        self._reasons = catalogue.reasons
        self._within_ms = duration_ms(catalogue.contact_within)
        self._patience_ms = max(self._within_ms, duration_ms(catalogue.hints.lifetime))
        self._tries = catalogue.outreach.tries
        self._drift_noted_ms = drift_noted_ms
        self._hears = False
        self._ended: list[Fact] = []
        self._due: list[tuple[int, str]] = []
        self._by_customer: dict[str, set[str]] = {}
        self._by_hint: dict[str, str] = {}
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()

    def predict(self, fact: Fact, known: AttemptFeatures) -> Fact:
        """An abandonment with what is thought of it; it waits for its outcomes from now on."""
        ranking = self._ranking.ranked(fact.reasons, fact.step)
        if not ranking.candidates and not self._hears:
            return fact
        fact = msgspec.structs.replace(fact, reasons=ranking.reasons)
        asked = PendingOutcome(
            fact.customer_id, hint_id(fact), fact.at_ms, known, top_reason(fact).code, ranking.candidates
        )
        moved = self._confirmed(asked)
        if self._hears:
            self._ask(asked, fact)
            moved += _moved("contact", self._contact.effects(asked.tokens))
            moved += _moved("person", self._person.effects(asked.tokens))
        self._remember(fact.attempt_id, asked)
        return msgspec.structs.replace(
            fact,
            will_contact=None if asked.contact is None or self._contact.learnt < LEAST_TOLD else asked.contact.told,
            need=asked.person.told if asked.person is not None and self._person.leads else None,
            moved=(*fact.effects, *moved),
            drifting=fact.drifting or fact.at_ms < self.drift_until_ms,
        )

    def ended(self, fact: Fact) -> None:
        """An attempt's end, kept until the batch is over: what it teaches must not reach what is told before it."""
        if fact.attempt_id in self.waiting:
            self._ended.append(fact)

    def settle_batch(self, now_ms: int) -> None:
        """The journey's time has come to ``now_ms``: ends are learnt, and what has waited long enough."""
        for fact in self._ended:
            asked = self.waiting.get(fact.attempt_id)
            if asked is not None and fact.at_ms > asked.at_ms:
                self._over(asked, completed=fact.kind == "completed")
                self._look(fact.attempt_id, asked, fact.at_ms)
        self._ended.clear()
        while self._due and self._due[0][0] < now_ms:
            _, attempt_id = heapq.heappop(self._due)
            waiting = self.waiting.get(attempt_id)
            if waiting is not None:
                self._look(attempt_id, waiting, now_ms)

    def observe(self, outcomes: Sequence[BreakoffOutcome]) -> None:
        """Contacts, calls and words of agents, in order of arrival."""
        for given in outcomes:
            if isinstance(given, Judgement):
                self._judged(given)
                continue
            self._hears |= not isinstance(given, CustomerForgotten)
            for attempt_id in sorted(self._by_customer.get(given.customer_id, ())):
                asked = self.waiting[attempt_id]
                if isinstance(given, CustomerForgotten):
                    self._forget(attempt_id)
                elif given.at_ms > asked.at_ms:
                    self._reacted(attempt_id, asked, given)
                    self._look(attempt_id, asked, given.at_ms)

    def quality(self) -> list[Quality]:
        """How good each model has been, of those that have seen an outcome."""
        return [each.quality() for each in self._models if each.learnt]

    @property
    def learnt(self) -> int:
        """Outcomes learnt."""
        return sum(each.learnt for each in self._models)

    @property
    def drifts(self) -> dict[str, int]:
        """Drifts noticed, by which model's error."""
        return {f"{each.question}_error": each.drifts for each in self._models}

    @property
    def pending(self) -> int:
        """Predictions whose outcome is not known yet."""
        each_asked = self.waiting.values()
        return sum(
            (each.contact is not None) + (each.person is not None) + bool(each.candidates) for each in each_asked
        )

    def state(self) -> BreakoffOutcomesState:
        """What has been learnt."""
        models = {each.question: each.state() for each in self._models}
        rates = self._contact_rates.steps, self._person_rates.steps
        return BreakoffOutcomesState(models, *rates, self._hears, self.drift_until_ms, self.dropped)

    def put(self, state: BreakoffOutcomesState) -> None:
        """Goes on from what was saved."""
        for each in self._models:
            each.put(state.models.get(each.question, OutcomeModelState()))
        self._contact_rates.put(state.contact_rates)
        self._person_rates.put(state.person_rates)
        self._hears, self.drift_until_ms, self.dropped = state.hears, state.drift_until_ms, state.dropped

    def put_rows(self, rows: Iterable[tuple[str, PendingOutcome]]) -> None:
        """Takes up break-offs that waited."""
        for attempt_id, asked in rows:
            self._add(attempt_id, asked)

    def take_changed(self) -> set[str]:
        """The attempts whose rows have changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def _ask(self, asked: PendingOutcome, fact: Fact) -> None:
        asked.tokens = _tokens(asked)
        reason = self._reasons.get(asked.shown, self._reasons[UNKNOWN])
        need = need_score(reason, self._reasons[UNKNOWN], top_reason(fact).confidence, fact.signals)
        asked.need = min(int(need * _TENTHS), _TENTHS - 1)
        asked.contact = self._contact.predict(asked.tokens, rate(self._contact_counts(asked)))
        asked.person = self._person.predict(asked.tokens, rate(self._person_counts(asked)))

    def _confirmed(self, asked: PendingOutcome) -> list[FeatureEffect]:
        """What agents' words add to the reason that is told."""
        return _moved("reason", [("confirmed", self._ranking.effect(asked.candidates, asked.shown))])

    def _contact_counts(self, asked: PendingOutcome) -> OutcomeCounts:
        return self._contact_rates.of(asked.known.step or "")[0]

    def _person_counts(self, asked: PendingOutcome) -> OutcomeCounts:
        return self._person_rates.of(str(asked.need))[0]

    def _judged(self, given: Judgement) -> None:
        attempt_id = self._by_hint.get(given.hint_id)
        asked = None if attempt_id is None else self.waiting[attempt_id]
        named = given.named if given.named in self._reasons else None
        is_said = named is not None or given.right is not None
        if attempt_id is None or asked is None or not asked.candidates or not is_said:
            return
        drifted = self._ranking.judged(asked.candidates, asked.known, asked.shown, bool(given.right), named)
        self._note_drift(drifted, given.at_ms)
        asked.candidates = []
        self._look(attempt_id, asked, given.at_ms)

    def _reacted(self, attempt_id: str, asked: PendingOutcome, given: Contact | CallOutcome) -> None:
        """What the customer did, or what came of our call."""
        if isinstance(given, Contact):
            if given.channel == CALLED and not asked.contacted:
                asked.contact = None
            elif given.started and given.at_ms <= asked.at_ms + self._within_ms:
                asked.contacted = True
                asked.helped = True if asked.helped is None else asked.helped
        elif given.outreach_id in self._calls(attempt_id, asked):
            if given.outcome == "reached":
                asked.reached = True
            elif given.outcome == "solved" or given.outcome in _USELESS:
                asked.helped = given.outcome == "solved" if asked.helped is None else asked.helped

    def _over(self, asked: PendingOutcome, *, completed: bool) -> None:
        """The attempt has ended: with somebody's help, or without; of who gave it up nobody will ever know."""
        if asked.helped is None and completed:
            asked.helped = asked.reached
        elif asked.helped is None:
            asked.person = None

    def _calls(self, attempt_id: str, asked: PendingOutcome) -> list[str]:
        """The ids that its entries of the list may have."""
        return [outreach_id(attempt_id, asked.at_ms, tries) for tries in range(self._tries)]

    def _settle(self, asked: PendingOutcome, now_ms: int) -> None:
        """Its time is over: what came of it is learnt, as far as it is known."""
        contact, person = asked.contact, asked.person
        asked.contact = asked.person = None
        if contact is not None:
            drifted = self._contact.learn(asked.tokens, asked.known, contact, asked.contacted)
            count(self._contact_counts(asked), asked.contacted)
            self._note_drift(drifted, now_ms)
        helped = False if asked.helped is None and asked.reached else asked.helped
        if person is not None and helped is not None:
            drifted = self._person.learn(asked.tokens, asked.known, person, helped)
            count(self._person_counts(asked), helped)
            self._note_drift(drifted, now_ms)

    def _note_drift(self, drifted: bool, now_ms: int) -> None:
        if drifted:
            self.drift_until_ms = now_ms + self._drift_noted_ms

    def _look(self, attempt_id: str, asked: PendingOutcome, now_ms: int) -> None:
        """Something of it has changed, or its time has come; it is forgotten when nothing of it waits any more."""
        self._note(attempt_id)
        if asked.at_ms + self._within_ms + GRACE_MS < now_ms:
            self._settle(asked, now_ms)
        is_over = asked.at_ms + self._patience_ms + GRACE_MS < now_ms
        if is_over or (asked.contact is None and asked.person is None and not asked.candidates):
            self._forget(attempt_id)

    def _remember(self, attempt_id: str, asked: PendingOutcome) -> None:
        """In place of an earlier break-off of the attempt, whose outcomes are this one's."""
        self._forget(attempt_id)
        if len(self.waiting) >= MOST_WAITING:
            self.dropped += 1
            self._forget(next(iter(self.waiting)))
        self._add(attempt_id, asked)
        self._note(attempt_id)

    def _add(self, attempt_id: str, asked: PendingOutcome) -> None:
        self.waiting[attempt_id] = asked
        self._by_customer.setdefault(asked.customer_id, set()).add(attempt_id)
        self._by_hint[asked.hint_id] = attempt_id
        for wait_ms in {self._within_ms, self._patience_ms}:
            heapq.heappush(self._due, (asked.at_ms + wait_ms + GRACE_MS, attempt_id))

    def _forget(self, attempt_id: str) -> None:
        asked = self.waiting.pop(attempt_id, None)
        if asked is None:
            return
        self._note(attempt_id)
        self._by_hint.pop(asked.hint_id, None)
        attempts = self._by_customer[asked.customer_id]
        attempts.discard(attempt_id)
        if not attempts:
            del self._by_customer[asked.customer_id]

    def _note(self, attempt_id: str) -> None:
        if self._keeps_changes:
            self._changed.add(attempt_id)


def _tokens(asked: PendingOutcome) -> list[str]:
    known, step = asked.known, asked.known.step or ""
    parts = [f"age{known.age}", *known.struggle, f"because={asked.shown}"]
    if known.trail:
        parts.append(f"dwell0_{known.trail[-1]}")
    return [f"at={step}", *parts, f"{step}|because={asked.shown}"]


def _moved(question: BreakOffQuestion, effects: Iterable[tuple[str, float]]) -> list[FeatureEffect]:
    """What moved it most, one thing a question, under the question's name."""
    return [msgspec.structs.replace(each, feature=f"{question}:{each.feature}") for each in what_moved(effects)[:1]]
