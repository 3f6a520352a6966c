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
            name: change(each, decision=None, target_precision=None) for name, each in catalogue.journeys.items()
        },
    )


def with_shortest_timeout(catalogue: Catalogue) -> Catalogue:
    """The fixed decision, telling every silence that reaches ``shortest_ms``; nothing in between is looked at."""
    change = msgspec.structs.replace
    timeout = f"{shortest_ms(catalogue)}ms"

    def journey(each: Journey) -> Journey:
        steps = tuple(change(step, idle_after=None) for step in each.steps)
        return change(each, steps=steps, idle_after=timeout, idle_checkpoints=None, decision=None)

    return change(
        catalogue,
        decision="fixed",
        learning=False,
        idle_checkpoints=(),
        journeys={name: journey(each) for name, each in catalogue.journeys.items()},
    )


def shortest_ms(catalogue: Catalogue) -> int:
    """The shortest silence of which anything is said, over all journeys."""
    return min(each for journey in catalogue.journeys for each in looks_ms(catalogue, journey))


def looks_ms(catalogue: Catalogue, name: str) -> list[int]:
    """The silences at which something is said of a journey's attempts: its checkpoints, and every ``idle_after``."""
    journey = catalogue.journeys[name]
    steps: tuple[Step | None, ...] = (None, *journey.steps)
    ends = {journey.idle_after_ms(step) for step in steps}
    return sorted({each for each in catalogue.checkpoints_ms(journey) if each < max(ends)} | ends)
