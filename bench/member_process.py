"""One process of a set of engines that share the work, its source in memory and its words thrown away.

In, on its command line: ``INDEX OF ATTEMPTS HOW [ADDRESS ...]``: its number, of how many, how many attempts are begun
by all together, whether journeys learn (``learning``) or not (``fixed``), and where the processes of the set are (none:
it knows of no other). Each has the partition of its number, read before anything is timed. Out: one line of JSON:
``began_s`` and ``ended_s`` (``time.perf_counter``, which all processes of a machine share), how many ``events`` it
read, and how many ``facts`` it was to tell.
"""

import sys
import time
from collections.abc import Sequence

import msgspec

from bench.dataflow_process import LATEST_MS, SHARDS, Paced, nowhere
from bench.inputs import SHIPPED_CATALOGUE
from bench.visits import Visits
from config import load_catalogue
from flows.cluster.member import Member
from flows.dataflow import FlowOptions, Sinks, journey_flow
from flows.live.runner import run_dataflow
from flows.sinks.list_sink import ListSink
from flows.steps.messages import Poll
from operators.records.facts import Fact
from state.bus.protocol import partition_of


class MemberAnswer(msgspec.Struct):
    """What one process has seen."""

    began_s: float
    ended_s: float
    events: int
    facts: int


def run(index: int, of: int, attempts: int, member: Member, *, learns: bool) -> MemberAnswer:
    """Reads this process's partition through the dataflow, as a ``member`` of a set or alone."""
    polls = [_of_partition(poll, index, of) for poll in Visits(attempts, struggling=True).fill()]
    source = Paced(polls, f"{index:03d}")
    told = [0]

    def count(facts: Sequence[Fact]) -> None:
        told[0] += len(facts)

    rules = FlowOptions(shards=SHARDS, run_out=lambda: False, latest_ms=lambda _: LATEST_MS, checkpoints=learns)
    outlets = Sinks(facts=ListSink(lambda: count), dead_letters=ListSink(nowhere), hints=ListSink(nowhere))
    catalogue = load_catalogue(SHIPPED_CATALOGUE, quiet_hours=False)
    run_dataflow(journey_flow(source, catalogue, rules, outlets), 1, member=member)
    return MemberAnswer(source.looks_s[0], time.perf_counter(), sum(len(poll.raws) for poll in polls), told[0])


def _of_partition(poll: Poll, partition: int, partitions: int) -> Poll:
    """What of a poll is on one of the partitions."""
    customers, times_ms = poll.customers or [], poll.times_ms or []
    ours = [place for place, customer in enumerate(customers) if partition_of(customer, partitions) == partition]
    at_ms = [times_ms[place] for place in ours]
    raws, who = [poll.raws[place] for place in ours], [customers[place] for place in ours]
    return Poll(raws, who, at_ms, at_ms, partition=partition, partitions=partitions)


def main(index: str, of: str, attempts: str, how: str, *addresses: str) -> None:
    """One process, its answer printed."""
    member = Member(int(index), addresses) if addresses else Member()
    answer = run(int(index), int(of), int(attempts), member, learns=how == "learning")
    print(msgspec.json.encode(answer).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
