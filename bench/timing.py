"""How long work takes, by the clock and by the processor; what is compared takes turns.

In: work to do. Out: ``Taken`` samples. The clock's ratio is the figure; where others use the machine too, the
processor's, printed beside it, is the steadier one.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

Result = TypeVar("Result")
_LEAST_S: Final = 0.3


class Taken(NamedTuple):
    """One pass: by the clock, and by the processor (all threads of this process, and whoever else is asked for)."""

    wall_s: float
    cpu_s: float


def taken(
    work: Callable[[], object], least_s: float = 0.0, processor_s: Callable[[], float] = time.process_time
) -> Taken:
    """What one pass of ``work`` takes, over as many passes as last ``least_s`` together.

    ``processor_s()``: the processor's clock; another where the work is done by other processes too.
    """
    began, began_cpu = time.perf_counter(), processor_s()
    passes, wall_s = 0, 0.0
    while passes == 0 or wall_s < least_s:
        work()
        passes += 1
        wall_s = time.perf_counter() - began
    return Taken(wall_s / passes, (processor_s() - began_cpu) / passes)


def taken_often(work: Callable[[], object]) -> Taken:
    """One pass of short ``work``, over as many as give the clock something to measure."""
    return taken(work, _LEAST_S)


def interleaved(repeats: int, runs: Sequence[Callable[[], Result]]) -> list[list[Result]]:
    """Each run's results when all take turns, A B A B: what the machine does meanwhile meets them all."""
    results: list[list[Result]] = [[] for _ in runs]
    for _ in range(repeats):
        for kept, run in zip(results, runs, strict=True):
            kept.append(run())
    return results


def walls(samples: Sequence[Taken]) -> list[float]:
    """By the clock, in s."""
    return [each.wall_s for each in samples]


def cpus(samples: Sequence[Taken]) -> list[float]:
    """By the processor, in s."""
    return [each.cpu_s for each in samples]


def quotients(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """``over[i] / under[i]``: of samples taken next to each other in time."""
    return [above / below for above, below in zip(over, under, strict=True)]
