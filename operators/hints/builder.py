"""One abandonment made into a hint: reason, text, need, priority, expiry.

In: an ``abandoned`` fact, the instant the hint is made and when a bot may open with it. Out: a ``Hint``.
Refused: nothing; a journey or reason that the catalogue no longer has gets its own name as title
and the text of ``unknown``.

Need, 0 to 1: the learnt one where the fact has it; else the reason's own need, as far as we are sure of the reason,
and more the more the customer has struggled::

    sure = unknown.need + confidence * (reason.need - unknown.need)
    need = sure + (1 - sure) * 1/2 * n / (n + 4)      n: signals counted, hidden pages left out

Priority, 0 to 100: ``journey.priority + reason.priority + 20 * need``, rounded, kept within.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from operators.hints.hint import Hint, NamedReason
from operators.reasons.explanation import explained
from operators.reasons.phrasing import explanation, say
from operators.records.catalogue import UNKNOWN, Catalogue, Reason, Words
from operators.records.facts import Evidence, Fact, RankedReason, Signal, stable_id
from operators.support.timestamps import duration_ms

NEED_IN_PRIORITY: Final = 20
STRUGGLE_IN_NEED: Final = 0.5
HALF_STRUGGLE_SIGNALS: Final = 4
"""So many signals count for half of the struggle there can be."""

DEFAULT_JOURNEY_PRIORITY: Final = 50
OTHER_REASONS: Final = 4
"""So many of the reasons that were not the best an agent can pick from."""


class HintMaker:
    """What a catalogue says of hints, worked out once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._journeys = catalogue.journeys
        self._reasons = catalogue.reasons
        self._unknown = catalogue.reasons[UNKNOWN]
        self._titles = {code: reason.title for code, reason in catalogue.reasons.items()}
        self._surfaces = catalogue.hints.surfaces
        self._steps = {
            name: {step.id: step.title for step in journey.steps} for name, journey in catalogue.journeys.items()
        }
        self.lifetime_ms = duration_ms(catalogue.hints.lifetime)

    def make(self, fact: Fact, now_ms: int, speak_after_ms: int | None) -> Hint:
        """The hint for an abandonment, made at ``now_ms``."""
        ranked = top_reason(fact)
        reason = self._reasons.get(ranked.code, self._unknown)
        steps = self._steps.get(fact.journey, {})
        journey_title = self._journey_title(fact.journey)
        step_title = None if fact.step is None else steps.get(fact.step, Words(fact.step, fact.step))
        need = need_score(reason, self._unknown, ranked.confidence, fact.signals) if fact.need is None else fact.need
        return Hint(
            hint_id=hint_id(fact),
            customer_id=fact.customer_id,
            journey=fact.journey,
            journey_title=journey_title,
            transaction_id=fact.transaction_id,
            step=fact.step,
            step_title=step_title,
            attempt_id=fact.attempt_id,
            reason=ranked,
            reason_title=reason.title,
            need=need,
            text=say(reason.say, journey_title, step_title),
            article=reason.article,
            surfaces=self._surfaces,
            priority=self._priority(fact.journey, reason, need),
            abandoned_at_ms=fact.at_ms,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + self.lifetime_ms,
            speak_after_ms=speak_after_ms,
            explanation=(
                *explanation(ranked.evidence or _most_frequent_first(fact.signals), steps),
                *(explained(effect, self._titles, steps) for effect in fact.effects),
            ),
            step_titles=_titles((*ranked.evidence, *fact.signals), steps),
            other_reasons=tuple(self._others(fact)),
            cause=fact.cause,
            skill=self._skill(fact.journey),
        )

    def _others(self, fact: Fact) -> Iterator[NamedReason]:
        """The reasons that came behind, as far as the catalogue knows them and an agent can know better."""
        for ranked in fact.reasons[1 : 1 + OTHER_REASONS]:
            if ranked.code in self._titles and ranked.code != UNKNOWN:
                yield NamedReason(ranked.code, self._titles[ranked.code])

    def _journey_title(self, name: str) -> Words:
        journey = self._journeys.get(name)
        return Words(name, name) if journey is None else journey.title

    def _skill(self, name: str) -> str | None:
        journey = self._journeys.get(name)
        return None if journey is None else journey.skill

    def _priority(self, name: str, reason: Reason, need: float) -> int:
        journey = self._journeys.get(name)
        own = DEFAULT_JOURNEY_PRIORITY if journey is None else journey.priority
        return min(100, max(0, round(own + reason.priority + NEED_IN_PRIORITY * need)))


def _titles(items: Iterable[Evidence | Signal], steps: Mapping[str, Words]) -> dict[str, Words]:
    """The titles of the steps that evidence and signals name."""
    return {item.step: steps[item.step] for item in items if item.step is not None and item.step in steps}


def hint_id(fact: Fact) -> str:
    """One hint an abandonment, however early it was noticed: the same fact taken twice is the same hint."""
    return stable_id("hint", fact.attempt_id, str(fact.at_ms - fact.idle_ms))


def top_reason(fact: Fact) -> RankedReason:
    """The best reason of an abandonment; ``unknown`` where none was worked out."""
    return fact.reasons[0] if fact.reasons else RankedReason(UNKNOWN, 1.0)


def need_score(reason: Reason, unknown: Reason, confidence: float, signals: Iterable[Signal]) -> float:
    """How much the customer needs a person, 0 to 1; the formula is the module's."""
    sure = unknown.need + confidence * (reason.need - unknown.need)
    count = sum(signal.count for signal in signals if signal.kind != "page_hidden")
    struggle = count / (count + HALF_STRUGGLE_SIGNALS)
    return round(sure + (1.0 - sure) * STRUGGLE_IN_NEED * struggle, 4)


def _most_frequent_first(signals: Iterable[Signal]) -> list[Signal]:
    return sorted(signals, key=_frequency)


def _frequency(signal: Signal) -> tuple[int, str, str, str, str]:
    return -signal.count, signal.kind, signal.step or "", signal.code or "", signal.field or ""
