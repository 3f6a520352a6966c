"""How long packing and restoring the state takes, over all shards.

In: how many attempts are open. Out: seconds and bytes; with a snapshot a second and 32 shards, packing one
shard is what an event may have to wait for.
"""

from collections.abc import Iterator

from bench.figures import Figure, figure
from bench.holding import Holding
from bench.scale import Scale


def measure(scale: Scale) -> Iterator[Figure]:
    """Packing, restoring, size."""
    with Holding(scale.snapshot_attempts, "struggling") as holding:
        answers = [holding.ask("snapshot") for _ in range(scale.repeats)]
    at = f"{scale.snapshot_attempts:,} open attempts with signals, 32 shards"
    yield figure("snapshot, pack", [each["pack_s"] for each in answers], "s", note=at)
    yield figure("snapshot, restore", [each["restore_s"] for each in answers], "s", note=at)
    yield figure("snapshot, size", [answers[0]["bytes"] / scale.snapshot_attempts], "bytes an attempt")
