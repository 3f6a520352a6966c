"""Whether the world has changed: ADWIN over the error of the scores and over the main features.

In: an error and what was known, label by label. Out: the names of what has drifted, when it is noticed; an error that
falls is none: the models have learnt.
Refused: nothing. ADWIN is slow for a label each, so it is fed the means of ``MICRO_BATCH`` labels.
It is not saved: after a restart it needs a few hundred labels before it notices anything again.
Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", 2007.

River is imported by what needs it: it takes seconds, and a process that learns nothing starts without it.
"""

from typing import Any, Final

from operators.tracking.features import AttemptFeatures

MICRO_BATCH: Final = 8
WATCHED: Final = ("error", "age", "steps")
DELTA: Final = 0.001
"""How likely a false alarm is at each look; chosen small, for there are many looks."""


class DriftWatch:
    """Looks at a few numbers of each label."""

    def __init__(self) -> None:
        self._windows: dict[str, Any] = {}
        self._labels = 0
        self._error = self._age = self._steps = 0.0

    def see(self, error: float, features: AttemptFeatures) -> list[str]:
        """One label: how far off the score was, and what was known; the names of what has drifted."""
        self._labels += 1
        self._error += error
        self._age += features.age
        self._steps += len(features.trail)
        if self._labels < MICRO_BATCH:
            return []
        means = dict(zip(WATCHED, (self._error, self._age, self._steps), strict=True))
        self._error = self._age = self._steps = 0.0
        labels, self._labels = self._labels, 0
        return [name for name, total in means.items() if self._has_drifted(name, total / labels)]

    def _has_drifted(self, name: str, mean: float) -> bool:
        window = self._windows.get(name)
        if window is None:
            from river import drift

            window = self._windows[name] = drift.ADWIN(delta=DELTA, clock=4, grace_period=16, min_window_length=4)
        before = window.estimation
        window.update(mean)
        return bool(window.drift_detected) and (name != "error" or window.estimation > before)
