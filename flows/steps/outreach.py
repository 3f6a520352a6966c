"""The step of the outreach list: what its decision understands, and how its outputs get to Redis.

In: facts and interactions; the decision's outputs. Out: its inputs; the list in Redis, counted as
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


def about_calling(item: Fact | Interaction) -> CallListInput | None:
    """What the outreach decision understands of it; None: nothing."""
    if isinstance(item, Fact):
        return None if item.kind == "struggled" else item
    name, properties = item.event.event, item.event.properties
    if name in (CONTACT_STARTED, CONTACT_ENDED):
        channel = properties.channel if properties is not None else None
        return Contact(item.customer_id, name == CONTACT_STARTED, item.at_ms, channel)
    if name == HINT_USED:
        return Contact(item.customer_id, True, item.at_ms, HELPED)
    if name in (DO_NOT_CALL_SET, DO_NOT_CALL_LIFTED):
        return DoNotCall(item.customer_id, name == DO_NOT_CALL_SET, item.at_ms)
    if name == OUTREACH_ENDED and properties is not None and properties.outcome in OUTCOMES:
        return CallOutcome(item.customer_id, properties.outreach_id or "", properties.outcome, item.at_ms)
    return None


def outreach_sink(
    new_writer: Callable[[], OutreachWriter], retry: Retry, counts: OutputMetrics
) -> ListSink[CallListOutput]:
    """The list in Redis, whatever the bus is. ``new_writer()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[CallListOutput]], None]:
        writer = new_writer()

        def write(outputs: Sequence[CallListOutput]) -> None:
            list_outputs = [output for output in outputs if not isinstance(output, NotListed)]
            if list_outputs:
                retry(lambda: writer.write(list_outputs))
            counts.outreach(outputs)

        return write

    return ListSink(open_writer)
