"""What a second process gives: the same events through one engine, through a set of two, and through two apart.

In: how many attempts are begun. Out: the speed of two processes by that of one, both on this machine, the source in
memory and no Redis: what they cost one another is what Bytewax carries between them. Beside it the limit: two engines
with half of the customers each, which know nothing of one another; what they lack of 2 is the machine's, whose cores
share caches and memory. Then the same where journeys learn: all attempts are of one journey, which one of the two
decides on alone, so that this is the least a second process gives. All must tell as many facts.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from statistics import median
from typing import Final, NamedTuple

import msgspec

from bench.figures import Aim, Figure, figure, number
from bench.inputs import ROOT
from bench.member_process import MemberAnswer
from bench.not_measured import NotMeasured
from bench.scale import Scale
from bench.timing import interleaved, quotients
from zhiyin.processes.parent_death import bound_command
from zhiyin.processes.ports import free_ports

_LEARNING_ONE_IN: Final = 4
"""So few of the attempts where journeys learn, which takes as much longer."""
AIM: Final = Aim(at_least=1.6)
_ENDS_WITHIN_S: Final = 600.0


class Together(NamedTuple):
    """What a set of processes did, from the first one's first look until the last one's end."""

    wall_s: float
    events: int
    facts: int


def measure(scale: Scale) -> Iterator[Figure]:
    """Two against one, in turns."""
    attempts = scale.member_attempts
    yield from _compared(scale.repeats, attempts, "fixed", {"two processes": AIM, "two that share nothing": None})
    yield from _compared(scale.repeats, attempts // _LEARNING_ONE_IN, "learning", {"two processes that learn": None})


def _compared(repeats: int, attempts: int, how: str, sets: Mapping[str, Aim | None]) -> Iterator[Figure]:
    """One process, two together and, where there are two ``sets``, two apart."""
    runs = [partial(_run, attempts, how, *each) for each in ((1, False), (2, True), (2, False))[: 1 + len(sets)]]
    one, *others = interleaved(repeats, runs)
    answers = {(each.events, each.facts) for taken in (one, *others) for each in taken}
    if len(answers) != 1:
        raise NotMeasured("processes", f"{sorted(answers)} events and facts", "as many of both each time")
    [(events, facts)] = answers
    walls_s = [each.wall_s for each in one]
    for (says, aim), taken in zip(sets.items(), others, strict=True):
        two_s = [each.wall_s for each in taken]
        speeds = " against ".join(number(events / median(each)) for each in (two_s, walls_s))
        note = f"{events:,} events, {facts:,} facts, 32 shards; events/s: {speeds}"
        yield figure(f"speed of {says} / of one", quotients(walls_s, two_s), "", aim, note)


def _run(attempts: int, how: str, processes: int, together: bool) -> Together:
    addresses = [f"127.0.0.1:{port}" for port in free_ports("127.0.0.1", processes)] if together else []
    started = [_start(index, processes, attempts, how, addresses) for index in range(processes)]
    answers = [_answer(each) for each in started]
    wall_s = max(each.ended_s for each in answers) - min(each.began_s for each in answers)
    return Together(wall_s, sum(each.events for each in answers), sum(each.facts for each in answers))


def _start(index: int, processes: int, attempts: int, how: str, addresses: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "bench.member_process", *map(str, (index, processes, attempts)), how, *addresses]
    bound = bound_command(os.getpid(), signal.SIGKILL, tuple(command))
    return subprocess.Popen(bound, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _answer(process: "subprocess.Popen[str]") -> MemberAnswer:
    said, _ = process.communicate(timeout=_ENDS_WITHIN_S)
    if process.returncode != 0:
        raise NotMeasured("processes", f"a process ended with {process.returncode}", "an answer")
    # Bytewax says above it how often it tried to reach the others.
    return msgspec.json.decode(said.splitlines()[-1], type=MemberAnswer)
