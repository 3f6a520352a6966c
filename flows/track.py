"""The tracking step: one shard's raw events become observations, contacts and dead letters."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from bytewax.operators import StatefulBatchLogic

from flows.delivery import Around, ShardBatch, Tracked
from operators.dead_letters import DeadLetter
from operators.events import SURROUNDINGS, Event, Rejection, read_events
from operators.instants import iso_text, to_ms
from operators.journey import JourneyShard

EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01T00:00:00Z: nothing a customer does on line is older."""


class TrackLogic(StatefulBatchLogic[ShardBatch, Tracked, bytes]):
    """One shard. ``latest_ms(arrived_ms)``: the last instant an event may claim."""

    def __init__(
        self,
        shard: JourneyShard,
        latest_ms: Callable[[int | None], int],
        run_out: Callable[[], bool],
        watch: Callable[[JourneyShard], None],
        snapshot_took: Callable[[float], None],
    ) -> None:
        self._shard = shard
        self._latest_ms = latest_ms
        self._run_out = run_out
        self._watch = watch
        self._snapshot_took = snapshot_took

    def on_batch(self, values: list[ShardBatch]) -> tuple[Iterable[Tracked], bool]:
        """Every event of every batch, then the silences the watermark has passed."""
        tracked = Tracked([], [], [])
        for batch in values:
            self._take(batch, tracked)
            self._shard.settle(batch.now_ms)
        self._watch(self._shard)
        return self._emit(tracked), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[Tracked], bool]:
        """A recording's time runs on; a live stream that stops is only paused."""
        if not self._run_out():
            return (), StatefulBatchLogic.RETAIN
        self._shard.run_out()
        return self._emit(Tracked([], [], [])), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The whole shard, packed."""
        began = time.perf_counter()
        packed = self._shard.state()
        self._snapshot_took(time.perf_counter() - began)
        return packed

    def _emit(self, tracked: Tracked) -> Iterable[Tracked]:
        tracked.observations = self._shard.collect()
        return (tracked,) if tracked.observations or tracked.around or tracked.dead_letters else ()

    def _take(self, batch: ShardBatch, tracked: Tracked) -> None:
        take, around, latest_ms = self._shard.take, tracked.around, self._latest_ms
        times_ms, arrived = batch.times_ms, batch.arrived_ms
        limit_ms = latest_ms(None) if arrived is None else 0
        refused_before = len(tracked.dead_letters)
        for index, event in enumerate(read_events(batch.raws)):
            arrived_ms = None
            if arrived is not None:
                arrived_ms = arrived[index]
                limit_ms = latest_ms(arrived_ms)
            if isinstance(event, Rejection):
                _refuse(tracked, batch, index, event)
                continue
            at_ms = times_ms[index] if times_ms is not None else _own_time_ms(event)
            if at_ms is None or not EARLIEST_MS <= at_ms <= limit_ms:
                _refuse(tracked, batch, index, _wrong_time(at_ms, limit_ms))
                continue
            customer_id = event.user_id or event.anonymous_id or ""
            rejection = take(event, customer_id, at_ms, arrived_ms)
            if rejection is not None:
                _refuse(tracked, batch, index, rejection)
            elif event.event in SURROUNDINGS:
                around.append(Around(event, customer_id, at_ms))
        self._shard.counts.events += len(batch.raws) - len(tracked.dead_letters) + refused_before


def _own_time_ms(event: Event) -> int | None:
    return to_ms(event.timestamp) if event.timestamp is not None else None


def _wrong_time(at_ms: int | None, limit_ms: int) -> Rejection:
    if at_ms is None:
        return Rejection("no_time", "$.timestamp", "nothing", "an ISO 8601 UTC timestamp")
    expected = f"an instant from {iso_text(EARLIEST_MS)} to {iso_text(limit_ms)}"
    return Rejection("time_out_of_range", "$.timestamp", iso_text(at_ms), expected)


def _refuse(tracked: Tracked, batch: ShardBatch, index: int, *rejections: Rejection) -> None:
    arrived_ms = batch.arrived_ms[index] if batch.arrived_ms is not None else None
    tracked.dead_letters.append(DeadLetter(batch.raws[index], rejections, arrived_ms))
