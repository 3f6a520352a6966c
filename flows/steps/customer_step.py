"""A step keyed by customer shard: what its decision makes of facts and interactions.

In: ``CustomerInputs`` lists, and a decision that understands some of what is in them. Out: lists of its outputs. Event
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
Output = TypeVar("Output")
Input_contra = TypeVar("Input_contra", contravariant=True)
Output_co = TypeVar("Output_co", covariant=True)


REWRITE_EVERY_MS: Final = 500
END_OF_TIME: Final = 1 << 62
REMEMBERED_ERASURES: Final = 1_000


def is_erasure(item: Fact | Interaction) -> bool:
    """Whether a customer is to be forgotten."""
    return isinstance(item, Interaction) and item.event.event == CUSTOMER_ERASED


class ErasedCustomers:
    """Who was erased lately, in this process alone: what was decided of him elsewhere may still be on its way."""

    def __init__(self) -> None:
        self._at_ms: dict[str, int] = {}

    def add(self, erasure: Fact | Interaction) -> None:
        """The latest thousand are held."""
        self._at_ms[erasure.customer_id] = erasure.at_ms
        while len(self._at_ms) > REMEMBERED_ERASURES:
            del self._at_ms[next(iter(self._at_ms))]

    def covers(self, item: Fact | Interaction) -> bool:
        """Whether it happened before its customer was erased."""
        if not self._at_ms:
            return False
        return item.at_ms <= self._at_ms.get(item.customer_id, -END_OF_TIME)


class CustomerDecision(Protocol[Input_contra, Output_co]):
    """What decides over one shard's customers."""

    @property
    def next_due_ms(self) -> int | None:
        """When ``due`` has something to do; None: nothing waits."""

    def due(self, now_ms: int) -> Sequence[Output_co]:
        """What time alone brings up to ``now_ms``."""

    def decide(self, inputs: Sequence[Input_contra], now_ms: int) -> Sequence[Output_co]:
        """What follows from ``inputs`` and from what is due by ``now_ms``."""

    def forget(self, customer_id: str, now_ms: int) -> Sequence[Output_co]:
        """Forgets a customer whole; what follows for those who have received something about him."""


class CustomerStep(StatefulBatchLogic[CustomerInputs, list[Output], bytes], Generic[Input, Output]):
    """One customer shard. ``clock``: now in ms (None: event time, for recordings).

    ``step``: the name of the step and of its journals; ``to_input(item)``: as the decision wants it, if at all.
    """

    def __init__(
        self,
        step: str,
        decision: CustomerDecision[Input, Output],
        to_input: Callable[[Fact | Interaction], Input | None],
        clock: Clock | None,
        state: JournaledState,
    ) -> None:
        self._step = step
        self._decision = decision
        self._to_input = to_input
        self._clock = clock
        self._state = state
        self._erased = ErasedCustomers()

    def on_batch(self, values: list[CustomerInputs]) -> tuple[Iterable[list[Output]], bool]:
        """Decides what has arrived, and what is due by now."""
        self._state.open(f"{self._step}-{values[0].shard}")
        outputs: list[Output] = []
        for batch in values:
            outputs += self._decide(batch.inputs)
        self._state.write_ahead()
        return [outputs] if outputs else (), StatefulBatchLogic.RETAIN

    def _decide(self, inputs: Sequence[Fact | Interaction]) -> list[Output]:
        outputs: list[Output] = []
        pending: list[Fact | Interaction] = []
        for item in inputs:
            if is_erasure(item):
                outputs += self._decided(pending)
                pending = []
                outputs += self._forget(item)
            elif not self._erased.covers(item):
                pending.append(item)
        return outputs + self._decided(pending)

    def _forget(self, erasure: Fact | Interaction) -> Sequence[Output]:
        """What the decision outputs, and a journal without him as soon as may be."""
        self._erased.add(erasure)
        self._state.rewrite_soon()
        return self._decision.forget(erasure.customer_id, self._clock() if self._clock else erasure.at_ms)

    def _decided(self, inputs: Sequence[Fact | Interaction]) -> list[Output]:
        if self._clock is not None:
            now_ms = self._clock()
            decision_inputs = [value for value in map(self._to_input, inputs) if value is not None]
            return list(self._decision.decide(decision_inputs, now_ms))
        outputs: list[Output] = []
        for item in inputs:
            decision_input = self._to_input(item)
            if decision_input is not None:
                outputs += self._decision.decide((decision_input,), item.at_ms)
        return outputs

    def on_notify(self) -> tuple[Iterable[list[Output]], bool]:
        """The time has come that ``notify_at`` named."""
        outputs = list(self._decision.due(self._clock())) if self._clock is not None else []
        return [outputs] if outputs else (), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """When the decision has something to do; never for recordings, whose time is not the clock's."""
        if self._clock is None:
            return None
        due_ms = self._decision.next_due_ms
        if self._state.is_rewriting:
            due_ms = min(self._clock() + REWRITE_EVERY_MS, due_ms or END_OF_TIME)
        return None if due_ms is None else datetime.fromtimestamp(due_ms / 1000, UTC)

    def snapshot(self) -> bytes:
        """The position in the journal of what the decision remembers."""
        return self._state.snapshot()
