"""The step of contact bundles: what its decision understands, and how its words get to Redis.

In: facts and what happens around transactions, by customer shard; the decision's words. Out: bundles, their ends and
whose customers are whose, in Redis and counted. Refused: nothing; what the decision does not understand is None.
"""

from collections.abc import Callable, Sequence

from bytewax.operators import KeyedStream, stateful_batch

from flows.counts import Counts
from flows.customers import Clock, CustomersLogic
from flows.delivery import Concerning
from flows.remembering import Journals, Remembering
from flows.sinks import ListSink
from operators.bundle import Attendance, Input, PolicyNews, Told, TraitNews
from operators.bundle_decision import BundleDecision
from operators.catalogue import Catalogue
from operators.events import CONTACT_ENDED, CONTACT_STARTED, Properties
from operators.facts import Around, Fact
from operators.policies import Policy, Traits
from state.bundles import RedisBundleStore

Patiently = Callable[[Callable[[], object]], object]
"""Makes a call until it gets through."""

_NOTHING = Properties()


def bundles(
    concerning: KeyedStream[Concerning],
    catalogue: Catalogue,
    keep_ms: int,
    clock: Clock | None,
    journals: Journals | None,
) -> KeyedStream[list[Told]]:
    """Facts, contacts, policies and traits become bundles. ``keep_ms``: how long a policy is remembered."""

    def bundle(resumed: bytes | None) -> CustomersLogic[Input, Told]:
        decision = BundleDecision(catalogue, keep_ms, keeps_changes=journals is not None)
        return CustomersLogic("bundle", decision, about_contacts, clock, Remembering(decision, journals, resumed))

    return stateful_batch("bundle", concerning, bundle)


def about_contacts(given: Fact | Around) -> Input | None:
    """What the decision of bundles understands of it; None: nothing."""
    if isinstance(given, Fact):
        return given
    if isinstance(given.details, Policy):
        return PolicyNews(given.customer_id, given.details, given.at_ms)
    if isinstance(given.details, Traits):
        return TraitNews(given.customer_id, given.details, given.at_ms)
    if given.event.event not in (CONTACT_STARTED, CONTACT_ENDED):
        return None
    said = given.event.properties or _NOTHING
    started = given.event.event == CONTACT_STARTED
    return Attendance(given.customer_id, started, given.at_ms, said.channel, said.agent_id, said.conversation_id)


def bundle_sink(store: Callable[[], RedisBundleStore], insist: Patiently, counts: Counts) -> ListSink[Told]:
    """Bundles in Redis, whatever the bus is. ``store()``: opens the way there, once a worker."""

    def open_writer() -> Callable[[Sequence[Told]], None]:
        opened = store()

        def write(told: Sequence[Told]) -> None:
            insist(lambda: opened.write(told))
            counts.bundles(told)

        return write

    return ListSink(open_writer)
