"""When the gateway looks for garbage that only a search can find: what is young as ever, everything seldom.

In: how many connections are open and how many have ended. Out: a full collection once as many have ended as are open,
or an hour has passed. Refused: nothing.

Thousands of desks are a million objects that stay. Looking through all of them stops the loop for about a tenth of a
millisecond a desk, half a second for 5,000, and Python by itself does so whenever a quarter more has been made.
"""

import gc
from typing import Final

THRESHOLDS: Final = (5_000, 5, 1_000_000)
FEWEST_ENDED: Final = 1_000
EVERY_S: Final = 3_600.0


def quieten_garbage_collection() -> None:
    """For a process that is a gateway: from now on only young objects are looked through, and all by ``Garbage``."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class Garbage:
    """Looks when it is worth it. ``now_s``: of a clock that never goes back."""

    def __init__(self, now_s: float) -> None:
        self._looked_s = now_s
        self._ended = 0

    def left_behind(self) -> None:
        """One more connection has ended."""
        self._ended += 1

    def look(self, now_s: float, open_now: int) -> bool:
        """Collect when it is time; whether it was."""
        if self._ended < max(FEWEST_ENDED, open_now) and now_s - self._looked_s < EVERY_S:
            return False
        self._ended, self._looked_s = 0, now_s
        gc.collect()
        return True
