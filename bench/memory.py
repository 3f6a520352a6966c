"""What an open attempt costs: bytes, and whether a hundred times as many make it slow.

In: sizes. Out: resident bytes an open attempt at each size, plain, with signs of struggle, and with what
deciding and hinting remember; the speed of the tracking step (reading, taking, settling) at the largest size
against the smallest, the two taking turns in processes of their own.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any, Final

from bench.figures import Aim, Figure, figure, number
from bench.holding import Holding
from bench.scale import Scale
from bench.timing import Taken, cpus, interleaved, quotients, walls

MEMORY_AIMS: Final = {"plain": Aim(at_most=1.024), "struggling": Aim(at_most=1.5)}
SPEED_AIM: Final = Aim(at_least=0.8)
_KB: Final = 1_000
_SAYS: Final = {"plain": "no signals", "struggling": "with signals", "hinted": "with signals, decisions and hints"}


def measure(scale: Scale) -> Iterator[Figure]:
    """Memory by size and kind, and the speed at the largest size against the smallest."""
    for kind in ("plain", "struggling"):
        yield from _figures(scale, kind)
    with Holding(scale.attempts[len(scale.attempts) // 2], "hinted") as holding:
        yield _memory(holding, "hinted", aim=None)


def _figures(scale: Scale, kind: str) -> Iterator[Figure]:
    for attempts in scale.attempts[1:-1]:
        with Holding(attempts, kind) as holding:
            yield _memory(holding, kind, MEMORY_AIMS[kind])
    with ExitStack() as open_holdings:
        sizes = (scale.attempts[0], scale.attempts[-1])
        few, many = (open_holdings.enter_context(Holding(size, kind)) for size in sizes)
        yield _memory(few, kind, MEMORY_AIMS[kind])
        yield _memory(many, kind, MEMORY_AIMS[kind])
        yield _speed(few, many, kind, scale)


def _memory(holding: Holding, kind: str, aim: Aim | None) -> Figure:
    used: dict[str, Any] = holding.ask("memory")
    kilobytes = used["used_bytes"] / used["open_attempts"] / _KB
    return figure(f"memory an open attempt, {holding.attempts:,} open, {_SAYS[kind]}", [kilobytes], "kB", aim)


def _speed(few: Holding, many: Holding, kind: str, scale: Scale) -> Figure:
    order = f"turn {scale.turn_events}"
    for holding in (few, many):
        holding.ask(order)
    at_few, at_many = interleaved(scale.repeats, [partial(_turn, holding, order) for holding in (few, many)])
    speeds = [number(scale.turn_events / median(walls(each))) for each in (at_many, at_few)]
    by_cpu = number(median(quotients(cpus(at_few), cpus(at_many))))
    name = f"speed with {many.attempts:,} open / with {few.attempts:,}, {_SAYS[kind]}"
    note = f"events/s: {speeds[0]} against {speeds[1]}; by processor time {by_cpu}"
    return figure(name, quotients(walls(at_few), walls(at_many)), "", SPEED_AIM, note)


def _turn(holding: Holding, order: str) -> Taken:
    answer = holding.ask(order)
    return Taken(answer["wall_s"], answer["cpu_s"])
