"""A process of its own that holds open attempts, and says what they cost.

In, on standard input: one order a line (``memory``, ``turn EVENTS``), with how many attempts
and of which kind on its command line. Out: one line of JSON an order. Refused: other orders.
Run as ``python -m bench.shard_process ATTEMPTS KIND``; KIND is ``plain``, ``struggling``, or ``hinted``:
struggling, with what deciding and hinting remember too.
"""

import gc
import sys
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import psutil

from bench.inputs import SHIPPED_CATALOGUE
from bench.timing import taken
from bench.visits import POLL_EVENTS, Visits
from config import load_catalogue
from flows.live.runner import quieten_garbage_collection
from flows.steps.customer_step import CustomerStep
from flows.steps.decide import arbitrable, deciding_fixed
from flows.steps.journaled_state import JournaledState
from flows.steps.messages import CustomerInputs, Poll, ShardBatch, by_shard
from flows.steps.shard_keys import shard_key
from flows.steps.track import TrackLogic
from operators.hints.arbitration import Arbitration
from operators.records.events import read_events
from operators.tracking.plan import journey_plans
from operators.tracking.tracker import ShardTracker

SHARDS: Final = 32
KINDS: Final = ("plain", "struggling", "hinted")
_LATEST_MS: Final = 1 << 60


class ShardSetup:
    """The shards as the live engine has them (no idle ladder), and where ``hinted`` the decisions behind."""

    def __init__(self, *, hinted: bool) -> None:
        self.catalogue = load_catalogue(SHIPPED_CATALOGUE, quiet_hours=False)
        plans = journey_plans(self.catalogue, checkpoints=False)
        self.shards = {shard_key(number): ShardTracker(plans, keeps_changes=True) for number in range(SHARDS)}
        self._tracks = {key: _track(shard) for key, shard in self.shards.items()}
        self._decide = deciding_fixed(self.catalogue, learning=()) if hinted else None
        self._arbitrations = {key: Arbitration(self.catalogue) for key in self.shards}
        self._arbitrate = {
            key: CustomerStep("arbitrate", each, arbitrable, None, JournaledState(each, None, None))
            for key, each in self._arbitrations.items()
        }

    @property
    def open_attempts(self) -> int:
        """How many there are now."""
        return sum(shard.open_attempts for shard in self.shards.values())

    @property
    def hinted_customers(self) -> int:
        """How many customers are remembered for their hints."""
        return sum(map(len, self._arbitrations.values()))

    def take(self, batches: Iterable[tuple[str, ShardBatch]]) -> None:
        """What the engine does with the batches of a poll."""
        for key, batch in batches:
            tracked, _ = self._tracks[key].on_batch([batch])
            if self._decide is not None:
                self._arbitrate[key].on_batch(
                    [CustomerInputs(key, list(facts)) for each in tracked for _, facts in self._decide((key, each))]
                )


def _track(shard: ShardTracker) -> TrackLogic:
    return TrackLogic(shard, lambda _: _LATEST_MS, lambda: False, lambda _: None, JournaledState(shard, None, None))


class Holder:
    """``attempts`` open attempts of one kind, from the beginning on."""

    def __init__(self, attempts: int, kind: str) -> None:
        self._visits = Visits(attempts, struggling=kind != "plain")
        self._house = ShardSetup(hinted=kind == "hinted")
        _read_one_poll()
        before_bytes = _resident_bytes()
        for poll in self._visits.fill():
            self._house.take(_batches(poll))
        self._used_bytes = _resident_bytes() - before_bytes

    def answer(self, order: str, *words: str) -> dict[str, Any]:
        """What one order gives. Raises ValueError for one we don't know."""
        if order == "memory":
            return {"open_attempts": self._house.open_attempts, "used_bytes": self._used_bytes}
        if order == "turn":
            return self._turn(int(words[0]))
        raise ValueError(f"order: found {order!r}, expected memory or turn EVENTS")

    def _turn(self, events: int) -> dict[str, Any]:
        polls = [_batches(poll) for poll in self._visits.turn(events)]
        seconds = taken(lambda: self._take(polls))
        return {"open_attempts": self._house.open_attempts, "wall_s": seconds.wall_s, "cpu_s": seconds.cpu_s}

    def _take(self, polls: Iterable[Iterable[tuple[str, ShardBatch]]]) -> None:
        for batches in polls:
            self._house.take(batches)


def _batches(poll: Poll) -> list[tuple[str, ShardBatch]]:
    return list(by_shard(poll, SHARDS))


def _read_one_poll() -> None:
    """What making and reading a poll needs for a moment is no memory of an attempt."""
    poll = next(Visits(POLL_EVENTS, struggling=True).fill())
    for _, batch in _batches(poll):
        read_events(batch.raws)


def _resident_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def main(attempts: str, kind: str) -> None:
    """Fills the shards, then answers orders until there are no more."""
    quieten_garbage_collection()
    holder = Holder(int(attempts), kind)
    for line in sys.stdin:
        sys.stdout.write(msgspec.json.encode(holder.answer(*line.split())).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
