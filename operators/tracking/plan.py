"""One journey of the catalogue, prepared once for the tracker: its steps by id, and the checkpoints of a silence.

``checkpoints_ms`` of a step: the silences, in ms after the last event, at which the tracker makes an observation,
rising: the idle checkpoints below ``idle_after``, then ``idle_after`` itself (silent), then
``forget_after`` beyond it (gone).
"""

from collections.abc import Mapping, Sequence

import msgspec

from operators.records.catalogue import Catalogue, Journey, Step
from operators.records.events import Properties, Rejection
from operators.tracking.segments import Segments
from operators.tracking.struggle_signals import StruggleRules
from operators.tracking.transitions import MOVED, TransitionKey


class StepPlan(msgspec.Struct, frozen=True, gc=False):
    """One step (``id`` None: no step seen yet) as the tracker needs it.

    ``index``: its position in the journey, -1 for none; ``transitions``: the key under which a change from here to a
    step is counted, by the id of that step.
    """

    id: str | None
    final: bool
    checkpoints_ms: tuple[int, ...]
    index: int
    transitions: dict[str | None, TransitionKey]


class JourneyPlan:
    """What the tracker needs to know of one journey.

    ``steps``: its steps by the word an event has for them; no word is no step.
    ``patience_ms``: how much more lateness it allows than the least patient journey. ``learns``: whether somebody
    wants to know how the attempt came to where it is.
    """

    __slots__ = ("lateness_ms", "learns", "name", "no_step", "patience_ms", "segments", "steps", "struggle")

    def __init__(
        self,
        name: str,
        journey: Journey,
        checkpoints_ms: Sequence[int],
        struggle: StruggleRules,
        lateness_ms: int,
        least_lateness_ms: int,
    ) -> None:
        self.name = name
        self.learns = False
        self.segments = Segments()
        self.struggle = struggle
        self.lateness_ms = lateness_ms
        self.patience_ms = lateness_ms - least_lateness_ms
        self.no_step = _step_plan(journey, None, checkpoints_ms, -1)
        self.steps: dict[str | None, StepPlan | None] = {None: None, "": None}
        for index, step in enumerate(journey.steps):
            self.steps[step.id] = _step_plan(journey, step, checkpoints_ms, index)
        steps = (self.no_step, *filter(None, self.steps.values()))
        for from_step in steps:
            from_id = from_step.id or ""
            from_step.transitions.update({to_step.id: (MOVED, from_id, to_step.id or "") for to_step in steps})


def _step_plan(journey: Journey, step: Step | None, checkpoints_ms: Sequence[int], index: int) -> StepPlan:
    idle_after_ms = journey.idle_after_ms(step)
    silences_ms = (
        *(checkpoint_ms for checkpoint_ms in sorted(set(checkpoints_ms)) if checkpoint_ms < idle_after_ms),
        idle_after_ms,
        idle_after_ms + journey.forget_after_ms,
    )
    step_id, is_final = (None, False) if step is None else (step.id, step.final)
    return StepPlan(id=step_id, final=is_final, checkpoints_ms=silences_ms, index=index, transitions={})


def journey_plans(catalogue: Catalogue, *, checkpoints: bool = True) -> dict[str, JourneyPlan]:
    """The plans of all journeys by name; ``checkpoints=False``: no idle ones where nothing is learnt."""
    latenesses_ms = {name: catalogue.lateness_ms_of(journey) for name, journey in catalogue.journeys.items()}
    least_ms = min(latenesses_ms.values())
    segments = Segments(catalogue.monitoring.channels, catalogue.monitoring.groups)
    plans = {}
    for name, journey in catalogue.journeys.items():
        learns = catalogue.learns(journey, checkpoints=checkpoints)
        checkpoints_ms = catalogue.checkpoints_ms(journey) if checkpoints or learns else ()
        struggle = StruggleRules(catalogue.struggle, journey)
        plans[name] = JourneyPlan(name, journey, checkpoints_ms, struggle, latenesses_ms[name], least_ms)
        plans[name].learns, plans[name].segments = learns, segments
    return plans


def not_in_plans(properties: Properties, plans: Mapping[str | None, JourneyPlan]) -> Rejection:
    """Which word of an event's properties no plan knows: its journey, else its step."""
    plan = plans.get(properties.journey)
    if plan is not None:
        expected = f"one of {', '.join(filter(None, plan.steps))} (journey {plan.name})"
        return Rejection("unknown_step", "$.properties.step", repr(properties.step), expected)
    expected = f"one of {', '.join(sorted(filter(None, plans)))}"
    if not properties.journey:
        return Rejection("no_journey", "$.properties.journey", "nothing", expected)
    return Rejection("unknown_journey", "$.properties.journey", repr(properties.journey), expected)
