"""The step of contact bundles: what its decision understands, and how its words get to Redis.

In: facts and what happens around transactions, by customer shard; the decision's words. Out: bundles, their ends and
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

_NOTHING: Final = Properties()
_CONTACTS: Final = frozenset((CONTACT_STARTED, CONTACT_ENDED))
_ANSWERED: Final = frozenset((ANSWER_RATED, HINT_USED, HINT_SHOWN, HINT_DISMISSED))


def bundles(
    concerning: KeyedStream[CustomerInputs],
    catalogue: Catalogue,
    keep_ms: int,
    clock: Clock | None,
    journals: Journals | None,
) -> KeyedStream[list[ContactOutput]]:
    """Facts, contacts, policies and traits become bundles. ``keep_ms``: how long a policy is remembered."""

    def bundle(resumed: bytes | None) -> CustomerStep[ContactInput, ContactOutput]:
        decision = BundleDecision(catalogue, keep_ms, keeps_changes=journals is not None)
        return CustomerStep("bundle", decision, about_contacts, clock, JournaledState(decision, journals, resumed))

    return stateful_batch("bundle", concerning, bundle)


def about_contacts(given: Fact | Interaction) -> ContactInput | None:
    """What the decision of bundles understands of it; None: nothing."""
    if isinstance(given, Fact):
        return given
    if isinstance(given.details, Policy):
        return PolicyNews(given.customer_id, given.details, given.at_ms)
    if isinstance(given.details, Traits):
        return TraitNews(given.customer_id, given.details, given.at_ms)
    if given.event.event not in _CONTACTS | _ANSWERED:
        return None
    said = given.event.properties or _NOTHING
    if given.event.event in _ANSWERED:
        return _answer(given, said)
    started = given.event.event == CONTACT_STARTED
    return Attendance(given.customer_id, started, given.at_ms, said.channel, said.agent_id, said.conversation_id)


def _answer(given: Interaction, said: Properties) -> AnswerNews | None:
    """Whether an answer helped. A hint that was used did, unless it is said that it did not."""
    name, solved = given.event.event, said.solved if given.event.event == ANSWER_RATED else said.helpful
    if solved is None and name == HINT_USED:
        solved = True
    if solved is None or (name == HINT_DISMISSED and solved):
        return None
    return AnswerNews(given.customer_id, solved, given.at_ms, said.hint_id, said.question_id)


def bundle_sink(store: Callable[[], RedisBundleWriter], retry: Retry, counts: OutputMetrics) -> ListSink[ContactOutput]:
    """Bundles in Redis, whatever the bus is. ``store()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[ContactOutput]], None]:
        opened = store()

        def write(words: Sequence[ContactOutput]) -> None:
            told = [each for each in words if not isinstance(each, QuestionAsked | AnswerRated)]
            if told:
                retry(lambda: opened.write(told))
                counts.bundles(told)

        return write

    return ListSink(open_writer)
