"""What the tracker hands to the journey map beside its observations: steps changed, and failures.

In: events of failures. Out: plain tuples, gathered for a batch in one list: there is one for nearly every other
event, and a record each would cost more than all the rest of monitoring. Refused: nothing.
"""

from typing import Final

from operators.events import FIELD_ERROR, STEP_FAILED, Event, Properties

Move = tuple[str, str, str, str, int, str, int]
"""Journey, kind, step, other (the step gone to, the code of the failure), epoch ms, cell, dwell in ms."""

MOVED: Final = "moved"
FAILED: Final = "failed"
STUMBLED: Final = "stumbled"
"""The first failure since the step was entered."""

UNKNOWN_DWELL: Final = -1
FAILURES: Final = frozenset((STEP_FAILED, FIELD_ERROR))
_NO_PROPERTIES: Final = Properties()
_CODE_CHARS: Final = 60


def failure_code(event: Event) -> str:
    """The code of a failed step; of a field error, ``field:code``."""
    properties = event.properties or _NO_PROPERTIES
    if event.event == STEP_FAILED:
        return str(properties.error_code or "none")[:_CODE_CHARS]
    return f"{properties.field or 'field'}:{properties.code or 'none'}"[:_CODE_CHARS]
