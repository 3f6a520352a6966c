"""Facts out: what Zhiyin says has happened, and the ids that make it say so once.

``Observation``: what the journey tracker saw (it knows nothing of decisions).
``Fact``: the public record. Both are frozen; times are epoch milliseconds of event time.
"""

from typing import Any, Final, Literal

import msgspec
import xxhash

from operators.records.events import Event
from operators.records.policies import Policy, Traits
from operators.support.timestamps import iso_text

FactKind = Literal["started", "idle", "struggled", "abandoned", "returned", "completed", "cancelled", "expired"]
FACT_KINDS: Final[tuple[FactKind, ...]] = (
    "started",
    "idle",
    "struggled",
    "abandoned",
    "returned",
    "completed",
    "cancelled",
    "expired",
)
LIFE_CYCLE: Final = frozenset(("started", "abandoned", "returned", "completed", "cancelled", "expired"))
"""The kinds whose times follow from the exact rules alone: what ``replay`` emits unless told otherwise."""

ObservationKind = Literal[
    "started", "idle", "silent", "active", "struggled", "completed", "cancelled", "gone", "erased"
]


class Signal(msgspec.Struct, frozen=True):
    """A sign of struggle: ``count`` times ``kind`` at ``step``; ``code`` and ``field`` where there are any."""

    kind: str
    step: str | None
    code: str | None
    field: str | None
    count: int


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One thing the tracker saw of one attempt.

    ``idle_ms``: silence so far (kinds ``idle`` and ``silent``: at the checkpoint; ``active``: the whole
    pause). ``signals``: all so far, on ``idle``, ``silent`` and ``struggled`` (there the new one is last).
    ``cause``: messageId of the event behind it. ``started_ms``, ``trail`` (one byte a step left behind: the bin of
    the time spent there, see ``features.time_bin``): on ``idle`` and ``silent``. ``segment``: of the journey map.
    ``broken_off``: the pause that ``active`` ends counted as broken off; of an attempt that ends, any of its did.
    """

    kind: ObservationKind
    at_ms: int
    attempt_id: str
    customer_id: str
    journey: str
    transaction_id: str | None
    step: str | None
    cause: str | None
    idle_ms: int = 0
    signals: tuple[Signal, ...] = ()
    started_ms: int = 0
    trail: bytes = b""
    segment: str = ""
    broken_off: bool = False


class Interaction(msgspec.Struct, frozen=True):
    """An event around transactions (contact, hint feedback), with its customer and time.

    ``details``: what a policy or a customer is like, where the event tells of that.
    """

    event: Event
    customer_id: str
    at_ms: int
    details: Policy | Traits | None = None


class Evidence(msgspec.Struct, frozen=True):
    """What spoke for a reason, with the weight it had."""

    signal: str
    step: str | None
    code: str | None
    field: str | None
    count: int
    weight: float


class RankedReason(msgspec.Struct, frozen=True):
    """Why the customer broke off, as far as the signals say. ``confidence``: 0 to 1."""

    code: str
    confidence: float
    evidence: tuple[Evidence, ...] = ()


class FeatureEffect(msgspec.Struct, frozen=True):
    """One thing that moved a score. ``feature``: its code (``age20``, ``dwell0_13``, ``step_failed2``).

    ``effect``: what it adds to the log-odds of not completing; of what else, the word before a colon says
    (``contact:age20``: that the customer turns to a person, ``person:``: that one is of use,
    ``reason:``: of the reason).
    """

    feature: str
    effect: float


# Rows of the call list and of bundles hold whole facts: in saved state these two keep the names they began with.
class Fact(msgspec.Struct, frozen=True, gc=False, rename={"segment": "cell", "effects": "moved"}):
    """One public fact about one attempt.

    ``score``: P(it does not complete), on ``idle`` and ``abandoned`` (None where nothing is learnt); ``effects``: what
    moved it most; ``drifting``: what it was learnt from has changed lately. ``will_contact``: P(the customer turns to a
    person), ``need``: P(a person is of use), on ``abandoned`` (None while nothing, or not enough, is learnt of it).
    """

    kind: FactKind
    at_ms: int
    attempt_id: str
    customer_id: str
    journey: str
    transaction_id: str | None
    step: str | None
    cause: str | None = None
    idle_ms: int = 0
    score: float | None = None
    recovered: bool = False
    reasons: tuple[RankedReason, ...] = ()
    signals: tuple[Signal, ...] = ()
    segment: str = ""
    effects: tuple[FeatureEffect, ...] = ()
    drifting: bool = False
    will_contact: float | None = None
    need: float | None = None

    @property
    def id(self) -> str:
        """32 hex digits of what the fact is about: the same fact twice has the same id.

        An abandonment is about the last event before it: however early it was noticed, it is the same.
        """
        kind, about_ms = self.kind, self.at_ms
        if kind == "abandoned":
            about_ms -= self.idle_ms
        subject = f"{self.attempt_id}\0{kind}\0{about_ms}"
        if kind == "struggled":
            signal = self.signals[-1]
            subject += f"\0{signal.kind}\0{signal.step}\0{signal.code}\0{signal.field}"
        return xxhash.xxh3_128_hexdigest(subject.encode())


def stable_id(*parts: str) -> str:
    """32 hex digits (xxh3, 128 bit) of the parts: same parts, same id, on every machine."""
    return xxhash.xxh3_128_hexdigest("\0".join(parts).encode())


def fact_document(fact: Fact) -> dict[str, Any]:
    """The fact as it is written: common fields first, then the kind's own."""
    document: dict[str, Any] = {
        "id": fact.id,
        "kind": fact.kind,
        "customer_id": fact.customer_id,
        "journey": fact.journey,
        "transaction_id": fact.transaction_id,
        "step": fact.step,
        "at": iso_text(fact.at_ms),
    }
    own = _OWN_FIELDS.get(fact.kind)
    if own is not None:
        own(fact, document)
    return document


def _idle(fact: Fact, document: dict[str, Any]) -> None:
    document["idle_seconds"] = fact.idle_ms / 1000
    document["score"] = None if fact.score is None else round(fact.score, 6)


def _struggled(fact: Fact, document: dict[str, Any]) -> None:
    document["signal"] = msgspec.to_builtins(fact.signals[-1])


def _abandoned(fact: Fact, document: dict[str, Any]) -> None:
    document["idle_seconds"] = fact.idle_ms / 1000
    document["score"] = fact.score
    document["drifting"] = fact.drifting
    document["will_contact"] = None if fact.will_contact is None else round(fact.will_contact, 6)
    document["need"] = None if fact.need is None else round(fact.need, 6)
    document["reason"] = msgspec.to_builtins(fact.reasons[0]) if fact.reasons else None
    document["other_reasons"] = [{"code": r.code, "confidence": r.confidence} for r in fact.reasons[1:]]


def _returned(fact: Fact, document: dict[str, Any]) -> None:
    document["away_seconds"] = fact.idle_ms / 1000


def _completed(fact: Fact, document: dict[str, Any]) -> None:
    document["recovered"] = fact.recovered


_OWN_FIELDS: Final = {
    "idle": _idle,
    "struggled": _struggled,
    "abandoned": _abandoned,
    "returned": _returned,
    "completed": _completed,
}
