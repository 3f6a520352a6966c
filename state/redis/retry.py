"""Waiting for a store that is away: again and again, further and further apart.

In: an operation that may be made twice, and how to stop, sleep and log. Out: its result.
Refused: nothing; when ``stop`` says so while the store is away, its ``StoreUnavailable`` comes out.
"""

import logging
import random
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from state.redis.connections import StoreUnavailable

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0

Result = TypeVar("Result")

Retry = Callable[[Callable[[], object]], object]
"""Makes a call again and again until it gets through; gives its result."""


def retry_while_unavailable(
    operation: Callable[[], Result],
    stop: Callable[[], bool],
    sleep: Callable[[float], object],
    log: logging.Logger,
    chance: Callable[[], float] = random.random,
) -> Result:
    """What ``operation`` gives, however often it takes.

    ``sleep`` gets seconds; ``chance`` gives 0 to 1 and spreads the pauses, so that many do not come back at once.
    Logs a warning when the store goes, one more for each further reason why it stays away, and a line when it is back.
    Raises the last ``StoreUnavailable`` when ``stop()`` is true while the store is away.
    """
    pause = pauses(chance)
    logged_kinds: set[str] = set()
    while True:
        try:
            result = operation()
        except StoreUnavailable as error:
            if stop():
                raise
            if error.kind not in logged_kinds:
                log.warning("%s; trying on", error)
                logged_kinds.add(error.kind)
            sleep(next(pause))
        else:
            if logged_kinds:
                log.info("the store is back")
            return result


def pauses(chance: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait, for ever: doubling up to ``LONGEST_PAUSE_S``, each cut by up to a half at random."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s * (0.5 + 0.5 * chance())
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
