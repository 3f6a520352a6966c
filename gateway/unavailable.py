"""What Redis can't do now, as a 503 with Retry-After in whole seconds.

In: an exception of ``state``. Out: the ``Problem`` to answer with. Refused: any other
exception (StopIteration), it is no matter of waiting.
"""

from typing import Final

from gateway.problems import Problem
from state.bus import BusFull, BusUnavailable
from state.connections import StoreUnavailable

RETRY_AFTER_S: Final = {"bus_full": 5, "bus_unavailable": 2, "store_unavailable": 2}
_KINDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (BusFull, "bus_full"),
    (BusUnavailable, "bus_unavailable"),
    (StoreUnavailable, "store_unavailable"),
)
ERRORS: Final = tuple(error for error, _ in _KINDS)


def unavailable(error: Exception) -> Problem:
    """The answer to whoever should come back later."""
    kind = next(kind for each, kind in _KINDS if isinstance(error, each))
    return Problem(kind, str(error), headers={"Retry-After": str(RETRY_AFTER_S[kind])})
