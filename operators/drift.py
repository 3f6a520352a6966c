"""Whether the world has changed: ADWIN over the error of the scores and over the main features.

In: an error and numbers of what was known, label by label. Out: the names of what has drifted, when it is noticed.
Refused: nothing. ADWIN is slow for a label each, so it is fed the means of ``MICRO_BATCH`` labels.
It is not saved: after a restart it needs a few hundred labels before it notices anything again.
Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", 2007.
"""

from collections.abc import Mapping
from typing import Any, Final

from river import drift

MICRO_BATCH: Final = 32
DELTA: Final = 0.0005
"""How likely a false alarm is at each look; chosen small, for there are many looks."""


class DriftWatch:
    """Looks at a few numbers of each label."""

    def __init__(self) -> None:
        self._windows: dict[str, Any] = {}
        self._sums: dict[str, float] = {}
        self._labels = 0

    def see(self, numbers: Mapping[str, float]) -> list[str]:
        """One label's numbers; the names of those that have drifted."""
        for name, number in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + number
        self._labels += 1
        if self._labels < MICRO_BATCH:
            return []
        drifted = [name for name, total in self._sums.items() if self._has_drifted(name, total / self._labels)]
        self._sums.clear()
        self._labels = 0
        return drifted

    def _has_drifted(self, name: str, mean: float) -> bool:
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = drift.ADWIN(delta=DELTA, clock=4, grace_period=8, min_window_length=4)
        window.update(mean)
        return bool(window.drift_detected)
