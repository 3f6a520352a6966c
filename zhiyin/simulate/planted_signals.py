"""What a simulated customer does at a step: struggling for a planted reason, or merely being human.

In: a piece of evidence from the catalogue, the step it happens at, a random source.
Out: ``Deed`` records, each some milliseconds after the one before.
Refused: nothing; evidence that cannot be acted out (``at_step``) gives no deeds.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, Final

import msgspec

from operators.records import events
from operators.records.catalogue import Journey, Speaks, Step, Struggle
from operators.support.timestamps import duration_ms

CALM: Final = 0.8
"""No pause of a customer who goes on is longer than this share of the silence that counts as broken off."""


class Deed(msgspec.Struct, frozen=True, gc=False):
    """One thing a customer does, ``after_ms`` after the last one. ``more``: properties beside the usual three."""

    after_ms: int
    event: str
    step: str | None
    more: dict[str, Any] = {}


class PlantedStep(msgspec.Struct, frozen=True):
    """A step of a journey, the one before it, and how long silence there counts as broken off, or as hesitation."""

    step: Step
    before: Step | None
    silence_ms: int
    hesitation_ms: int

    @property
    def longest_pause_ms(self) -> int:
        """The longest pause of a customer who goes on."""
        return round(self.silence_ms * CALM)


def planted_steps(journey: Journey, struggle: Struggle) -> tuple[PlantedStep, ...]:
    """The steps of ``journey`` as planted steps, in order."""
    befores = (None, *journey.steps[:-1])
    return tuple(
        PlantedStep(
            step,
            before,
            journey.idle_after_ms(step),
            duration_ms(step.hesitation_after or struggle.hesitation_after),
        )
        for before, step in zip(befores, journey.steps, strict=True)
    )


def pause_ms(random: Random, typical_ms: float, planted: PlantedStep) -> int:
    """A human pause (log-normal around ``typical_ms``), never one that counts as broken off."""
    drawn_ms = random.lognormvariate(0.0, 0.6) * typical_ms
    if drawn_ms > planted.longest_pause_ms:
        drawn_ms = planted.longest_pause_ms * random.uniform(0.3, 1.0)
    return max(1, round(drawn_ms))


def act_out(evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    """The deeds that leave ``evidence`` at ``planted``."""
    act = _ACTS.get(evidence.signal)
    if act is not None:
        yield from act(evidence, planted, random)


def code_of(evidence: Speaks, random: Random, otherwise: str) -> str:
    """One of the evidence's codes; ``face_*`` stands for ``face_timeout``, ``http_5*`` for ``http_503``."""
    if not evidence.codes:
        return otherwise
    code = random.choice(evidence.codes)
    return code.replace("*", "03" if code.rstrip("*")[-1:].isdigit() else "timeout")


def _failures(evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    code = code_of(evidence, random, "system_error")
    for _ in range(random.randint(2, 4)):
        yield Deed(pause_ms(random, 9_000, planted), events.STEP_FAILED, planted.step.id, {"error_code": code})


def _field_errors(evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    field = random.choice(evidence.fields) if evidence.fields else "amount"
    code = code_of(evidence, random, "invalid")
    for _ in range(random.randint(3, 5)):
        more = {"field": field, "code": code}
        yield Deed(pause_ms(random, 5_000, planted), events.FIELD_ERROR, planted.step.id, more)


def _back_and_forth(_evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    if planted.before is None:
        return
    for _ in range(random.randint(3, 4)):
        for step in (planted.before, planted.step):
            yield Deed(pause_ms(random, 2_500, planted), events.STEP_VIEWED, step.id)


def _rage_clicks(_evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    x, y = random.randint(80, 900), random.randint(100, 600)
    for _ in range(random.randint(4, 6)):
        more = {"target": "submit", "control": "button", "x": x + random.randint(-4, 4), "y": y + random.randint(-4, 4)}
        yield Deed(random.randint(120, 320), events.ELEMENT_CLICKED, planted.step.id, more)


def _hesitation(_evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    if planted.hesitation_ms >= planted.longest_pause_ms:
        return
    wait_ms = random.randint(planted.hesitation_ms + 1, planted.longest_pause_ms)
    yield Deed(wait_ms, events.ELEMENT_CLICKED, planted.step.id, {"target": "help", "control": "link"})


def _page_hidden(_evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    yield Deed(pause_ms(random, 4_000, planted), events.PAGE_HIDDEN, planted.step.id)


def _dead_clicks(_evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    for _ in range(random.randint(2, 3)):
        yield Deed(pause_ms(random, 6_000, planted), events.DEAD_CLICK, planted.step.id, {"target": "submit"})


def _field_hesitations(evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    field = random.choice(evidence.fields) if evidence.fields else "amount"
    for _ in range(random.randint(1, 3)):
        yield Deed(pause_ms(random, 15_000, planted), events.FIELD_HESITATED, planted.step.id, {"field": field})


def _page_loop(_evidence: Speaks, planted: PlantedStep, random: Random) -> Iterator[Deed]:
    yield Deed(pause_ms(random, 4_000, planted), events.PAGE_LOOP, planted.step.id, {"target": f"/{planted.step.id}"})


_ACTS: Final = {
    "step_failed": _failures,
    "field_error": _field_errors,
    "back_and_forth": _back_and_forth,
    "rage_click": _rage_clicks,
    "hesitation": _hesitation,
    "page_hidden": _page_hidden,
    "dead_click": _dead_clicks,
    "field_hesitation": _field_hesitations,
    "page_loop": _page_loop,
}
