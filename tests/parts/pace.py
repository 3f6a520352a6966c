"""How slow this machine is just now, for what a product promises within seconds.

In: a block of work. Out: ``slowness`` of the machine while it ran: 1.0 where a thread gets a core whenever it asks, 6.0
where it waits five times as long as it works. A promise is then held against its seconds times that.
"""

import threading
import time
from typing import Final, Self

_WORK_S: Final = 0.01
_PAUSE_S: Final = 0.1


class Pace:
    """Measures inside its ``with``: ``with Pace() as pace: ...``, then ``assert pace.wall_s < 10 * pace.slowness``."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self._worked_s = self._took_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="pace")

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.monotonic() - self._began
        self._over.set()
        self._thread.join()

    @property
    def slowness(self) -> float:
        """Seconds that a second of work took, so far; 1.0 at least."""
        return max(1.0, self._took_s / self._worked_s) if self._worked_s else 1.0

    def _measure(self) -> None:
        while True:
            began, worked = time.monotonic(), time.thread_time()
            while time.thread_time() - worked < _WORK_S:
                pass
            self._took_s += time.monotonic() - began
            self._worked_s += time.thread_time() - worked
            if self._over.wait(_PAUSE_S):
                return
