"""Transitions of the last hours that no pane of the journey map counts yet.

In: transitions, in any order of time. Out: what an hour counts so far, and the transitions themselves once somebody
wants them by the minute. Refused: nothing. Nobody looks at the minutes of a recording while it is read, and counting in
minutes what is then merged into hours costs more than all the rest of monitoring: so transitions wait here, sixteen
bytes each, until their hour is old or somebody looks. The caller sees to it that no more wait than he has memory for.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from operators.monitoring.journey_map import HOUR_MS, Pane, StepTally
from operators.tracking.transitions import Transition, TransitionKey

_int64s: Final = partial(array, "q")
_times_by_key: Final[Callable[[], defaultdict[TransitionKey, "array[int]"]]] = partial(defaultdict, _int64s)
TransitionTimes = defaultdict[str, defaultdict[TransitionKey, "array[int]"]]
"""By segment and what is counted: epoch ms and dwell in ms by turns."""


class BufferedHour:
    """One hour's transitions."""

    __slots__ = ("_pane", "_pane_count", "alike")

    def __init__(self) -> None:
        self.alike: TransitionTimes = defaultdict(_times_by_key)
        self._pane: Pane = {}
        self._pane_count = 0

    @property
    def how_many(self) -> int:
        """How many transitions."""
        return sum(len(times) for times_by_key in self.alike.values() for times in times_by_key.values()) // 2

    def counted(self) -> Pane:
        """All its transitions, counted; they are counted anew only if more have come."""
        if self._pane_count != self.how_many:
            self._pane, self._pane_count = {}, self.how_many
            for segment, times_by_key in self.alike.items():
                tally = self._pane[segment] = StepTally()
                for key, times in times_by_key.items():
                    tally.take(key, times[1::2])
        return self._pane

    def transitions(self, journey: str) -> Iterator[Transition]:
        """As they came, but for their order."""
        for segment, times_by_key in self.alike.items():
            for key, times in times_by_key.items():
                for at_ms, dwell_ms in zip(times[::2], times[1::2], strict=True):
                    yield journey, key, at_ms, segment, dwell_ms


_NONE: Final = BufferedHour().alike


class HourlyBuffer:
    """One journey's transitions by the hour they are of.

    ``newest_ms``: of all that ever came, -1 before; ``waiting``: how many wait.
    """

    def __init__(self) -> None:
        self.hours: dict[int, BufferedHour] = {}
        self.newest_ms = -1
        self.waiting = 0

    def add(self, transitions: Sequence[Transition]) -> None:
        """More transitions."""
        start_ms, end_ms, newest_ms = 0, 0, self.newest_ms
        alike = _NONE
        for _, key, at_ms, segment, dwell_ms in transitions:
            if not start_ms <= at_ms < end_ms:
                start_ms = at_ms // HOUR_MS * HOUR_MS
                end_ms, alike = start_ms + HOUR_MS, self._hour(start_ms).alike
            if at_ms > newest_ms:  # noqa: PLR1730 - three times as fast as max, and met by every transition
                newest_ms = at_ms
            times = alike[segment][key]
            times.append(at_ms)
            times.append(dwell_ms)
        self.newest_ms = newest_ms
        self.waiting += len(transitions)

    def between(self, start_ms: int, end_ms: int) -> Iterator[Pane]:
        """What the hours that lie in a span have counted."""
        return (hour.counted() for at_ms, hour in self.hours.items() if start_ms <= at_ms < end_ms)

    def pop_old(self) -> Iterator[tuple[int, BufferedHour]]:
        """Takes out the hours before the last one, of which no minutes are kept, each with when it began."""
        for start_ms in sorted(self.hours):
            if start_ms // HOUR_MS < self.newest_ms // HOUR_MS - 1:
                yield start_ms, self._pop(start_ms)

    def pop_transitions(self, journey: str) -> list[Transition]:
        """Takes out all transitions that wait."""
        return [
            transition for start_ms in sorted(self.hours) for transition in self._pop(start_ms).transitions(journey)
        ]

    def _hour(self, start_ms: int) -> BufferedHour:
        hour = self.hours.get(start_ms)
        if hour is None:
            hour = self.hours[start_ms] = BufferedHour()
        return hour

    def _pop(self, start_ms: int) -> BufferedHour:
        hour = self.hours.pop(start_ms)
        self.waiting -= hour.how_many
        return hour
