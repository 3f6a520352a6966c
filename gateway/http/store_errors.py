"""What Redis or Kafka can't do now, as a 503 with Retry-After in whole seconds.

In: an exception of ``state``. Out: the ``HttpProblem`` to answer with, in words for the public: where the
store is and how it fares stands in the log. Refused: any other exception (StopIteration), it is
no matter of waiting.
"""

from typing import Final

from gateway.http.problems import HttpProblem
from state.bus.protocol import BusFull, BusUnavailable
from state.redis.connections import StoreUnavailable

RETRY_AFTER_S: Final = {"bus_full": 5, "bus_unavailable": 2, "store_unavailable": 2}
_KINDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (BusFull, "bus_full"),
    (BusUnavailable, "bus_unavailable"),
    (StoreUnavailable, "store_unavailable"),
)
_TEXTS: Final = {
    "bus_full": "the bus is full: nothing of this request was kept, send it again later",
    "bus_unavailable": (
        "the bus has not said that it kept this request: send it again later, with the same messageIds "
        "(what was kept is known by them)"
    ),
    "store_unavailable": "the store does not answer now: ask again later",
}
ERRORS: Final = tuple(error for error, _ in _KINDS)


def unavailable(error: Exception) -> HttpProblem:
    """The answer to whoever should come back later."""
    kind = next(kind for error_type, kind in _KINDS if isinstance(error, error_type))
    return HttpProblem(kind, _TEXTS[kind], headers={"Retry-After": str(RETRY_AFTER_S[kind])})
