"""Hints: the help put in front of whoever meets the customer next, and its one state.

A hint has one state over all surfaces. Terminal states never change again, so that
telling or retiring a hint twice does nothing the second time.
"""

from typing import Any, Final, Literal

import msgspec

from operators.records.catalogue import Article, Surface, Words
from operators.records.facts import RankedReason
from operators.support.timestamps import iso_text

HintState = Literal["created", "delivered", "shown", "used", "dismissed", "retired", "expired"]
OPEN_STATES: Final = frozenset(("created", "delivered", "shown"))
RetireCause = Literal["returned", "completed", "cancelled", "expired", "used", "dismissed", "contact"]
WhyNot = Literal["cap", "quiet_hours", "control", "duplicate", "in_contact"]

_NEXT: Final[dict[str, frozenset[str]]] = {
    "created": frozenset(("delivered", "shown", "used", "dismissed", "retired", "expired")),
    "delivered": frozenset(("shown", "used", "dismissed", "retired", "expired")),
    "shown": frozenset(("used", "dismissed", "retired", "expired")),
}


class Wording(msgspec.Struct, frozen=True):
    """Which of a reason's wordings a hint has (0: ``say``, then ``variants``), and how probable that choice was."""

    variant: int
    propensity: float


class NamedReason(msgspec.Struct, frozen=True):
    """A reason as an agent picks it."""

    code: str
    title: Words


class Hint(msgspec.Struct, frozen=True, kw_only=True):
    """One hint; times in epoch milliseconds.

    ``speak_after_ms``: when a bot may open with it (None: not at all); ``abandoned_at_ms``:
    event time of the break-off; ``created_at_ms``: when it was told. ``step_titles``: of the steps that
    the evidence names. ``other_reasons``: what else it may have been, the likeliest first.
    """

    hint_id: str
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
    surfaces: tuple[Surface, ...]
    priority: int
    abandoned_at_ms: int
    created_at_ms: int
    expires_at_ms: int
    speak_after_ms: int | None
    control: bool = False
    explanation: tuple[Words, ...] = ()
    step_titles: dict[str, Words] = {}
    other_reasons: tuple[NamedReason, ...] = ()
    cause: str | None = None
    wording: Wording | None = None
    version: int = 1
    branch: str | None = None
    region: str | None = None
    skill: str | None = None


class Retirement(msgspec.Struct, frozen=True):
    """The hint is of no more use anywhere, and why."""

    hint_id: str
    customer_id: str
    cause: RetireCause
    at_ms: int
    journey: str = ""


class Speak(msgspec.Struct, frozen=True):
    """The quiet hours are over: a bot may now open with this hint."""

    hint_id: str
    customer_id: str
    at_ms: int
    journey: str = ""


class WordingReward(msgspec.Struct, frozen=True, kw_only=True):
    """What a hint in a chosen wording was worth: 1 when its attempt was completed, else 0."""

    hint_id: str
    customer_id: str
    journey: str
    reason: str
    variant: int
    propensity: float
    reward: float
    at_ms: int


class HeldBack(msgspec.Struct, frozen=True):
    """An abandonment that got no hint, and why not."""

    attempt_id: str
    customer_id: str
    journey: str
    why_not: WhyNot
    at_ms: int


def may_become(state: str, wanted: str) -> bool:
    """Whether a hint in ``state`` may go on to ``wanted``."""
    return wanted in _NEXT.get(state, frozenset())


def hint_document(hint: Hint) -> dict[str, Any]:
    """The hint as chatbots, desks and the API see it (its state is kept beside it, it changes)."""
    document: dict[str, Any] = msgspec.to_builtins(hint)
    for name in ("abandoned_at", "created_at", "expires_at", "speak_after"):
        at_ms = document.pop(f"{name}_ms")
        document[name] = None if at_ms is None else iso_text(at_ms)
    return document
