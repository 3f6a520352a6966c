"""A step keyed by customer shard: what its decision makes of facts and of what happens around transactions.

In: ``Concerning`` lists, and a decision that understands some of what is in them. Out: lists of its words. Event time
decides in a recording; live, the clock does, and wakes the decision when something is due.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from bytewax.operators import StatefulBatchLogic

from flows.delivery import Concerning
from flows.remembering import Remembering
from operators.facts import Around, Fact

Clock = Callable[[], int]
Input = TypeVar("Input")
Word = TypeVar("Word")
Understood_contra = TypeVar("Understood_contra", contravariant=True)
Told_co = TypeVar("Told_co", covariant=True)


class CustomerDecision(Protocol[Understood_contra, Told_co]):
    """What decides over one shard's customers."""

    @property
    def next_due_ms(self) -> int | None:
        """When ``due`` has something to do; None: nothing waits."""

    def due(self, now_ms: int) -> Sequence[Told_co]:
        """What time alone brings up to ``now_ms``."""

    def decide(self, inputs: Sequence[Understood_contra], now_ms: int) -> Sequence[Told_co]:
        """What follows from ``inputs``, in their order."""


class CustomersLogic(StatefulBatchLogic[Concerning, list[Word], bytes], Generic[Input, Word]):
    """One customer shard. ``clock``: now in ms (None: event time, for recordings).

    ``step``: the name of the step and of its journals; ``understood(given)``: as the decision wants it, if at all.
    """

    def __init__(
        self,
        step: str,
        decision: CustomerDecision[Input, Word],
        understood: Callable[[Fact | Around], Input | None],
        clock: Clock | None,
        remembering: Remembering,
    ) -> None:
        self._step = step
        self._decision = decision
        self._understood = understood
        self._clock = clock
        self._remembering = remembering

    def on_batch(self, values: list[Concerning]) -> tuple[Iterable[list[Word]], bool]:
        """Decides in the order of arrival; what is due by then comes first."""
        self._remembering.call(f"{self._step}-{values[0].shard}")
        words: list[Word] = []
        for each in values:
            words += self._decide(each.inputs)
        self._remembering.write_ahead()
        return [words] if words else (), StatefulBatchLogic.RETAIN

    def _decide(self, inputs: Sequence[Fact | Around]) -> list[Word]:
        if self._clock is not None:
            now_ms = self._clock()
            subjects = [subject for subject in map(self._understood, inputs) if subject is not None]
            return [*self._decision.due(now_ms), *self._decision.decide(subjects, now_ms)]
        words: list[Word] = []
        for each in inputs:
            subject = self._understood(each)
            if subject is not None:
                words += self._decision.due(each.at_ms)
                words += self._decision.decide((subject,), each.at_ms)
        return words

    def on_notify(self) -> tuple[Iterable[list[Word]], bool]:
        """The time has come that ``notify_at`` named."""
        words = list(self._decision.due(self._clock())) if self._clock is not None else []
        return [words] if words else (), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """When the decision has something to do; never for recordings, whose time is not the clock's."""
        due_ms = self._decision.next_due_ms if self._clock is not None else None
        return None if due_ms is None else datetime.fromtimestamp(due_ms / 1000, UTC)

    def snapshot(self) -> bytes:
        """The place in the journal of what the decision remembers."""
        return self._remembering.snapshot()
