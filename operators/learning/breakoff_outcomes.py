"""What break-offs teach: who will turn to a person, to whom one is of use, which reason an agent confirms.

In: abandonments of one journey as they are published; the contacts, calls and agents' judgements that follow; ends of
attempts. Out: the abandonment with its predictions; figures. Refused: nothing here.

What counts as yes and no:

- ``contact``: the customer begins a contact (phone, counter, chat) within ``contact_within`` of the break-off. Once
  we have called first, it is not known what the customer would have done: no outcome.
- ``person``: yes when a call ended with ``solved``, when one that ``reached`` the customer is followed by the
  completion, or when the customer turned to a person by himself; no when he completed without anybody, when he
  declined, when a call that reached him changed nothing. Who was not called and never completed: no outcome.
- ``reason``: see ``reason_ranking``.

The first two are learnt when ``contact_within`` is over, yes and no alike: who contacts us does so soon, who does not
is known only at the end, and learnt as they come the first would count for too much.

Contacts and calls are predicted only after the first one of this journey was received: where no telephone is
connected, a missing outcome means nothing. Time is that of the journey's facts; an outcome is waited for
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
LEAST_OUTCOMES: Final = 50
"""Before so many outcomes P(contact) is not published."""
_TENTHS: Final = 10
_USELESS: Final = frozenset(("declined", "do_not_call"))


class Judgement(msgspec.Struct, frozen=True):
    """An agent's judgement of a hint: its reason is ``right`` or not (None: not given), or another is (``named``)."""

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

    ``shown``: the reason that was published; ``need``: tenths of the rule's need. What has happened so far: he turned
    to a person (``contacted``), a call has ``reached`` him; a person has ``helped``, or was of no use (None: not
    known).
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
    receives_outcomes: bool = False
    drift_until_ms: int = 0
    dropped: int = 0


class BreakoffOutcomes:
    """What one journey's break-offs teach. ``drift_noted_ms``: so long after a drift of an error, facts are marked.

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
        self._receives_outcomes = False
        self._ended: list[Fact] = []
        self._due: list[tuple[int, str]] = []
        self._by_customer: dict[str, set[str]] = {}
        self._by_hint: dict[str, str] = {}
        self._keeps_changes = keeps_changes
        self._changed: set[str] = set()

    def predict(self, fact: Fact, features: AttemptFeatures) -> Fact:
        """An abandonment with its predictions; it waits for its outcomes from now on."""
        ranking = self._ranking.ranked(fact.reasons, fact.step)
        if not ranking.candidates and not self._receives_outcomes:
            return fact
        fact = msgspec.structs.replace(fact, reasons=ranking.reasons)
        pending = PendingOutcome(
            fact.customer_id, hint_id(fact), fact.at_ms, features, top_reason(fact).code, ranking.candidates
        )
        effects = self._confirmation_effect(pending)
        if self._receives_outcomes:
            self._predict_outcomes(pending, fact)
            effects += _strongest_effect("contact", self._contact.effects(pending.tokens))
            effects += _strongest_effect("person", self._person.effects(pending.tokens))
        self._add_pending(fact.attempt_id, pending)
        return msgspec.structs.replace(
            fact,
            will_contact=None
            if pending.contact is None or self._contact.learnt < LEAST_OUTCOMES
            else pending.contact.published,
            need=pending.person.published if pending.person is not None and self._person.leads else None,
            effects=(*fact.effects, *effects),
            drifting=fact.drifting or fact.at_ms < self.drift_until_ms,
        )

    def ended(self, fact: Fact) -> None:
        """An attempt's end, kept until the batch is over: it must not teach what is published before it."""
        if fact.attempt_id in self.waiting:
            self._ended.append(fact)

    def settle_batch(self, now_ms: int) -> None:
        """The journey's time has come to ``now_ms``: ends are learnt, and what has waited long enough."""
        for fact in self._ended:
            pending = self.waiting.get(fact.attempt_id)
            if pending is not None and fact.at_ms > pending.at_ms:
                self._record_end(pending, completed=fact.kind == "completed")
                self._settle_if_due(fact.attempt_id, pending, fact.at_ms)
        self._ended.clear()
        while self._due and self._due[0][0] < now_ms:
            _, attempt_id = heapq.heappop(self._due)
            pending = self.waiting.get(attempt_id)
            if pending is not None:
                self._settle_if_due(attempt_id, pending, now_ms)

    def observe(self, outcomes: Sequence[BreakoffOutcome]) -> None:
        """Contacts, calls and judgements of agents, in order of arrival."""
        for outcome in outcomes:
            if isinstance(outcome, Judgement):
                self._record_judgement(outcome)
                continue
            self._receives_outcomes |= not isinstance(outcome, CustomerForgotten)
            for attempt_id in sorted(self._by_customer.get(outcome.customer_id, ())):
                pending = self.waiting[attempt_id]
                if isinstance(outcome, CustomerForgotten):
                    self._forget(attempt_id)
                elif outcome.at_ms > pending.at_ms:
                    self._record_interaction(attempt_id, pending, outcome)
                    self._settle_if_due(attempt_id, pending, outcome.at_ms)

    def quality(self) -> list[Quality]:
        """How good each model has been, of those that have seen an outcome."""
        return [model.quality() for model in self._models if model.learnt]

    @property
    def learnt(self) -> int:
        """Outcomes learnt."""
        return sum(model.learnt for model in self._models)

    @property
    def drifts(self) -> dict[str, int]:
        """Drifts noticed, by which model's error."""
        return {f"{model.question}_error": model.drifts for model in self._models}

    @property
    def pending(self) -> int:
        """Predictions whose outcome is not known yet."""
        return sum(
            (pending.contact is not None) + (pending.person is not None) + bool(pending.candidates)
            for pending in self.waiting.values()
        )

    def state(self) -> BreakoffOutcomesState:
        """What has been learnt."""
        models = {model.question: model.state() for model in self._models}
        rates = self._contact_rates.steps, self._person_rates.steps
        return BreakoffOutcomesState(models, *rates, self._receives_outcomes, self.drift_until_ms, self.dropped)

    def put(self, state: BreakoffOutcomesState) -> None:
        """Goes on from what was saved."""
        for model in self._models:
            model.put(state.models.get(model.question, OutcomeModelState()))
        self._contact_rates.put(state.contact_rates)
        self._person_rates.put(state.person_rates)
        self._receives_outcomes, self.drift_until_ms, self.dropped = (
            state.receives_outcomes,
            state.drift_until_ms,
            state.dropped,
        )

    def put_rows(self, rows: Iterable[tuple[str, PendingOutcome]]) -> None:
        """Takes up break-offs that waited."""
        for attempt_id, pending in rows:
            self._add(attempt_id, pending)

    def take_changed(self) -> set[str]:
        """The attempts whose rows have changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def _predict_outcomes(self, pending: PendingOutcome, fact: Fact) -> None:
        pending.tokens = _tokens(pending)
        reason = self._reasons.get(pending.shown, self._reasons[UNKNOWN])
        need = need_score(reason, self._reasons[UNKNOWN], top_reason(fact).confidence, fact.signals)
        pending.need = min(int(need * _TENTHS), _TENTHS - 1)
        pending.contact = self._contact.predict(pending.tokens, rate(self._contact_counts(pending)))
        pending.person = self._person.predict(pending.tokens, rate(self._person_counts(pending)))

    def _confirmation_effect(self, pending: PendingOutcome) -> list[FeatureEffect]:
        """What agents' judgements add to the reason that is published."""
        return _strongest_effect("reason", [("confirmed", self._ranking.effect(pending.candidates, pending.shown))])

    def _contact_counts(self, pending: PendingOutcome) -> OutcomeCounts:
        return self._contact_rates.of(pending.known.step or "")[0]

    def _person_counts(self, pending: PendingOutcome) -> OutcomeCounts:
        return self._person_rates.of(str(pending.need))[0]

    def _record_judgement(self, judgement: Judgement) -> None:
        attempt_id = self._by_hint.get(judgement.hint_id)
        pending = None if attempt_id is None else self.waiting[attempt_id]
        named = judgement.named if judgement.named in self._reasons else None
        is_judged = named is not None or judgement.right is not None
        if attempt_id is None or pending is None or not pending.candidates or not is_judged:
            return
        drifted = self._ranking.judged(pending.candidates, pending.known, pending.shown, bool(judgement.right), named)
        self._note_drift(drifted, judgement.at_ms)
        pending.candidates = []
        self._settle_if_due(attempt_id, pending, judgement.at_ms)

    def _record_interaction(self, attempt_id: str, pending: PendingOutcome, interaction: Contact | CallOutcome) -> None:
        """What the customer did, or what came of our call."""
        if isinstance(interaction, Contact):
            if interaction.channel == CALLED and not pending.contacted:
                pending.contact = None
            elif interaction.started and interaction.at_ms <= pending.at_ms + self._within_ms:
                pending.contacted = True
                pending.helped = True if pending.helped is None else pending.helped
        elif interaction.outreach_id in self._outreach_ids(attempt_id, pending):
            if interaction.outcome == "reached":
                pending.reached = True
            elif interaction.outcome == "solved" or interaction.outcome in _USELESS:
                pending.helped = interaction.outcome == "solved" if pending.helped is None else pending.helped

    def _record_end(self, pending: PendingOutcome, *, completed: bool) -> None:
        """The attempt has ended: with somebody's help, or without; of who gave it up nobody will ever know."""
        if pending.helped is None and completed:
            pending.helped = pending.reached
        elif pending.helped is None:
            pending.person = None

    def _outreach_ids(self, attempt_id: str, pending: PendingOutcome) -> list[str]:
        """The ids that its entries of the list may have."""
        return [outreach_id(attempt_id, pending.at_ms, tries) for tries in range(self._tries)]

    def _settle(self, pending: PendingOutcome, now_ms: int) -> None:
        """Its time is over: what came of it is learnt, as far as it is known."""
        contact, person = pending.contact, pending.person
        pending.contact = pending.person = None
        if contact is not None:
            drifted = self._contact.learn(pending.tokens, pending.known, contact, pending.contacted)
            count(self._contact_counts(pending), pending.contacted)
            self._note_drift(drifted, now_ms)
        helped = False if pending.helped is None and pending.reached else pending.helped
        if person is not None and helped is not None:
            drifted = self._person.learn(pending.tokens, pending.known, person, helped)
            count(self._person_counts(pending), helped)
            self._note_drift(drifted, now_ms)

    def _note_drift(self, drifted: bool, now_ms: int) -> None:
        if drifted:
            self.drift_until_ms = now_ms + self._drift_noted_ms

    def _settle_if_due(self, attempt_id: str, pending: PendingOutcome, now_ms: int) -> None:
        """Something of it has changed, or its time has come; it is forgotten when nothing of it waits any more."""
        self._mark_changed(attempt_id)
        if pending.at_ms + self._within_ms + GRACE_MS < now_ms:
            self._settle(pending, now_ms)
        is_over = pending.at_ms + self._patience_ms + GRACE_MS < now_ms
        if is_over or (pending.contact is None and pending.person is None and not pending.candidates):
            self._forget(attempt_id)

    def _add_pending(self, attempt_id: str, pending: PendingOutcome) -> None:
        """In place of an earlier break-off of the attempt, whose outcomes are this one's."""
        self._forget(attempt_id)
        if len(self.waiting) >= MOST_WAITING:
            self.dropped += 1
            self._forget(next(iter(self.waiting)))
        self._add(attempt_id, pending)
        self._mark_changed(attempt_id)

    def _add(self, attempt_id: str, pending: PendingOutcome) -> None:
        self.waiting[attempt_id] = pending
        self._by_customer.setdefault(pending.customer_id, set()).add(attempt_id)
        self._by_hint[pending.hint_id] = attempt_id
        for wait_ms in {self._within_ms, self._patience_ms}:
            heapq.heappush(self._due, (pending.at_ms + wait_ms + GRACE_MS, attempt_id))

    def _forget(self, attempt_id: str) -> None:
        pending = self.waiting.pop(attempt_id, None)
        if pending is None:
            return
        self._mark_changed(attempt_id)
        self._by_hint.pop(pending.hint_id, None)
        attempts = self._by_customer[pending.customer_id]
        attempts.discard(attempt_id)
        if not attempts:
            del self._by_customer[pending.customer_id]

    def _mark_changed(self, attempt_id: str) -> None:
        if self._keeps_changes:
            self._changed.add(attempt_id)


def _tokens(pending: PendingOutcome) -> list[str]:
    features, step = pending.known, pending.known.step or ""
    parts = [f"age{features.age}", *features.struggle, f"because={pending.shown}"]
    if features.trail:
        parts.append(f"dwell0_{features.trail[-1]}")
    return [f"at={step}", *parts, f"{step}|because={pending.shown}"]


def _strongest_effect(question: BreakOffQuestion, effects: Iterable[tuple[str, float]]) -> list[FeatureEffect]:
    """What moved it most, one thing a question, under the question's name."""
    return [
        msgspec.structs.replace(effect, feature=f"{question}:{effect.feature}") for effect in what_moved(effects)[:1]
    ]
