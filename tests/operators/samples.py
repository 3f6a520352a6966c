"""Small catalogues and records for the tests of decisions."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from operators.records.catalogue import (
    UNKNOWN,
    Article,
    Caps,
    Catalogue,
    ControlGroup,
    Hints,
    Journey,
    QuietHours,
    Reason,
    Speaks,
    Step,
    Words,
)
from operators.records.events import Event, Properties
from operators.records.facts import Fact, FactKind, RankedReason, Signal

LOAN: Final = Words("保单贷款", "Policy loan")
STEPS: Final = ("apply", "face_check", "confirm")
TITLES: Final = {
    "apply": Words("填写申请", "Application"),
    "face_check": Words("人脸识别", "Face check"),
    "confirm": Words("确认", "Confirm"),
}


def journey(idle_after: str = "5m", hesitation_at: Mapping[str, str] | None = None, priority: int = 50) -> Journey:
    """A policy loan of three steps."""
    own = hesitation_at or {}
    steps = tuple(Step(each, TITLES[each], hesitation_after=own.get(each), final=each == STEPS[-1]) for each in STEPS)
    return Journey(LOAN, steps, idle_after=idle_after, priority=priority)


def reason(*evidence: Speaks, need: float = 0.5, priority: int = 0, name: str = "reason") -> Reason:
    """A reason with what speaks for it."""
    title = Words(f"{name} zh", f"{name} en")
    article = Article(f"help-{name}", title, Words("怎么办", "What to do"))
    return Reason(
        title, article, Words("您的{journey}停在{step}", "Your {journey} stopped at {step}"), evidence, need, priority
    )


REASONS: Final = {
    "face_check": reason(Speaks("step_failed", 3.0, ("face_*",)), need=0.7, priority=10, name="face"),
    "sms_code": reason(Speaks("step_failed", 3.0, ("sms_timeout",)), need=0.4, priority=5, name="sms"),
    UNKNOWN: reason(need=0.3, name="unknown"),
}


NO_CONTROL_GROUP: Final = ControlGroup(share=0.0)


def catalogue(
    caps: Caps | None = None,
    quiet_hours: QuietHours | None = None,
    control_group: ControlGroup = NO_CONTROL_GROUP,
    hints: Hints | None = None,
) -> Catalogue:
    """Two journeys, three reasons; nobody in the control group unless asked for."""
    return Catalogue(
        journeys={"policy_loan": journey(), "claim": journey(priority=60)},
        reasons=REASONS,
        hints=hints or Hints(),
        caps=caps or Caps(),
        quiet_hours=quiet_hours,
        control_group=control_group,
    )


def event(name: str | None, **properties: str | float | None) -> Event:
    """An event of one customer's policy loan."""
    own = msgspec.convert({"journey": "policy_loan", **properties}, Properties)
    return Event(event=name, user_id="u1", properties=own)


def struggle(customer: str = "u1", attempt: str = "a1", at_ms: int = 1_000, code: str = "face_dark") -> Fact:
    """A customer who failed twice at the face check."""
    twice = Signal("step_failed", "face_check", code, None, 2)
    return fact("struggled", customer, attempt, at_ms, signals=(twice, twice))


def fact(
    kind: FactKind = "abandoned",
    customer: str = "u1",
    attempt: str = "a1",
    at_ms: int = 1_000,
    *,
    journey: str = "policy_loan",
    reasons: Sequence[RankedReason] = (RankedReason("face_check", 0.75),),
    signals: Sequence[Signal] = (),
    step: str | None = "face_check",
) -> Fact:
    """A fact about one attempt."""
    return Fact(
        kind,
        at_ms,
        attempt,
        customer,
        journey,
        "t1",
        step,
        cause="m1",
        reasons=tuple(reasons) if kind == "abandoned" else (),
        signals=tuple(signals),
    )
