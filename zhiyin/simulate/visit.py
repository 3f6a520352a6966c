"""One simulated customer in one transaction: its events as they happen, and the truth beside them.

In: who, which journey, when it begins, a random source. Out: a ``Visit``.
Refused: nothing. Times are milliseconds since the stream began.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Final

import msgspec

from operators.records import events
from operators.records.catalogue import Speaks
from zhiyin.simulate.planted_signals import Deed, PlantedStep, act_out, pause_ms

DWELL_MS: Final = 18_000
CONTACT_CHANNELS: Final = ("phone", "counter", "chat")
NOISE: Final = (
    Speaks(signal="page_hidden"),
    Speaks(signal="back_and_forth"),
    Speaks(signal="rage_click"),
    Speaks(signal="field_error", codes=("invalid",), fields=("amount", "postcode")),
    Speaks(signal="hesitation"),
)


class SimulatedEvent(msgspec.Struct, frozen=True, gc=False):
    """One event, ``at_ms`` after the stream began. ``type``: as on the wire (``track``, ``page``)."""

    at_ms: int
    message_id: str
    customer_id: str
    event: str
    properties: dict[str, Any]
    type: str = "track"


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What really happened in one transaction.

    ``reason``: why it broke off, None when it did not; ``step`` and ``at_ms``: where and when the customer
    last did something before it broke off, or ended.
    """

    customer: str
    journey: str
    transaction_id: str
    broke_off: bool
    reason: str | None
    step: str
    at_ms: int
    returned: bool
    completed: bool


class Visit(msgspec.Struct, frozen=True):
    """One customer's transaction: its events in order of time, and the truth."""

    events: tuple[SimulatedEvent, ...]
    truth: Truth


class SimulatedCustomer(msgspec.Struct, frozen=True):
    """Whose transaction it is."""

    customer_id: str
    journey: str
    transaction_id: str


class Story:
    """A visit in the making: recorded from beginning to end, step after step."""

    def __init__(
        self,
        customer: SimulatedCustomer,
        steps: tuple[PlantedStep, ...],
        begins_ms: int,
        random: Random,
        next_message: Callable[[], str],
        stumbles: float = 0.0,
    ) -> None:
        self.places = steps
        self._customer = customer
        self._now_ms = begins_ms
        self._random = random
        self._next_message = next_message
        self._stumbles = stumbles
        self._at = 0
        self._events: list[SimulatedEvent] = []
        self._broke_off: tuple[str, str, int] | None = None
        self._returned = False

    @property
    def place(self) -> PlantedStep:
        """Where the customer is."""
        return self.places[self._at]

    def begin(self) -> None:
        """Open the page and start the transaction at its first step."""
        self._record("page", {"path": f"/{self._customer.journey}"}, "page")
        self._act(Deed(self._random.randint(50, 900), events.STARTED, None))
        self._view(40)

    def stand_at(self, index: int) -> None:
        """Start somewhere in the middle, as one who is seen for the first time there."""
        self._at = index
        self._view(1)

    def walk_to(self, index: int) -> None:
        """Go on, step after step, to the step at ``index``."""
        while self._at < index:
            self._stumble()
            self._act(Deed(self._dwell_ms(), events.STEP_COMPLETED, self.place.step.id))
            self._at += 1
            self._view(self._random.randint(100, 900))

    def struggle(self, signs: tuple[Speaks, ...]) -> None:
        """Leave every one of ``signs`` at this step."""
        for sign in signs:
            for deed in act_out(sign, self.place, self._random):
                self._act(deed)

    def break_off(self, reason: str) -> None:
        """Stop here, because of ``reason``."""
        self._broke_off = (reason, self.place.step.id, self._now_ms)

    def make_contact(self, after_ms: int) -> None:
        """Turn to a person, ``after_ms`` after the last thing done."""
        channel = self._random.choice(CONTACT_CHANNELS)
        more = {
            "channel": channel,
            "agent_id": self._desk(),
            "conversation_id": f"v-{self._customer.transaction_id}",
        }
        self._now_ms += after_ms
        self._record(events.CONTACT_STARTED, more)
        self._now_ms += self._random.randint(90_000, 480_000)
        self._record(events.CONTACT_ENDED, more)

    def _desk(self) -> str:
        """Half of the contacts are at the first desk, where a demo is watched."""
        number = self._random.randint(1, 40)
        return "desk-1" if number % 2 else f"desk-{number}"

    def come_back(self, after_ms: int) -> None:
        """Take the transaction up again where it stopped."""
        self._now_ms += after_ms
        self._returned = True
        self._view(0)

    def ended(self, ending: str) -> Visit:
        """The visit, with ``ending`` (completed or cancelled) as its last event.

        Who has reached a final step has completed by that: a completion beside it would be a second transaction.
        """
        if ending != events.COMPLETED or not self.place.step.final:
            self._act(Deed(self._dwell_ms(), ending, None))
        return self._visit(completed=ending == events.COMPLETED)

    def visit(self) -> Visit:
        """The visit as it is, without an ending."""
        return self._visit(completed=False)

    def _visit(self, *, completed: bool) -> Visit:
        reason, step, at_ms = self._broke_off or (None, self.place.step.id, self._now_ms)
        truth = Truth(
            customer=self._customer.customer_id,
            journey=self._customer.journey,
            transaction_id=self._customer.transaction_id,
            broke_off=self._broke_off is not None,
            reason=reason,
            step=step,
            at_ms=at_ms,
            returned=self._returned,
            completed=completed,
        )
        return Visit(tuple(self._events), truth)

    def _view(self, after_ms: int) -> None:
        self._act(Deed(after_ms, events.STEP_VIEWED, self.place.step.id))

    def _stumble(self) -> None:
        if self._random.random() < self._stumbles:
            self.struggle((self._random.choice(NOISE),))

    def _dwell_ms(self) -> int:
        return pause_ms(self._random, DWELL_MS, self.place)

    def _act(self, deed: Deed) -> None:
        self._now_ms += deed.after_ms
        properties: dict[str, Any] = {
            "journey": self._customer.journey,
            "transaction_id": self._customer.transaction_id,
        }
        if deed.step is not None:
            properties["step"] = deed.step
        self._record(deed.event, {**properties, **deed.more})

    def _record(self, event: str, properties: dict[str, Any], kind: str = "track") -> None:
        self._events.append(
            SimulatedEvent(self._now_ms, self._next_message(), self._customer.customer_id, event, properties, kind)
        )
