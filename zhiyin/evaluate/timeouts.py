"""How soon, and how surely, a break-off is reported: the checkpoint policy against every fixed timeout there could be.

In: facts of two replays. One reports every silence that reaches the shortest checkpoint, and how long it lasted: from
it follows what any fixed timeout would have reported. The other is the checkpoint policy's own. Out: precision and
delay. Refused: nothing.

An abandonment was reported rightly when the customer did not come back to the attempt (no ``returned`` follows).
``precision`` is the share reported rightly; ``delay`` the time from the last event to the report.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.records.facts import Fact

SECOND_MS: Final = 1_000


class Promptness(msgspec.Struct, frozen=True):
    """Of ``told`` abandonments a share of ``precision`` was right; delays in seconds. ``timeout_s``: a fixed one's."""

    told: int
    precision: float | None
    mean_delay_s: float | None
    median_delay_s: float | None
    timeout_s: float | None = None
    target_precision: float | None = None


class Silences:
    """Every silence of a journey that reached ``shortest_ms``, from a fixed replay with that timeout."""

    def __init__(self, shortest_ms: int) -> None:
        self.shortest_ms = shortest_ms
        self._begun = 0
        self._ended_ms: list[int] = []

    def take(self, facts: Iterable[Fact]) -> None:
        """Facts in order of publication."""
        for fact in facts:
            if fact.kind == "abandoned":
                self._begun += 1
            elif fact.kind == "returned":
                self._ended_ms.append(fact.idle_ms)

    def at(self, timeout_ms: int) -> Promptness:
        """What a fixed timeout of ``timeout_ms``, at least ``shortest_ms``, would have reported."""
        never = self._begun - len(self._ended_ms)
        reported = never + int((self._ended() > timeout_ms).sum())
        delay_s = timeout_ms / SECOND_MS
        if not reported:
            return Promptness(0, None, None, None, delay_s)
        return Promptness(reported, never / reported, delay_s, delay_s, delay_s)

    def shortest_for(self, precision: float) -> Promptness | None:
        """The shortest fixed timeout that is right as often as ``precision``; None: there is none.

        The longer, the surer: so it is the one that few enough silences outlast.
        """
        never = self._begun - len(self._ended_ms)
        if not never:
            return None
        may_return = int(never * (1 - precision) / precision) if precision > 0 else len(self._ended_ms)
        ended = self._ended()
        if len(ended) <= may_return:
            return self.at(self.shortest_ms)
        return self.at(max(self.shortest_ms, int(ended[len(ended) - 1 - may_return])))

    def _ended(self) -> NDArray[np.int64]:
        return np.sort(np.array(self._ended_ms, dtype=np.int64))


class LearnedPromptness:
    """What one replay reported of a journey, and what it had to take back."""

    def __init__(self, target_precision: float | None = None) -> None:
        self._target_precision = target_precision
        self._delays_ms: list[int] = []
        self._returned = 0

    def take(self, facts: Iterable[Fact]) -> None:
        """Facts in order of publication."""
        for fact in facts:
            if fact.kind == "abandoned":
                self._delays_ms.append(fact.idle_ms)
            elif fact.kind == "returned":
                self._returned += 1

    def promptness(self) -> Promptness:
        """How soon, how surely."""
        reported = len(self._delays_ms)
        if not reported:
            return Promptness(0, None, None, None, None, self._target_precision)
        delays_s = np.array(self._delays_ms) / SECOND_MS
        return Promptness(
            told=reported,
            precision=(reported - self._returned) / reported,
            mean_delay_s=float(delays_s.mean()),
            median_delay_s=float(np.median(delays_s)),
            target_precision=self._target_precision,
        )
