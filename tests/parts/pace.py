"""How slow this machine is, for what a product promises within seconds.

In: a moment of ``time.monotonic``. Out: how many times slower than an idle one the machine was from then on: 1.0 while
each thread that wants a core has one, 6.0 while six want each. A promise is held against its seconds times that:
``assert time.monotonic() - began < 10 * slowness_since(began)``.
"""

import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

_LOAD: Final = Path("/proc/loadavg")
_EVERY_S: Final = 0.1
_WORK_S: Final = 0.001
_KEPT: Final = 20_000
_SAMPLES: Final[deque[tuple[float, float]]] = deque(maxlen=_KEPT)
"""When, and how slow; half an hour of them."""


def measure_from_now_on() -> None:
    """Look ten times a second, in a thread that ends with this process."""
    threading.Thread(target=_measure, args=(_SAMPLES,), name="pace", daemon=True).start()


def slowness_since(began_s: float) -> float:
    """How many times slower than idle it was on average since then; 1.0 at least."""
    found = [slowness for at_s, slowness in list(_SAMPLES) if at_s >= began_s] or [_slowness()]
    return max(1.0, sum(found) / len(found))


def _measure(samples: deque[tuple[float, float]]) -> None:
    while True:
        samples.append((time.monotonic(), _slowness()))
        time.sleep(_EVERY_S)


def _slowness() -> float:
    """By who wants a core, and by how long a thousandth of a second's work takes, whichever is worse."""
    began, worked = time.monotonic(), time.thread_time()
    while time.thread_time() - worked < _WORK_S:
        pass
    took = (time.monotonic() - began) / _WORK_S
    return max(took, _wanting() / (os.cpu_count() or 1))


def _wanting() -> int:
    """Threads of the machine that run or wait for a core; 0 where the system does not say."""
    try:
        return int(_LOAD.read_text("ascii").split()[3].partition("/")[0])
    except FileNotFoundError:
        return 0
