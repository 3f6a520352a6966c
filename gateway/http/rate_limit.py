"""How often somebody may ask: a bucket of allowances for each address, token or write key.

In: who asks, and the time as an argument of the clock given. Out: nothing, or how long to wait. Refused: who has used
up what was allowed (429 ``HttpProblem`` with ``Retry-After``). A bucket holds ten seconds' worth and fills evenly. Only
the latest 50,000 who asked are remembered: whoever comes with ever new names can fill no memory, and whoever is
forgotten has a full bucket again.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.http.problems import ErrorDetail, HttpProblem

BURST_S: Final = 10.0
REMEMBERED: Final = 50_000


class Rates:
    """At most ``per_s`` a second of each name in the long run (0: no limit). ``clock_s`` never goes back."""

    def __init__(self, per_s: float, clock_s: Callable[[], float], remembered: int = REMEMBERED) -> None:
        self._per_s = per_s
        self._clock_s = clock_s
        self._remembered = remembered
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, name: str, cost: float = 1.0, per_s: float | None = None) -> float:
        """Takes ``cost`` from the bucket: 0, or the seconds until that much is there again, and nothing is taken.

        ``per_s``: this name's own rate. A full bucket lets any cost pass, and owes the rest.
        """
        rate = self._per_s if per_s is None else per_s
        if rate <= 0:
            return 0.0
        full, now_s = rate * BURST_S, self._clock_s()
        left, seen_s = self._buckets.pop(name, (full, now_s))
        left = min(full, left + (now_s - seen_s) * rate)
        short = min(cost, full) - left
        self._buckets[name] = (left if short > 0 else left - cost, now_s)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return short / rate if short > 0 else 0.0

    def require(self, name: str, who: str, cost: float = 1.0, per_s: float | None = None) -> None:
        """Raises HttpProblem when ``wait_s`` says to wait; ``who``: in words, for the one who asked."""
        wait_s = self.wait_s(name, cost, per_s)
        if wait_s > 0:
            rate = self._per_s if per_s is None else per_s
            raise too_many(who, rate, wait_s)


def too_many(who: str, per_s: float, wait_s: float) -> HttpProblem:
    """The 429 that says when to come again."""
    wrong = ErrorDetail("$", f"more than {per_s:g} a second from {who}", f"at most {per_s:g} a second")
    return HttpProblem(
        "too_many", f"found {wrong.found}, expected {wrong.expected}", [wrong], {"Retry-After": str(math.ceil(wait_s))}
    )
