"""The deciding steps: a journey's observations become facts, a customer's facts become hints."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from bytewax.operators import StatefulBatchLogic

from flows.delivery import Concerning
from flows.remembering import Remembering
from operators.abandonment import JourneyDecision
from operators.arbitration import Arbitration, Contact, HintFeedback, Verdict
from operators.events import CONTACT_ENDED, CONTACT_STARTED, HINT_DISMISSED, HINT_USED
from operators.facts import Around, Fact, Observation, stable_id

Clock = Callable[[], int]


class DecideLogic(StatefulBatchLogic[list[Observation], list[Fact], bytes]):
    """One journey's decision: lists of observations in, lists of facts out."""

    def __init__(self, decision: JourneyDecision, remembering: Remembering) -> None:
        self._decision = decision
        self._remembering = remembering

    def on_batch(self, values: list[list[Observation]]) -> tuple[Iterable[list[Fact]], bool]:
        """Decides list by list."""
        self._remembering.call(f"decide-{stable_id(values[0][0].journey)}")
        decided = [self._decision.decide(observations) for observations in values]
        self._remembering.write_ahead()
        return [facts for facts in decided if facts], StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The place in the journal of which attempts have been told, and which of them are still away."""
        return self._remembering.snapshot()


class ArbitrateLogic(StatefulBatchLogic[Concerning, list[Verdict], bytes]):
    """One customer shard's hints. ``clock``: now in ms (None: event time, for recordings)."""

    def __init__(self, arbitration: Arbitration, clock: Clock | None, remembering: Remembering) -> None:
        self._arbitration = arbitration
        self._clock = clock
        self._remembering = remembering

    def on_batch(self, values: list[Concerning]) -> tuple[Iterable[list[Verdict]], bool]:
        """Decides in the order of arrival; what is due by then comes first."""
        self._remembering.call(f"arbitrate-{values[0].shard}")
        verdicts: list[Verdict] = []
        for each in values:
            verdicts += self._decide(each.inputs)
        self._remembering.write_ahead()
        return [verdicts] if verdicts else (), StatefulBatchLogic.RETAIN

    def _decide(self, inputs: Sequence[Fact | Around]) -> list[Verdict]:
        if self._clock is not None:
            now_ms = self._clock()
            subjects = [subject for subject in map(_subject, inputs) if subject is not None]
            return self._arbitration.due(now_ms) + self._arbitration.decide(subjects, now_ms)
        verdicts: list[Verdict] = []
        for each in inputs:
            subject = _subject(each)
            if subject is not None:
                verdicts += self._arbitration.due(each.at_ms)
                verdicts += self._arbitration.decide((subject,), each.at_ms)
        return verdicts

    def on_notify(self) -> tuple[Iterable[list[Verdict]], bool]:
        """Quiet hours over, hints run out."""
        verdicts = self._arbitration.due(self._clock()) if self._clock is not None else []
        return [verdicts] if verdicts else (), StatefulBatchLogic.RETAIN

    def notify_at(self) -> datetime | None:
        """When the next hint may speak; never for recordings, whose time is not the clock's."""
        due_ms = self._arbitration.next_due_ms if self._clock is not None else None
        return None if due_ms is None else datetime.fromtimestamp(due_ms / 1000, UTC)

    def snapshot(self) -> bytes:
        """The place in the journal of the budgets, open hints and contacts of the shard's customers."""
        return self._remembering.snapshot()


def _subject(given: Fact | Around) -> Fact | Contact | HintFeedback | None:
    """What the arbitration understands of it."""
    if isinstance(given, Fact):
        return given
    event, properties = given.event, given.event.properties
    if event.event in (CONTACT_STARTED, CONTACT_ENDED):
        channel = properties.channel if properties is not None else None
        return Contact(given.customer_id, event.event == CONTACT_STARTED, given.at_ms, channel)
    if event.event in (HINT_USED, HINT_DISMISSED) and properties is not None and properties.hint_id:
        state = "used" if event.event == HINT_USED else "dismissed"
        return HintFeedback(properties.hint_id, given.customer_id, state, properties.helpful, given.at_ms)
    return None
