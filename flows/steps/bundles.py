"""The step of contact bundles: what its decision understands, and how its outputs get to Redis.

In: facts and interactions, by customer shard; the decision's outputs. Out: bundles, their ends and
whose customers are whose, in Redis and counted. Refused: nothing; what the decision does not understand is None.
"""

from collections.abc import Callable, Sequence
from typing import Final

from bytewax.operators import KeyedStream, stateful_batch

from flows.sinks.list_sink import ListSink
from flows.sinks.output_metrics import OutputMetrics
from flows.steps.customer_step import Clock, CustomerStep
from flows.steps.journaled_state import JournaledState, Journals
from flows.steps.messages import CustomerInputs
from operators.contacts.bundle import AnswerNews, Attendance, ContactInput, ContactOutput, PolicyNews, TraitNews
from operators.contacts.bundle_decision import BundleDecision
from operators.contacts.hot_questions import AnswerRated, QuestionAsked
from operators.records.catalogue import Catalogue
from operators.records.events import (
    ANSWER_RATED,
    CONTACT_ENDED,
    CONTACT_STARTED,
    HINT_DISMISSED,
    HINT_SHOWN,
    HINT_USED,
    Properties,
)
from operators.records.facts import Fact, Interaction
from operators.records.policies import Policy, Traits
from state.contacts.bundles import RedisBundleWriter
from state.redis.retry import Retry

_NO_PROPERTIES: Final = Properties()
_CONTACTS: Final = frozenset((CONTACT_STARTED, CONTACT_ENDED))
_ANSWERED: Final = frozenset((ANSWER_RATED, HINT_USED, HINT_SHOWN, HINT_DISMISSED))


def bundles(
    inputs: KeyedStream[CustomerInputs],
    catalogue: Catalogue,
    keep_ms: int,
    clock: Clock | None,
    journals: Journals | None,
) -> KeyedStream[list[ContactOutput]]:
    """Facts, contacts, policies and traits become bundles. ``keep_ms``: how long a policy is remembered."""

    def bundle(resumed: bytes | None) -> CustomerStep[ContactInput, ContactOutput]:
        decision = BundleDecision(catalogue, keep_ms, keeps_changes=journals is not None)
        return CustomerStep("bundle", decision, about_contacts, clock, JournaledState(decision, journals, resumed))

    return stateful_batch("bundle", inputs, bundle)


def about_contacts(item: Fact | Interaction) -> ContactInput | None:
    """What the decision of bundles understands of it; None: nothing."""
    if isinstance(item, Fact):
        return item
    if isinstance(item.details, Policy):
        return PolicyNews(item.customer_id, item.details, item.at_ms)
    if isinstance(item.details, Traits):
        return TraitNews(item.customer_id, item.details, item.at_ms)
    if item.event.event not in _CONTACTS | _ANSWERED:
        return None
    properties = item.event.properties or _NO_PROPERTIES
    if item.event.event in _ANSWERED:
        return _answer(item, properties)
    started = item.event.event == CONTACT_STARTED
    return Attendance(
        item.customer_id, started, item.at_ms, properties.channel, properties.agent_id, properties.conversation_id
    )


def _answer(interaction: Interaction, properties: Properties) -> AnswerNews | None:
    """Whether an answer helped. A hint that was used did, unless it is said that it did not."""
    name = interaction.event.event
    solved = properties.solved if name == ANSWER_RATED else properties.helpful
    if solved is None and name == HINT_USED:
        solved = True
    if solved is None or (name == HINT_DISMISSED and solved):
        return None
    return AnswerNews(interaction.customer_id, solved, interaction.at_ms, properties.hint_id, properties.question_id)


def bundle_sink(
    new_writer: Callable[[], RedisBundleWriter], retry: Retry, counts: OutputMetrics
) -> ListSink[ContactOutput]:
    """Bundles in Redis, whatever the bus is. ``new_writer()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[ContactOutput]], None]:
        writer = new_writer()

        def write(outputs: Sequence[ContactOutput]) -> None:
            bundle_outputs = [output for output in outputs if not isinstance(output, QuestionAsked | AnswerRated)]
            if bundle_outputs:
                retry(lambda: writer.write(bundle_outputs))
                counts.bundles(bundle_outputs)

        return write

    return ListSink(open_writer)
