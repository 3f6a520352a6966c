"""Pain points: the steps where customers are lost beyond what is usual, who answers for them, and what became of it.

In: symptoms found at a step, hours counted since, what people report (assigned, fixed, dismissed). Out: frozen
``PainPoint`` documents and the actions that have happened to them. Refused, as ``None``: a report that does not
fit the state a pain point is in.

There is one pain point a step at most: what comes back where something was fixed reopens the old one. States: ``open
assigned fixed verified dismissed``; only the figures make it ``verified``, and only they reopen it.
"""

from typing import Any, Final, Literal

import msgspec

from operators.monitoring.fix_effect import Side, effect, verdict
from operators.records.catalogue import Journey, Owner, Step
from operators.records.facts import stable_id
from operators.support.intervals import wilson_interval
from operators.support.timestamps import iso_text

PainMetric = Literal["loss", "slow", "failure"]
PainPointState = Literal["open", "assigned", "fixed", "verified", "dismissed"]
PainPointAction = Literal["opened", "assigned", "fixed", "verified", "dismissed", "reopened"]
Against = Literal["past", "neighbours"]

STATES: Final[tuple[PainPointState, ...]] = ("open", "assigned", "fixed", "verified", "dismissed")
ACTIVE: Final = frozenset(("open", "assigned"))
MAY_BECOME: Final[dict[str, frozenset[str]]] = {
    "assigned": frozenset(("open", "assigned")),
    "fixed": frozenset(("open", "assigned")),
    "dismissed": frozenset(("open", "assigned", "fixed")),
}
"""What people may report, and in which states."""
HISTORY_KEPT: Final = 30
_STATE_AFTER: Final[dict[PainPointAction, PainPointState]] = {
    "opened": "open",
    "reopened": "open",
    "assigned": "assigned",
    "fixed": "fixed",
    "verified": "verified",
    "dismissed": "dismissed",
}
_WEEK_MS: Final = 7 * 24 * 3_600_000


class Symptom(msgspec.Struct, array_like=True, frozen=True):
    """One share at the step that is beyond its past, or its neighbours'.

    ``scope``: ``all``, ``channel:web``, ``group:vip``.
    """

    metric: PainMetric
    scope: str
    against: Against
    found: float
    usual: float
    trials: int
    since_ms: int


class PainPointEvent(msgspec.Struct, array_like=True, frozen=True):
    """One event of its history."""

    word: PainPointAction
    at_ms: int
    by: str


class Boundary(msgspec.Struct, array_like=True, frozen=True):
    """Where it sits: between the step before and this one, and what changes there."""

    kind: Literal["step", "system", "department"]
    step_before: str | None
    owner_before: Owner | None
    owner: Owner | None


class PainPoint(msgspec.Struct, array_like=True):
    """One step that hurts. ``lost``: customers who broke off beyond what is usual, while it was not fixed."""

    id: str
    journey: str
    step: str
    state: PainPointState
    scope: str
    opened_ms: int
    since_ms: int
    symptoms: list[Symptom]
    boundary: Boundary
    assignee: str | None = None
    fixed_ms: int | None = None
    seen_ms: int = 0
    lost: float = 0.0
    before: Side = msgspec.field(default_factory=Side)
    after: Side = msgspec.field(default_factory=Side)
    times_reopened: int = 0
    history: list[PainPointEvent] = []

    @property
    def is_active(self) -> bool:
        """Whether it waits to be fixed."""
        return self.state in ACTIVE

    @property
    def lost_a_week(self) -> float:
        """What it is ranked by."""
        hurting_ms = (self.fixed_ms or self.seen_ms) - self.since_ms
        return max(0.0, self.lost) / max(1.0, hurting_ms / _WEEK_MS)

    def happens(self, action: PainPointAction, at_ms: int, by: str) -> None:
        """Takes the state that an action brings, and records it."""
        self.state = _STATE_AFTER[action]
        self.history = [*self.history[-HISTORY_KEPT + 1 :], PainPointEvent(action, at_ms, by)]


class PainPointUpdate(msgspec.Struct, frozen=True):
    """What a person says became of a pain point. ``action``: assigned, fixed or dismissed."""

    journey: str
    pain_point_id: str
    action: PainPointAction
    at_ms: int
    by: str
    assignee: str | None = None


def opened(journey: str, step: str, boundary: Boundary, symptom: Symptom, at_ms: int) -> PainPoint:
    """A pain point found at ``at_ms``."""
    point = PainPoint(
        id=stable_id("pain point", journey, step, str(at_ms))[:16],
        journey=journey,
        step=step,
        state="open",
        scope=symptom.scope,
        opened_ms=at_ms,
        since_ms=symptom.since_ms,
        symptoms=[symptom],
        boundary=boundary,
        seen_ms=at_ms,
    )
    point.happens("opened", at_ms, "zhiyin")
    return point


def reopen(point: PainPoint, symptom: Symptom, at_ms: int) -> None:
    """It has come back: what was assigned, fixed and measured belongs to the time before."""
    point.symptoms, point.scope = [symptom], symptom.scope
    point.since_ms, point.fixed_ms, point.lost = symptom.since_ms, None, 0.0
    point.before, point.after = Side(), Side()
    point.times_reopened += 1
    point.happens("reopened", at_ms, "zhiyin")


def reported(point: PainPoint, report: PainPointUpdate) -> PainPointAction | None:
    """What a person's report makes of it; None: it does not fit."""
    if point.state not in MAY_BECOME.get(report.action, ()):
        return None
    if report.action == "assigned":
        point.assignee = report.assignee
    elif report.action == "fixed":
        point.fixed_ms, point.after = report.at_ms, Side()
    point.happens(report.action, report.at_ms, report.by)
    return report.action


def verify(point: PainPoint, now_ms: int) -> PainPointAction | None:
    """``verified`` once the figures after the fix say that it worked; None: not yet."""
    if point.state != "fixed" or point.fixed_ms is None:
        return None
    if verdict(point.before, point.after, now_ms - point.fixed_ms) != "worked":
        return None
    point.happens("verified", now_ms, "zhiyin")
    return "verified"


def boundaries(journey: Journey) -> dict[str, Boundary]:
    """What changes between each step but final ones and the one before it, in the catalogue's order."""
    steps_before = (None, *journey.steps)
    return {
        step.id: _boundary(before, step)
        for before, step in zip(steps_before, journey.steps, strict=False)
        if not step.final
    }


def _boundary(before: Step | None, step: Step) -> Boundary:
    owner_before, owner = (before.owner if before is not None else None), step.owner
    kind: Literal["step", "system", "department"] = "step"
    if owner_before is not None and owner is not None and owner_before != owner:
        kind = "department" if owner_before.department != owner.department else "system"
    return Boundary(kind, before.id if before is not None else None, owner_before, owner)


def pain_point_document(point: PainPoint) -> dict[str, Any]:
    """The pain point as others read it; shares as shares of 1, times in ISO 8601."""
    owner = point.boundary.owner
    return {
        "id": point.id,
        "journey": point.journey,
        "step": point.step,
        "state": point.state,
        "scope": point.scope,
        "owner": None if owner is None else msgspec.to_builtins(owner),
        "boundary": _boundary_document(point.boundary),
        "assignee": point.assignee,
        "opened_at": iso_text(point.opened_ms),
        "since": iso_text(point.since_ms),
        "fixed_at": None if point.fixed_ms is None else iso_text(point.fixed_ms),
        "seen_at": iso_text(point.seen_ms),
        "lost": round(max(0.0, point.lost), 1),
        "lost_a_week": round(point.lost_a_week, 1),
        "times_reopened": point.times_reopened,
        "symptoms": [_symptom_document(symptom) for symptom in point.symptoms],
        "fix": _fix_document(point),
        "history": [{"word": event.word, "at": iso_text(event.at_ms), "by": event.by} for event in point.history],
    }


def _boundary_document(boundary: Boundary) -> dict[str, Any]:
    before = boundary.owner_before
    return {
        "kind": boundary.kind,
        "step_before": boundary.step_before,
        "owner_before": None if before is None else msgspec.to_builtins(before),
    }


def _symptom_document(symptom: Symptom) -> dict[str, Any]:
    return {
        "metric": symptom.metric,
        "scope": symptom.scope,
        "against": symptom.against,
        "found": round(symptom.found, 4),
        "usual": round(symptom.usual, 4),
        "trials": symptom.trials,
        "since": iso_text(symptom.since_ms),
    }


def _fix_document(point: PainPoint) -> dict[str, Any] | None:
    """Before and after, once it is said to be fixed: shares with their 95 % intervals, and their difference."""
    if point.fixed_ms is None:
        return None
    difference = effect(point.before, point.after)
    return {
        "metric": point.symptoms[0].metric,
        "before": _side_document(point.before),
        "after": _side_document(point.after),
        "difference": None if difference is None else round(difference.share, 4),
        "low": None if difference is None else round(difference.interval.low, 4),
        "high": None if difference is None else round(difference.interval.high, 4),
        "verdict": verdict(point.before, point.after, point.seen_ms - point.fixed_ms),
    }


def _side_document(side: Side) -> dict[str, Any]:
    share, interval = side.proportion.share, wilson_interval(side.proportion)
    return {
        "cases": side.cases,
        "trials": side.trials,
        "share": None if share is None else round(share, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
        "usual": None if side.usual_share is None else round(side.usual_share, 4),
    }
