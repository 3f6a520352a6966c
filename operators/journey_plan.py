"""One journey of the catalogue, worked out once for the tracker: steps by id, and when silence speaks.

``rungs`` of a step: the silences, in ms after the last event, at which something is said,
rising: the idle checkpoints below ``idle_after``, then ``idle_after`` itself (silent), then
``forget_after`` beyond it (gone).
"""

from collections.abc import Sequence

import msgspec

from operators.catalogue import Catalogue, Journey, Step
from operators.instants import duration_ms
from operators.struggle import StruggleRules


class StepPlan(msgspec.Struct, frozen=True, gc=False):
    """One step (``id`` None: no step seen yet) as the tracker needs it."""

    id: str | None
    final: bool
    rungs: tuple[int, ...]


class JourneyPlan:
    """What the tracker needs to know of one journey."""

    __slots__ = ("name", "no_step", "steps", "struggle")

    def __init__(self, name: str, journey: Journey, checkpoints_ms: Sequence[int], struggle: StruggleRules) -> None:
        self.name = name
        self.struggle = struggle
        self.no_step = _step_plan(journey, None, checkpoints_ms)
        self.steps = {step.id: _step_plan(journey, step, checkpoints_ms) for step in journey.steps}


def _step_plan(journey: Journey, step: Step | None, checkpoints_ms: Sequence[int]) -> StepPlan:
    idle_after_ms = journey.idle_after_ms(step)
    rungs = (
        *(each for each in sorted(set(checkpoints_ms)) if each < idle_after_ms),
        idle_after_ms,
        idle_after_ms + journey.forget_after_ms,
    )
    return StepPlan(id=step.id if step is not None else None, final=step is not None and step.final, rungs=rungs)


def journey_plans(catalogue: Catalogue, *, checkpoints: bool = True) -> dict[str, JourneyPlan]:
    """The plans of all journeys by name; ``checkpoints=False`` leaves the idle ladder out."""
    ladder = [duration_ms(each) for each in catalogue.idle_checkpoints] if checkpoints else []
    return {
        name: JourneyPlan(name, journey, ladder, StruggleRules(catalogue.struggle, journey))
        for name, journey in catalogue.journeys.items()
    }
