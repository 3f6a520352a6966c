"""The dataflow on one page: from raw polls to facts, hints and dead letters.

Every stateful step is keyed by a fixed set of keys, shards or journeys, never by customers.
"""

import itertools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import Source
from bytewax.operators import KeyedStream
from bytewax.outputs import Sink

from flows.steps.bundles import bundles
from flows.steps.customer_step import Clock, CustomerStep
from flows.steps.decide import Learns, arbitrable, by_learning_journey, deciding, deciding_fixed
from flows.steps.journaled_state import JournaledState, Journals
from flows.steps.messages import CustomerInputs, Poll, ShardBatch, TrackerOutput, by_shard, shard_of
from flows.steps.monitor import monitored
from flows.steps.outreach import about_calling
from flows.steps.questions import hot_questions
from flows.steps.shard_keys import shard_key
from flows.steps.track import TrackLogic
from flows.steps.uplift import WatchUplift, comparison, hints_by_journey
from flows.steps.wording import worded
from operators.hints.arbitration import Arbitration, ArbitrationInput, Verdict
from operators.outreach.call_list import CallList
from operators.outreach.call_list_entry import CallListOutput
from operators.outreach.call_list_state import CallListInput
from operators.records.catalogue import Catalogue
from operators.records.dead_letters import DeadLetter
from operators.records.facts import Fact
from operators.support.timer_wheel import FAR_MS
from operators.tracking.plan import journey_plans
from operators.tracking.tracker import ShardTracker


class FlowOptions(msgspec.Struct, frozen=True):
    """How a dataflow runs.

    ``run_out()``: asked at the end of the source, whether time runs on until every attempt is gone (a
    recording), or the stream has only stopped and will go on (live).
    ``checkpoints``, ``struggles``: whether the tracker reports idle checkpoints, struggling. ``learns``: who
    receives what is learnt.
    ``latest_ms(arrived_ms)``: the last instant an event may claim. ``clock``: now in ms, for hints (None:
    event time). ``watch``: shown each shard after each batch.
    ``journals``: where state is kept (None: nowhere). ``watch_uplift``: shown what hints are worth, where there are
    hints (None: it is not counted). ``keep_policies_ms``: how long a policy is remembered after its last event.
    """

    shards: int
    run_out: Callable[[], bool]
    latest_ms: Callable[[int | None], int]
    checkpoints: bool = True
    struggles: bool = True
    learns: Learns = Learns()
    duplicate_memory_ms: int = 600_000
    clock: Clock | None = None
    watch: Callable[[ShardTracker], None] = lambda _: None
    journals: Journals | None = None
    watch_uplift: WatchUplift | None = None
    keep_policies_ms: int = 800 * 86_400_000
    questions_half_life_ms: float = 21_600_000


class Sinks(msgspec.Struct, frozen=True):
    """Where the dataflow's outputs go; without ``hints`` nobody is hinted, without ``outreach`` nobody is called.

    Without ``bundles`` no agent receives a bundle, without ``monitor`` no journey is mapped. ``route``: splits
    lists by customer, for sinks that have partitions (``outreach``, ``bundles`` and ``monitor`` have none).
    """

    facts: Sink[Any]
    dead_letters: Sink[Any]
    hints: Sink[Any] | None = None
    outreach: Sink[Any] | None = None
    bundles: Sink[Any] | None = None
    questions: Sink[Any] | None = None
    monitor: Sink[Any] | None = None
    route: Callable[[list[Any]], Iterable[tuple[str, list[Any]]]] | None = None


def journey_flow(source: Source[Poll], catalogue: Catalogue, options: FlowOptions, sinks: Sinks) -> Dataflow:
    """Wires source, decisions and sinks together."""
    flow = Dataflow("zhiyin")
    _decide(_track(flow, source, catalogue, options, sinks), catalogue, options, sinks)
    return flow


def tracking_flow(
    source: Source[Poll], catalogue: Catalogue, options: FlowOptions, sink: Sink[list[TrackerOutput]]
) -> Dataflow:
    """The first half of it alone: ``sink`` hands what was tracked to a ``deciding_flow`` elsewhere."""
    flow = Dataflow("zhiyin_tracking")
    op.output("hand_on", op.map("tracked", _track(flow, source, catalogue, options), lambda keyed: [keyed[1]]), sink)
    return flow


def deciding_flow(
    source: Source[tuple[str, TrackerOutput]], catalogue: Catalogue, options: FlowOptions, sinks: Sinks
) -> Dataflow:
    """The second half alone: ``source`` has what a ``tracking_flow`` elsewhere handed on."""
    flow = Dataflow("zhiyin_deciding")
    _decide(op.input("tracked", flow, source), catalogue, options, sinks)
    return flow


def _track(
    flow: Dataflow, source: Source[Poll], catalogue: Catalogue, options: FlowOptions, sinks: Sinks | None = None
) -> KeyedStream[TrackerOutput]:
    """From raw polls to what was seen of attempts, by shard."""
    plans = journey_plans(catalogue, checkpoints=options.checkpoints)
    keeps_changes = options.journals is not None
    numbers = itertools.count()

    def track(resumed: bytes | None) -> TrackLogic:
        memory_ms = options.duplicate_memory_ms
        shard = ShardTracker(
            plans,
            memory_ms,
            reports_struggles=options.struggles,
            keeps_changes=keeps_changes,
            keeps_transitions=sinks is not None and sinks.monitor is not None,
            phase_ms=next(numbers) * FAR_MS // options.shards % FAR_MS,
        )
        state = JournaledState(shard, options.journals, resumed)
        return TrackLogic(shard, options.latest_ms, options.run_out, options.watch, state)

    def shard_batches(poll: Poll) -> Iterable[tuple[str, ShardBatch]]:
        return by_shard(poll, options.shards)

    polls = op.input("bus", flow, source)
    # Stream[Poll]: everything one look brought, raw
    batches = op.flat_map("shard", polls, shard_batches)
    # KeyedStream[ShardBatch]: one item a shard and poll, still raw
    return op.stateful_batch("track", batches, track)


def _decide(tracked: KeyedStream[TrackerOutput], catalogue: Catalogue, options: FlowOptions, sinks: Sinks) -> None:
    """From what was seen of attempts to all outputs."""
    learning = catalogue.learning_journeys(checkpoints=options.checkpoints)
    observed = op.flat_map("by_journey", tracked, by_learning_journey(learning))
    # KeyedStream: by journey that learns, lists of observations, and interactions
    decide = deciding(catalogue, options.journals, options.learns, checkpoints=options.checkpoints)
    learnt = op.stateful_batch("decide", observed, decide)
    fixed = op.flat_map("decide_fixed", tracked, deciding_fixed(catalogue, learning))
    decided = op.merge("decided", learnt, fixed)
    # KeyedStream: by journey, lists of facts
    facts = op.map("facts", decided, _value)
    # Stream[list[Fact]]: those that are published
    _output("tell_facts", facts, sinks.facts, sinks)
    _output("tell_dead_letters", op.flat_map("refused", tracked, _dead_letters), sinks.dead_letters, sinks)
    _output_monitor(tracked, decided, catalogue, options, sinks)
    if sinks.hints is not None:
        inputs = _customer_inputs(facts, tracked, options)
        keyed_verdicts = _arbitrated(inputs, catalogue, options)
        if catalogue.hints.wording == "bandit":
            keyed_verdicts = worded(keyed_verdicts, decided, catalogue, options.journals)
        verdicts = op.map("verdicts", keyed_verdicts, _value)
        _output("tell_hints", verdicts, sinks.hints, sinks)
        _output_outreach(inputs, catalogue, options, sinks)
        _output_bundles(inputs, catalogue, options, sinks)
        _compare(decided, verdicts, catalogue, options)


def _customer_inputs(
    facts: Stream[list[Fact]], tracked: KeyedStream[TrackerOutput], options: FlowOptions
) -> KeyedStream[CustomerInputs]:
    """Facts, contacts, outcomes: what is decided about by customer shard."""

    def by_customer(facts: list[Fact]) -> Iterable[tuple[str, CustomerInputs]]:
        return _by_customer_shard(facts, options.shards)

    customer_facts = op.flat_map("by_customer", facts, by_customer)
    return op.merge("concerning", customer_facts, op.flat_map("around", tracked, _interactions))


def _arbitrated(
    inputs: KeyedStream[CustomerInputs], catalogue: Catalogue, options: FlowOptions
) -> KeyedStream[list[Verdict]]:
    """Facts and contacts become verdicts on hints, by customer shard."""

    def arbitrate(resumed: bytes | None) -> CustomerStep[ArbitrationInput, Verdict]:
        arbitration = Arbitration(catalogue, keeps_changes=options.journals is not None)
        state = JournaledState(arbitration, options.journals, resumed)
        return CustomerStep("arbitrate", arbitration, arbitrable, options.clock, state)

    return op.stateful_batch("arbitrate", inputs, arbitrate)


def _output_outreach(
    inputs: KeyedStream[CustomerInputs], catalogue: Catalogue, options: FlowOptions, sinks: Sinks
) -> None:
    """The same become customers to be called first, by customer shard."""

    def call_first(resumed: bytes | None) -> CustomerStep[CallListInput, CallListOutput]:
        call_list = CallList(catalogue, keeps_changes=options.journals is not None)
        state = JournaledState(call_list, options.journals, resumed)
        return CustomerStep("outreach", call_list, about_calling, options.clock, state)

    if sinks.outreach is not None:
        calls = op.stateful_batch("outreach", inputs, call_first)
        op.output("tell_outreach", op.map("calls", calls, _value), sinks.outreach)


def _output_bundles(
    inputs: KeyedStream[CustomerInputs], catalogue: Catalogue, options: FlowOptions, sinks: Sinks
) -> None:
    """The same become what agents receive as a contact begins, by customer shard."""
    if sinks.bundles is not None:
        contact_outputs = bundles(inputs, catalogue, options.keep_policies_ms, options.clock, options.journals)
        op.output("tell_bundles", op.map("told_bundles", contact_outputs, _value), sinks.bundles)
        if sinks.questions is not None:
            hot_lists = hot_questions(
                contact_outputs, catalogue, options.questions_half_life_ms, options.clock, options.journals
            )
            op.output("tell_questions", op.map("hot", hot_lists, _value), sinks.questions)


def _compare(
    decided: KeyedStream[list[Fact]], verdicts: Stream[list[Verdict]], catalogue: Catalogue, options: FlowOptions
) -> None:
    """What hints are worth, by journey."""
    if options.watch_uplift is not None:
        hints = op.flat_map("hinted", verdicts, hints_by_journey)
        # KeyedStream: by journey, lists of facts and lists of hints
        compared: KeyedStream[Any] = op.merge("comparing", decided, hints)
        op.stateful_batch(
            "uplift", compared, comparison(catalogue, options.shards, options.watch_uplift, options.journals)
        )


def _output_monitor(
    tracked: KeyedStream[TrackerOutput],
    decided: KeyedStream[list[Fact]],
    catalogue: Catalogue,
    options: FlowOptions,
    sinks: Sinks,
) -> None:
    """Transitions and facts become journey maps and pain points, by journey."""
    if sinks.monitor is not None:
        monitor_outputs = monitored(tracked, decided, catalogue, options.clock, options.run_out, options.journals)
        op.output("tell_monitor", op.map("mapped", monitor_outputs, _value), sinks.monitor)


def _output(step: str, outputs: Stream[Any], sink: Sink[Any], sinks: Sinks) -> None:
    routed = outputs if sinks.route is None else op.flat_map(f"{step}_by_partition", outputs, sinks.route)
    op.output(step, routed, sink)


def _dead_letters(keyed: tuple[str, TrackerOutput]) -> Iterable[list[DeadLetter]]:
    return (keyed[1].dead_letters,) if keyed[1].dead_letters else ()


def _interactions(keyed: tuple[str, TrackerOutput]) -> Iterable[tuple[str, CustomerInputs]]:
    shard, tracked = keyed
    return ((shard, CustomerInputs(shard, list(tracked.interactions))),) if tracked.interactions else ()


def _by_customer_shard(facts: list[Fact], shards: int) -> Iterable[tuple[str, CustomerInputs]]:
    grouped: dict[str, CustomerInputs] = {}
    for fact in facts:
        if fact.kind in _CUSTOMER_FACT_KINDS:
            shard = shard_key(shard_of(fact.customer_id, shards))
            grouped.setdefault(shard, CustomerInputs(shard, [])).inputs.append(fact)
    return grouped.items()


_CUSTOMER_FACT_KINDS = frozenset(("struggled", "abandoned", "returned", "completed", "cancelled", "expired"))


V = TypeVar("V")


def _value(keyed: tuple[str, V]) -> V:
    return keyed[1]
