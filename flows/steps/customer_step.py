"""A step keyed by customer shard: what its decision makes of facts and of what happens around transactions.

In: ``CustomerInputs`` lists, and a decision that understands some of what is in them. Out: lists of its words. Event
time decides in a recording; live, the clock does, and wakes the decision when something is due.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, Generic, Protocol, TypeVar

from bytewax.operators import StatefulBatchLogic

from flows.steps.journaled_state import JournaledState
from flows.steps.messages import CustomerInputs
from operators.records.events import CUSTOMER_ERASED
from operators.records.facts import Fact, Interaction

Clock = Callable[[], int]
Input = TypeVar("Input")
Word = TypeVar("Word")
Understood_contra = TypeVar("Understood_contra", contravariant=True)
Told_co = TypeVar("Told_co", covariant=True)


REWRITE_EVERY_MS: Final = 500
END_OF_TIME: Final = 1 << 62
REMEMBERED_ERASURES: Final = 1_000


def is_erasure(given: Fact | Interaction) -> bool:
    """Whether a customer is to be forgotten."""
    return isinstance(given, Interaction) and given.event.event == CUSTOMER_ERASED


class ErasedCustomers:
    """Who was erased lately, in this process alone: what was decided of him elsewhere may still be on its way."""

    def __init__(self) -> None:
        self._at_ms: dict[str, int] = {}

    def add(self, erasure: Fact | Interaction) -> None:
        """The latest thousand are held."""
        self._at_ms[erasure.customer_id] = erasure.at_ms
        while len(self._at_ms) > REMEMBERED_ERASURES:
            del self._at_ms[next(iter(self._at_ms))]

    def covers(self, given: Fact | Interaction) -> bool:
        """Whether it happened before its customer was erased."""
        if not self._at_ms:
            return False
        return given.at_ms <= self._at_ms.get(given.customer_id, -END_OF_TIME)


class CustomerDecision(Protocol[Understood_contra, Told_co]):
    """What decides over one shard's customers."""

    @property
    def next_due_ms(self) -> int | None:
        """When ``due`` has something to do; None: nothing waits."""

    def due(self, now_ms: int) -> Sequence[Told_co]:
        """What time alone brings up to ``now_ms``."""

    def decide(self, inputs: Sequence[Understood_contra], now_ms: int) -> Sequence[Told_co]:
        """What follows from ``inputs`` and from what is due by ``now_ms``."""

    def forget(self, customer_id: str, now_ms: int) -> Sequence[Told_co]:
        """Forgets a customer whole; what follows for those who have been told of him."""


class CustomerStep(StatefulBatchLogic[CustomerInputs, list[Word], bytes], Generic[Input, Word]):
    """One customer shard. ``clock``: now in ms (None: event time, for recordings).

    ``step``: the name of the step and of its journals; ``understood(given)``: as the decision wants it, if at all.
    """

    def __init__(
        self,
        step: str,
        decision: CustomerDecision[Input, Word],
        understood: Callable[[Fact | Interaction], Input | None],
        clock: Clock | None,
        remembering: JournaledState,
    ) -> None:
        self._step = step
        self._decision = decision
        self._understood = understood
        self._clock = clock
        self._remembering = remembering
        self._erased = ErasedCustomers()

    def on_batch(self, values: list[CustomerInputs]) -> tuple[Iterable[list[Word]], bool]:
        """Decides what has arrived, and what is due by now."""
        self._remembering.open(f"{self._step}-{values[0].shard}")
        words: list[Word] = []
        for each in values:
            words += self._decide(each.inputs)
        self._remembering.write_ahead()
        return [words] if words else (), StatefulBatchLogic.RETAIN

    def _decide(self, inputs: Sequence[Fact | Interaction]) -> list[Word]:
        words: list[Word] = []
        waiting: list[Fact | Interaction] = []
        for each in inputs:
            if is_erasure(each):
                words += self._decided(waiting)
                waiting = []
                words += self._forget(each)
            elif not self._erased.covers(each):
                waiting.append(each)
        return words + self._decided(waiting)

    def _forget(self, erasure: Fact | Interaction) -> Sequence[Word]:
        """What the decision says, and a journal without him as soon as may be."""
        self._erased.add(erasure)
        self._remembering.rewrite_soon()
        return self._decision.forget(erasure.customer_id, self._clock() if self._clock else erasure.at_ms)

    def _decided(self, inputs: Sequence[Fact | Interaction]) -> list[Word]:
        if self._clock is not None:
            now_ms = self._clock()
            subjects = [subject for subject in map(self._understood, inputs) if subject is not None]
            return list(self._decision.decide(subjects, now_ms))
        words: list[Word] = []
        for each in inputs:
            subject = self._understood(each)
            if subject is not None:
                words += self._decision.decide((subject,), each.at_ms)
        return words

    def on_notify(self) -> tuple[Iterable[list[Word]], bool]:
        """The time has come that ``notify_at`` named."""
        words = list(self._decision.due(self._clock())) if self._clock is not None else []
        return [words] if words else (), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """When the decision has something to do; never for recordings, whose time is not the clock's."""
        if self._clock is None:
            return None
        due_ms = self._decision.next_due_ms
        if self._remembering.is_rewriting:
            due_ms = min(self._clock() + REWRITE_EVERY_MS, due_ms or END_OF_TIME)
        return None if due_ms is None else datetime.fromtimestamp(due_ms / 1000, UTC)

    def snapshot(self) -> bytes:
        """The place in the journal of what the decision remembers."""
        return self._remembering.snapshot()
