"""The records of customers to be called first: entries of the list, the end of each, why somebody is not on it.

In: a hint as it would be made, and what the catalogue says of calling. Out: frozen records with times in
epoch milliseconds, and the document that agents see. Refused: nothing.
"""

from typing import Any, Final, Literal, get_args

import msgspec

from operators.hints.hint import Hint
from operators.records.catalogue import Article, QuietHours, Words
from operators.records.facts import RankedReason, stable_id
from operators.support.timestamps import iso_text

CallResult = Literal["reached", "no_answer", "declined", "do_not_call", "solved", "wrong_person"]
OUTCOMES: Final[tuple[str, ...]] = get_args(CallResult)
NoCallCause = Literal["returned", "completed", "cancelled", "expired", "contact", "helped", "called", "do_not_call"]
WhyNotListed = Literal["control", "do_not_call", "contact", "cool_off", "quiet_hours"]


class OutreachEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One customer to be called about one attempt, with why and what helps.

    ``need``: 0 to 1, what the list is ranked by; ``tries``: calls nobody answered so far; ``lease_ms``: how
    long a claim lasts; ``quiet_hours``: when nobody may be called (None: never); ``skill``: what a caller needs.
    """

    outreach_id: str
    customer_id: str
    journey: str
    journey_title: Words
    transaction_id: str | None
    step: str | None
    step_title: Words | None
    attempt_id: str
    reason: RankedReason
    reason_title: Words
    need: float
    text: Words
    article: Article
    explanation: tuple[Words, ...]
    step_titles: dict[str, Words]
    abandoned_at_ms: int
    listed_at_ms: int
    expires_at_ms: int
    tries: int
    lease_ms: int
    quiet_hours: QuietHours | None
    skill: str | None = None
    version: int = 1


class CallFirst(msgspec.Struct, frozen=True):
    """The customer goes on the list."""

    entry: OutreachEntry


class NoCall(msgspec.Struct, frozen=True):
    """The entry goes from the list, and why."""

    outreach_id: str
    customer_id: str
    journey: str
    cause: NoCallCause
    at_ms: int


class NotListed(msgspec.Struct, frozen=True):
    """An abandonment whose customer is not to be called, and why not."""

    attempt_id: str
    customer_id: str
    journey: str
    why_not: WhyNotListed
    at_ms: int


CallListOutput = CallFirst | NoCall | NotListed


def outreach_id(attempt_id: str, abandoned_at_ms: int, tries: int) -> str:
    """One id an abandonment and try: the same entry made twice is one entry."""
    return stable_id("outreach", attempt_id, str(abandoned_at_ms), str(tries))


def entry_of(
    hint: Hint, listed_at_ms: int, expires_at_ms: int, tries: int, lease_ms: int, quiet_hours: QuietHours | None
) -> OutreachEntry:
    """The entry for an abandonment, in the words its hint would have."""
    return OutreachEntry(
        outreach_id=outreach_id(hint.attempt_id, hint.abandoned_at_ms, tries),
        customer_id=hint.customer_id,
        journey=hint.journey,
        journey_title=hint.journey_title,
        transaction_id=hint.transaction_id,
        step=hint.step,
        step_title=hint.step_title,
        attempt_id=hint.attempt_id,
        reason=hint.reason,
        reason_title=hint.reason_title,
        need=hint.need,
        text=hint.text,
        article=hint.article,
        explanation=hint.explanation,
        step_titles=hint.step_titles,
        abandoned_at_ms=hint.abandoned_at_ms,
        listed_at_ms=listed_at_ms,
        expires_at_ms=expires_at_ms,
        tries=tries,
        lease_ms=lease_ms,
        quiet_hours=quiet_hours,
        skill=hint.skill,
    )


def outreach_document(entry: OutreachEntry) -> dict[str, Any]:
    """The entry as agents see it (who has claimed it is kept beside it, it changes)."""
    document: dict[str, Any] = msgspec.to_builtins(entry)
    for name in ("abandoned_at", "listed_at", "expires_at"):
        document[name] = iso_text(document.pop(f"{name}_ms"))
    document["lease_seconds"] = document.pop("lease_ms") / 1000
    return document
