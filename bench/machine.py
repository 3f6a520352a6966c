"""The machine a figure was taken on, in one line, and whether it had other things to do.

In: nothing. Out: ``Machine``. What the system does not tell is ``unknown``.
"""

import os
import platform
import sysconfig
from pathlib import Path
from typing import Final

import msgspec
import psutil

BUSY_SHARE: Final = 0.5
"""From half a core's worth of other work for each core on, absolute numbers say little."""


class Machine(msgspec.Struct, frozen=True):
    """``cores``: that this process may use; ``load``: the load average of the last minute."""

    cpu: str
    cores: int
    memory_gb: float
    load: float
    python: str
    optimised: bool
    """Whether this Python was built with profile-guided optimisation, which makes it a tenth quicker or more."""

    @property
    def is_busy(self) -> bool:
        """Whether others had a good part of it."""
        return self.load > BUSY_SHARE * self.cores

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb:.0f} GB, load average {self.load:.2f}, "
            f"Python {self.python}{'' if self.optimised else ' (a build without optimisations)'}"
        )


def this_machine() -> Machine:
    """As it is now."""
    memory_gb = psutil.virtual_memory().total / 1024**3
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    cores = len(os.sched_getaffinity(0))
    return Machine(_cpu(), cores, memory_gb, os.getloadavg()[0], platform.python_version(), optimised)


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text("utf-8").splitlines() if information.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")
