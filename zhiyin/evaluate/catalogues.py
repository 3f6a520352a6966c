"""The catalogue as an evaluation needs it: with another target precision, or with one short fixed timeout.

In: a catalogue. Out: a catalogue. Refused: nothing.
"""

import msgspec

from operators.records.catalogue import Catalogue, Journey, Step


def with_target(catalogue: Catalogue, target_precision: float) -> Catalogue:
    """The learned decision for every journey, right as often as ``target_precision``."""
    change = msgspec.structs.replace
    return change(
        catalogue,
        decision="learned",
        target_precision=target_precision,
        journeys={
            name: change(journey, decision=None, target_precision=None) for name, journey in catalogue.journeys.items()
        },
    )


def with_shortest_timeout(catalogue: Catalogue) -> Catalogue:
    """The fixed decision, reporting every silence that reaches ``shortest_ms``; nothing in between is looked at."""
    change = msgspec.structs.replace
    timeout = f"{shortest_ms(catalogue)}ms"

    def with_timeout(journey: Journey) -> Journey:
        steps = tuple(change(step, idle_after=None) for step in journey.steps)
        return change(journey, steps=steps, idle_after=timeout, idle_checkpoints=None, decision=None)

    return change(
        catalogue,
        decision="fixed",
        learning=False,
        idle_checkpoints=(),
        journeys={name: with_timeout(journey) for name, journey in catalogue.journeys.items()},
    )


def shortest_ms(catalogue: Catalogue) -> int:
    """The shortest silence of which anything is said, over all journeys."""
    return min(look_ms for journey in catalogue.journeys for look_ms in looks_ms(catalogue, journey))


def looks_ms(catalogue: Catalogue, name: str) -> list[int]:
    """The silences at which something is said of a journey's attempts: its checkpoints, and every ``idle_after``."""
    journey = catalogue.journeys[name]
    steps: tuple[Step | None, ...] = (None, *journey.steps)
    ends = {journey.idle_after_ms(step) for step in steps}
    return sorted({silence_ms for silence_ms in catalogue.checkpoints_ms(journey) if silence_ms < max(ends)} | ends)
