"""What snapshots cost while the stream goes on, and how long a restart takes with them.

In: how many attempts are open, and how many of them awake; the others are dormant: told as broken off, not yet
forgotten. Out: the speed of the whole dataflow with snapshots against without, the stall at each epoch, and the
seconds from the start of an engine to its first look at the bus. With and without take turns, each in a process
of its own; nothing else is in the way: no Redis, no network.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

from bench.dataflow_process import EPOCH_MS
from bench.figures import Aim, Figure, figure, number, percentile
from bench.inputs import ROOT
from bench.not_measured import NotMeasured
from bench.scale import Scale

SPEED_AIM: Final = Aim(at_least=0.85)
STALL_AIM: Final = Aim(at_most=50.0)
RESTART_AIM: Final = Aim(at_most=30.0)
_AWAKE_SHARE: Final = 11
"""One attempt of so many is awake: 100,000 of 1,100,000."""
_SETTLING_LOOKS: Final = 20
"""The first looks after the filling still pay for it."""


def measure(scale: Scale) -> Iterator[Figure]:
    """Speed, stalls, restart."""
    rounds = [_round(scale) for _ in range(scale.snapshot_repeats)]
    attempts, awake = scale.snapshot_attempts, scale.snapshot_attempts // _AWAKE_SHARE
    at = f"{awake:,} attempts awake, {attempts - awake:,} dormant, 32 shards, an epoch of 5 s, at full speed"
    ratios = [without["wall_s"] / kept["wall_s"] for without, kept, _ in rounds]
    speeds = " against ".join(
        number(scale.snapshot_events / median(each[index]["wall_s"] for each in rounds)) for index in (1, 0)
    )
    yield figure("speed with snapshots / without", ratios, "", SPEED_AIM, f"{at}; events/s: {speeds}")
    stalls_ms = [_stalls_ms(kept) for _, kept, _ in rounds]
    plain_ms = [stall for without, _, _ in rounds for stall in _stalls_ms(without)]
    note = f"what an epoch takes beyond a usual look; without snapshots p99 {number(percentile(plain_ms, 0.99))} ms"
    yield figure("stall at an epoch, p50", [median(each) for each in stalls_ms], "ms")
    yield figure("stall at an epoch, p99", [percentile(each, 0.99) for each in stalls_ms], "ms", STALL_AIM, note)
    yield figure("start to first look, with snapshots", [each["wall_s"] for _, _, each in rounds], "s", RESTART_AIM, at)


def _round(scale: Scale) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Without snapshots, with them, and a restart from them."""
    with tempfile.TemporaryDirectory() as folder:
        recovery = str(Path(folder) / "recovery")
        return _asked(scale, "-"), _asked(scale, recovery), _asked(scale, recovery)


def _asked(scale: Scale, folder: str) -> dict[str, Any]:
    attempts = scale.snapshot_attempts
    numbers = map(str, (attempts, attempts // _AWAKE_SHARE, scale.snapshot_events))
    command = [sys.executable, "-m", "bench.dataflow_process", *numbers, folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotMeasured("snapshots", f"the process ended with {done.returncode}", "an answer")
    answer: dict[str, Any] = msgspec.json.decode(done.stdout)
    return answer


def _stalls_ms(answer: dict[str, Any]) -> Sequence[float]:
    """The longest pauses, one an epoch, beyond the usual pause."""
    pauses_ms: list[float] = answer["pauses_ms"][_SETTLING_LOOKS:]
    epochs = max(1, int(1000 * answer["wall_s"] / EPOCH_MS))
    usual_ms = median(pauses_ms)
    return [pause_ms - usual_ms for pause_ms in sorted(pauses_ms)[-epochs:]]
