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
    ``checkpoints``, ``struggles``: whether the tracker speaks of the idle ladder, of struggling. ``learns``: who
    hears of what is learnt.
    ``latest_ms(arrived_ms)``: the last instant an event may claim. ``clock``: now in ms, for hints (None:
    event time). ``watch``: shown each shard after each batch.
    ``journals``: where state is kept (None: nowhere). ``watch_uplift``: shown what hints are worth, where there are
    hints (None: it is not counted). ``keep_policies_ms``: how long a policy is remembered after the last word of it.
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
    """Where the dataflow's words go; without ``hints`` nobody is hinted, without ``outreach`` nobody is called.

    Without ``bundles`` no agent is told of a contact, without ``monitor`` no journey is mapped. ``route``: splits
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


def journey_flow(source: Source[Poll], catalogue: Catalogue, rules: FlowOptions, outlets: Sinks) -> Dataflow:
    """Wires source, decisions and outlets together."""
    flow = Dataflow("zhiyin")
    _decide(_track(flow, source, catalogue, rules, outlets), catalogue, rules, outlets)
    return flow


def tracking_flow(
    source: Source[Poll], catalogue: Catalogue, rules: FlowOptions, out: Sink[list[TrackerOutput]]
) -> Dataflow:
    """The first half of it alone: ``out`` hands what was tracked to a ``deciding_flow`` elsewhere."""
    flow = Dataflow("zhiyin_tracking")
    op.output("hand_on", op.map("tracked", _track(flow, source, catalogue, rules), lambda keyed: [keyed[1]]), out)
    return flow


def deciding_flow(
    source: Source[tuple[str, TrackerOutput]], catalogue: Catalogue, rules: FlowOptions, outlets: Sinks
) -> Dataflow:
    """The second half alone: ``source`` has what a ``tracking_flow`` elsewhere handed on."""
    flow = Dataflow("zhiyin_deciding")
    _decide(op.input("tracked", flow, source), catalogue, rules, outlets)
    return flow


def _track(
    flow: Dataflow, source: Source[Poll], catalogue: Catalogue, rules: FlowOptions, outlets: Sinks | None = None
) -> KeyedStream[TrackerOutput]:
    """From raw polls to what was seen of attempts, by shard."""
    plans = journey_plans(catalogue, checkpoints=rules.checkpoints)
    keeps = rules.journals is not None
    begun = itertools.count()

    def track(resumed: bytes | None) -> TrackLogic:
        memory_ms = rules.duplicate_memory_ms
        shard = ShardTracker(
            plans,
            memory_ms,
            reports_struggles=rules.struggles,
            keeps_changes=keeps,
            keeps_transitions=outlets is not None and outlets.monitor is not None,
            phase_ms=next(begun) * FAR_MS // rules.shards % FAR_MS,
        )
        remembering = JournaledState(shard, rules.journals, resumed)
        return TrackLogic(shard, rules.latest_ms, rules.run_out, rules.watch, remembering)

    def shard_batches(poll: Poll) -> Iterable[tuple[str, ShardBatch]]:
        return by_shard(poll, rules.shards)

    polls = op.input("bus", flow, source)
    # Stream[Poll]: everything one look brought, raw
    batches = op.flat_map("shard", polls, shard_batches)
    # KeyedStream[ShardBatch]: one item a shard and poll, still raw
    return op.stateful_batch("track", batches, track)


def _decide(tracked: KeyedStream[TrackerOutput], catalogue: Catalogue, rules: FlowOptions, outlets: Sinks) -> None:
    """From what was seen of attempts to all that is told."""
    learning = catalogue.learning_journeys(checkpoints=rules.checkpoints)
    observed = op.flat_map("by_journey", tracked, by_learning_journey(learning))
    # KeyedStream: by journey that learns, lists of observations, and what happened around transactions
    decide = deciding(catalogue, rules.journals, rules.learns, checkpoints=rules.checkpoints)
    learnt = op.stateful_batch("decide", observed, decide)
    fixed = op.flat_map("decide_fixed", tracked, deciding_fixed(catalogue, learning))
    decided = op.merge("decided", learnt, fixed)
    # KeyedStream: by journey, lists of facts
    facts = op.map("facts", decided, _value)
    # Stream[list[Fact]]: the public word
    _tell("tell_facts", facts, outlets.facts, outlets)
    _tell("tell_dead_letters", op.flat_map("refused", tracked, _refused), outlets.dead_letters, outlets)
    _tell_monitor(tracked, decided, catalogue, rules, outlets)
    if outlets.hints is not None:
        concerning = _concerning(facts, tracked, rules)
        verdicts = _arbitrated(concerning, catalogue, rules)
        if catalogue.hints.wording == "bandit":
            verdicts = worded(verdicts, decided, catalogue, rules.journals)
        told = op.map("verdicts", verdicts, _value)
        _tell("tell_hints", told, outlets.hints, outlets)
        _tell_outreach(concerning, catalogue, rules, outlets)
        _tell_bundles(concerning, catalogue, rules, outlets)
        _compare(decided, told, catalogue, rules)


def _concerning(
    facts: Stream[list[Fact]], tracked: KeyedStream[TrackerOutput], rules: FlowOptions
) -> KeyedStream[CustomerInputs]:
    """Facts, contacts, outcomes: what is decided about by customer shard."""

    def by_customer(facts: list[Fact]) -> Iterable[tuple[str, CustomerInputs]]:
        return _by_customer_shard(facts, rules.shards)

    concerned = op.flat_map("by_customer", facts, by_customer)
    return op.merge("concerning", concerned, op.flat_map("around", tracked, _around))


def _arbitrated(
    concerning: KeyedStream[CustomerInputs], catalogue: Catalogue, rules: FlowOptions
) -> KeyedStream[list[Verdict]]:
    """Facts and contacts become verdicts on hints, by customer shard."""

    def arbitrate(resumed: bytes | None) -> CustomerStep[ArbitrationInput, Verdict]:
        arbitration = Arbitration(catalogue, keeps_changes=rules.journals is not None)
        remembering = JournaledState(arbitration, rules.journals, resumed)
        return CustomerStep("arbitrate", arbitration, arbitrable, rules.clock, remembering)

    return op.stateful_batch("arbitrate", concerning, arbitrate)


def _tell_outreach(
    concerning: KeyedStream[CustomerInputs], catalogue: Catalogue, rules: FlowOptions, outlets: Sinks
) -> None:
    """The same become customers to be called first, by customer shard."""

    def call_first(resumed: bytes | None) -> CustomerStep[CallListInput, CallListOutput]:
        outreach = CallList(catalogue, keeps_changes=rules.journals is not None)
        remembering = JournaledState(outreach, rules.journals, resumed)
        return CustomerStep("outreach", outreach, about_calling, rules.clock, remembering)

    if outlets.outreach is not None:
        calls = op.stateful_batch("outreach", concerning, call_first)
        op.output("tell_outreach", op.map("calls", calls, _value), outlets.outreach)


def _tell_bundles(
    concerning: KeyedStream[CustomerInputs], catalogue: Catalogue, rules: FlowOptions, outlets: Sinks
) -> None:
    """The same become what agents are told as a contact begins, by customer shard."""
    if outlets.bundles is not None:
        told = bundles(concerning, catalogue, rules.keep_policies_ms, rules.clock, rules.journals)
        op.output("tell_bundles", op.map("told_bundles", told, _value), outlets.bundles)
        if outlets.questions is not None:
            hot = hot_questions(told, catalogue, rules.questions_half_life_ms, rules.clock, rules.journals)
            op.output("tell_questions", op.map("hot", hot, _value), outlets.questions)


def _compare(
    decided: KeyedStream[list[Fact]], told: Stream[list[Verdict]], catalogue: Catalogue, rules: FlowOptions
) -> None:
    """What hints are worth, by journey."""
    if rules.watch_uplift is not None:
        hinted = op.flat_map("hinted", told, hints_by_journey)
        # KeyedStream: by journey, lists of facts and lists of hints
        compared: KeyedStream[Any] = op.merge("comparing", decided, hinted)
        op.stateful_batch("uplift", compared, comparison(catalogue, rules.shards, rules.watch_uplift, rules.journals))


def _tell_monitor(
    tracked: KeyedStream[TrackerOutput],
    decided: KeyedStream[list[Fact]],
    catalogue: Catalogue,
    rules: FlowOptions,
    outlets: Sinks,
) -> None:
    """Moves and facts become journey maps and pain points, by journey."""
    if outlets.monitor is not None:
        mapped = monitored(tracked, decided, catalogue, rules.clock, rules.run_out, rules.journals)
        op.output("tell_monitor", op.map("mapped", mapped, _value), outlets.monitor)


def _tell(step: str, told: Stream[Any], sink: Sink[Any], outlets: Sinks) -> None:
    routed = told if outlets.route is None else op.flat_map(f"{step}_by_partition", told, outlets.route)
    op.output(step, routed, sink)


def _refused(keyed: tuple[str, TrackerOutput]) -> Iterable[list[DeadLetter]]:
    return (keyed[1].dead_letters,) if keyed[1].dead_letters else ()


def _around(keyed: tuple[str, TrackerOutput]) -> Iterable[tuple[str, CustomerInputs]]:
    shard, tracked = keyed
    return ((shard, CustomerInputs(shard, list(tracked.interactions))),) if tracked.interactions else ()


def _by_customer_shard(facts: list[Fact], shards: int) -> Iterable[tuple[str, CustomerInputs]]:
    grouped: dict[str, CustomerInputs] = {}
    for fact in facts:
        if fact.kind in _CONCERNS_CUSTOMERS:
            shard = shard_key(shard_of(fact.customer_id, shards))
            grouped.setdefault(shard, CustomerInputs(shard, [])).inputs.append(fact)
    return grouped.items()


_CONCERNS_CUSTOMERS = frozenset(("struggled", "abandoned", "returned", "completed", "cancelled", "expired"))


V = TypeVar("V")


def _value(keyed: tuple[str, V]) -> V:
    return keyed[1]
