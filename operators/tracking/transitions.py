"""What the tracker hands to the journey map beside its observations: steps changed, and failures.

In: events of failures. Out: plain tuples, gathered for a batch in one list: there is one for nearly every other
event, and a record each would cost more than all the rest of monitoring. Refused: nothing.
"""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Final

from operators.records.events import FIELD_ERROR, STEP_FAILED, Event, Properties
from operators.records.facts import LIFE_CYCLE, Fact

TransitionKey = tuple[str, str, str]
"""What is counted: kind, step, other (the step gone to, the code of a failure)."""
Transition = tuple[str, TransitionKey, int, str, int]
"""Journey, what is counted, epoch ms, segment, dwell in ms."""

MOVED: Final = "moved"
FAILED: Final = "failed"
STUMBLED: Final = "stumbled"
"""The first failure since the step was entered."""

UNKNOWN_DWELL: Final = -1
at_ms_of: Final[Callable[[Transition], int]] = itemgetter(2)
FAILURES: Final = frozenset((STEP_FAILED, FIELD_ERROR))
_NO_PROPERTIES: Final = Properties()
_CODE_CHARS: Final = 60


def failure_code(event: Event) -> str:
    """The code of a failed step; of a field error, ``field:code``."""
    properties = event.properties or _NO_PROPERTIES
    if event.event == STEP_FAILED:
        return str(properties.error_code or "none")[:_CODE_CHARS]
    return f"{properties.field or 'field'}:{properties.code or 'none'}"[:_CODE_CHARS]


def fact_transitions(facts: Iterable[Fact]) -> list[Transition]:
    """Facts as transitions: ``started abandoned returned completed cancelled expired`` at a step."""
    return [
        (fact.journey, (fact.kind, fact.step or "", ""), fact.at_ms, fact.segment, UNKNOWN_DWELL)
        for fact in facts
        if fact.kind in LIFE_CYCLE
    ]
