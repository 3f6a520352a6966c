"""The signs of struggle inside one attempt, gathered on the way.

In: every activity event of an attempt, in order of arrival, with the step and the time before it.
Out: the attempt's ``StruggleState`` (None as long as there is nothing to remember), and a ``Signal``
when this event crosses a threshold at a step for the first time.
Refused: nothing. What is beyond ``DISTINCT_SIGNALS`` different signals is dropped; those known count on.

Failures, field errors, hidden pages and what the page itself noticed (clicks without effect, fields thought about for
long, pages loaded over and over) only add up, so the order of arrival does not matter to them. Hesitation and going
back compare an event with the one before it and leave events that come late out. Rage clicks allow for clicks that come
in another order within ``rage_within``.
"""

import math
import sys
from typing import Final

import msgspec

from operators.records.catalogue import Journey, Step
from operators.records.catalogue import Struggle as Thresholds
from operators.records.events import (
    DEAD_CLICK,
    ELEMENT_CLICKED,
    FIELD_ERROR,
    FIELD_HESITATED,
    PAGE_HIDDEN,
    PAGE_LOOP,
    STEP_FAILED,
    STEP_VIEWED,
    Event,
    Properties,
)
from operators.records.facts import Signal
from operators.support.timestamps import duration_ms

DISTINCT_SIGNALS: Final = 32
"""How many different signals an attempt remembers."""

TEXT_CHARS: Final = 100
"""How much of a code, field or target is kept: they are names, not prose."""

_NOTHING: Final = Properties()
_FIRST_TIME: Final = 1


class SignalTally(msgspec.Struct, array_like=True, gc=False):
    """One signal and how often it came."""

    kind: str
    step: str | None
    code: str | None
    field: str | None
    count: int


class Burst(msgspec.Struct, array_like=True, gc=False):
    """Quick clicks on one target so far. ``x``, ``y``: of the first, px; ``last_ms``: of the latest."""

    target: str
    step: str | None
    x: float | None
    y: float | None
    last_ms: int
    clicks: int


class StruggleState(msgspec.Struct, array_like=True, gc=False):
    """What one attempt remembers of struggling. ``visits``: of steps gone back to (None: of none)."""

    tallies: list[SignalTally] = []
    visits: dict[str, int] | None = None
    burst: Burst | None = None


class StruggleRules:
    """When what a customer does in one journey counts as struggling.

    ``notice`` has something to say only of ``SIGNS``, after pauses above ``least_pause_ms``, and of steps gone back.
    """

    __slots__ = (
        "_back_and_forth_visits",
        "_order",
        "_pauses_ms",
        "_rage_clicks",
        "_rage_ignores",
        "_rage_radius_px",
        "_rage_within_ms",
        "_thresholds",
        "least_pause_ms",
    )

    def __init__(self, thresholds: Thresholds, journey: Journey) -> None:
        self._order: dict[str | None, int] = {step.id: index for index, step in enumerate(journey.steps)}
        steps: tuple[Step | None, ...] = (None, *journey.steps)
        self._pauses_ms = {step.id if step else None: _pause_ms(thresholds, journey, step) for step in steps}
        self.least_pause_ms = min(after_ms for after_ms, _ in self._pauses_ms.values())
        self._back_and_forth_visits = thresholds.back_and_forth_visits
        self._rage_clicks = thresholds.rage_clicks
        self._rage_within_ms = duration_ms(thresholds.rage_within)
        self._rage_radius_px = thresholds.rage_radius_px
        self._rage_ignores = frozenset(thresholds.rage_ignores)
        self._thresholds = {
            "step_failed": thresholds.repeated_failures,
            "field_error": thresholds.repeated_field_errors,
            "rage_click": _FIRST_TIME,
            "hesitation": _FIRST_TIME,
            "dead_click": thresholds.dead_clicks,
            "field_hesitation": thresholds.field_hesitations,
            "page_loop": _FIRST_TIME,
        }

    def notice(
        self,
        struggle: StruggleState | None,
        event: Event,
        at_ms: int,
        step_before: str | None,
        last_seen_ms: int | None,
    ) -> tuple[StruggleState | None, Signal | None]:
        """The attempt's struggle after ``event``, and the signal whose threshold it crosses.

        ``step_before``, ``last_seen_ms``: the attempt's before this event (None: it is the first).
        ``struggle`` is changed in place. Where an event crosses two thresholds (it fails again after
        a long pause) its own is the output and the pause only counted.
        """
        signal: Signal | None = None
        is_late = False
        if last_seen_ms is not None:
            pause_ms = at_ms - last_seen_ms
            if pause_ms > self.least_pause_ms and self._is_hesitation(step_before, pause_ms):
                struggle = struggle or StruggleState()
                signal = self._add(struggle, "hesitation", step_before)
            is_late = pause_ms < 0
        name = event.event
        if name == STEP_VIEWED:
            if not is_late and event.properties is not None:
                order, step = self._order, event.properties.step
                if order.get(step, _FAR) < order.get(step_before, -1) and step is not None:
                    struggle = struggle or StruggleState()
                    signal = self._gone_back(struggle, step) or signal
        elif name in SIGNS:
            struggle, own = self._own_signal(struggle, event, at_ms, step_before)
            signal = own or signal
        return struggle, signal

    def _own_signal(
        self, struggle: StruggleState | None, event: Event, at_ms: int, step_before: str | None
    ) -> tuple[StruggleState | None, Signal | None]:
        name, properties = event.event, event.properties or _NOTHING
        step = properties.step or step_before
        if name == ELEMENT_CLICKED:
            return self._clicked(struggle, properties, at_ms, step)
        struggle = struggle or StruggleState()
        if name == STEP_FAILED:
            code = properties.error_code if properties.error_code is not None else properties.code
            return struggle, self._add(struggle, "step_failed", step, _text(code))
        if name == FIELD_ERROR:
            code = properties.code if properties.code is not None else properties.error_code
            return struggle, self._add(struggle, "field_error", step, _text(code), _text(properties.field))
        if name == FIELD_HESITATED:
            return struggle, self._add(struggle, "field_hesitation", step, None, _text(properties.field))
        if name == PAGE_HIDDEN:
            return struggle, self._add(struggle, "page_hidden", step)
        kind = "dead_click" if name == DEAD_CLICK else "page_loop"
        return struggle, self._add(struggle, kind, step, _text(properties.target))

    def _is_hesitation(self, step: str | None, pause_ms: int) -> bool:
        after_ms, until_ms = self._pauses_ms.get(step, self._pauses_ms[None])
        return after_ms < pause_ms <= until_ms

    def _gone_back(self, struggle: StruggleState, step: str) -> Signal | None:
        known = struggle.visits if struggle.visits is not None else {}
        struggle.visits = known
        visits = known[step] = known.get(step, 1) + 1
        if visits < self._back_and_forth_visits:
            return None
        tally = _tally(struggle, "back_and_forth", step, None, None)
        if tally is None:
            return None
        crossed = tally.count == 0
        tally.count = visits
        return _signal(tally) if crossed else None

    def _clicked(
        self, struggle: StruggleState | None, properties: Properties, at_ms: int, step: str | None
    ) -> tuple[StruggleState | None, Signal | None]:
        target = _text(properties.target)
        if target is None or properties.control in self._rage_ignores:
            return struggle, None
        struggle = struggle or StruggleState()
        burst = struggle.burst
        if burst is None or not self._goes_on(burst, target, step, properties, at_ms):
            struggle.burst = Burst(target, step, properties.x, properties.y, at_ms, 1)
            return struggle, None
        burst.clicks += 1
        burst.last_ms = max(burst.last_ms, at_ms)
        if burst.clicks != self._rage_clicks:
            return struggle, None
        return struggle, self._add(struggle, "rage_click", step, target)

    def _goes_on(self, burst: Burst, target: str, step: str | None, properties: Properties, at_ms: int) -> bool:
        """Whether a click belongs to the burst: same target, soon enough, near enough where we know."""
        if burst.target != target or burst.step != step or abs(at_ms - burst.last_ms) >= self._rage_within_ms:
            return False
        if burst.x is None or burst.y is None or properties.x is None or properties.y is None:
            return True
        return math.hypot(properties.x - burst.x, properties.y - burst.y) < self._rage_radius_px

    def _add(
        self, struggle: StruggleState, kind: str, step: str | None, code: str | None = None, field: str | None = None
    ) -> Signal | None:
        """Counts one; a signal with all of its kind at the step when they cross the threshold with it."""
        tally = _tally(struggle, kind, step, code, field)
        if tally is None:
            return None
        tally.count += 1
        threshold = self._thresholds.get(kind)
        if threshold is None:
            return None
        if tally.count > threshold:
            return None
        total = 0
        for other in struggle.tallies:
            if other.kind == kind and other.step == step:
                total += other.count
        return Signal(kind, step, code, field, total) if total == threshold else None


_FAR: Final = 1 << 30
SIGNS: Final = frozenset(
    (STEP_FAILED, FIELD_ERROR, ELEMENT_CLICKED, PAGE_HIDDEN, DEAD_CLICK, FIELD_HESITATED, PAGE_LOOP)
)
"""Events that are a sign of their own, whatever came before."""


def signals(struggle: StruggleState | None) -> tuple[Signal, ...]:
    """All signals so far, in the order in which each came first."""
    return () if struggle is None else tuple(map(_signal, struggle.tallies))


def _signal(tally: SignalTally) -> Signal:
    return Signal(tally.kind, tally.step, tally.code, tally.field, tally.count)


def _tally(
    struggle: StruggleState, kind: str, step: str | None, code: str | None, field: str | None
) -> SignalTally | None:
    """The tally of a signal, new at 0; None when there are too many different ones already."""
    for tally in struggle.tallies:
        if tally.kind == kind and tally.step == step and tally.code == code and tally.field == field:
            return tally
    if len(struggle.tallies) >= DISTINCT_SIGNALS:
        return None
    tally = SignalTally(kind, sys.intern(step) if step is not None else None, code, field, 0)
    struggle.tallies.append(tally)
    return tally


def _text(value: str | int | None) -> str | None:
    """A code, field or target as it is kept, once for all attempts; an empty one is none."""
    return (sys.intern(str(value)[:TEXT_CHARS]) or None) if value is not None else None


def _pause_ms(thresholds: Thresholds, journey: Journey, step: Step | None) -> tuple[int, int]:
    """Pauses at ``step`` that are hesitation, in ms: longer than the first, up to the second (a break-off)."""
    own = step.hesitation_after if step is not None else None
    return duration_ms(own or thresholds.hesitation_after), journey.idle_after_ms(step)
