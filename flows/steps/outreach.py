"""The step of the outreach list: what its decision understands, and how its words get to Redis.

In: facts and what happens around transactions; the decision's words. Out: its inputs; the list in Redis, counted as
it goes. Refused: nothing; what the decision does not understand is None.
"""

from collections.abc import Callable, Sequence

from flows.sinks.list_sink import ListSink
from flows.sinks.output_metrics import OutputMetrics
from operators.hints.arbitration import Contact
from operators.outreach.call_list_entry import OUTCOMES, CallListOutput, NotListed
from operators.outreach.call_list_state import HELPED, CallListInput, CallOutcome, DoNotCall
from operators.records.events import (
    CONTACT_ENDED,
    CONTACT_STARTED,
    DO_NOT_CALL_LIFTED,
    DO_NOT_CALL_SET,
    HINT_USED,
    OUTREACH_ENDED,
)
from operators.records.facts import Fact, Interaction
from state.outreach.writer import OutreachWriter
from state.redis.retry import Retry


def about_calling(given: Fact | Interaction) -> CallListInput | None:
    """What the outreach decision understands of it; None: nothing."""
    if isinstance(given, Fact):
        return None if given.kind == "struggled" else given
    name, properties = given.event.event, given.event.properties
    if name in (CONTACT_STARTED, CONTACT_ENDED):
        channel = properties.channel if properties is not None else None
        return Contact(given.customer_id, name == CONTACT_STARTED, given.at_ms, channel)
    if name == HINT_USED:
        return Contact(given.customer_id, True, given.at_ms, HELPED)
    if name in (DO_NOT_CALL_SET, DO_NOT_CALL_LIFTED):
        return DoNotCall(given.customer_id, name == DO_NOT_CALL_SET, given.at_ms)
    if name == OUTREACH_ENDED and properties is not None and properties.outcome in OUTCOMES:
        return CallOutcome(given.customer_id, properties.outreach_id or "", properties.outcome, given.at_ms)
    return None


def outreach_sink(store: Callable[[], OutreachWriter], retry: Retry, counts: OutputMetrics) -> ListSink[CallListOutput]:
    """The list in Redis, whatever the bus is. ``store()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[CallListOutput]], None]:
        opened = store()

        def write(words: Sequence[CallListOutput]) -> None:
            told = [each for each in words if not isinstance(each, NotListed)]
            if told:
                retry(lambda: opened.write(told))
            counts.outreach(words)

        return write

    return ListSink(open_writer)
