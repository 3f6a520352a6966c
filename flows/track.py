"""The tracking step: one shard's raw events become observations, contacts and dead letters."""

import time
from collections.abc import Callable, Iterable

from bytewax.operators import StatefulBatchLogic

from flows.delivery import ShardBatch, Tracked
from flows.fitting import Fitting, LatestMs, fitting
from operators.dead_letters import DeadLetter
from operators.journey import JourneyShard


class TrackLogic(StatefulBatchLogic[ShardBatch, Tracked, bytes]):
    """One shard. ``latest_ms(arrived_ms)``: the last instant an event may claim."""

    def __init__(
        self,
        shard: JourneyShard,
        latest_ms: LatestMs,
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
        dead_letters: list[DeadLetter] = []
        for batch in values:
            self._take(fitting(batch, self._latest_ms, dead_letters), dead_letters)
            self._shard.settle(batch.now_ms)
        self._watch(self._shard)
        return self._emit(dead_letters), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[Tracked], bool]:
        """A recording's time runs on; a live stream that stops is only paused."""
        if not self._run_out():
            return (), StatefulBatchLogic.RETAIN
        self._shard.run_out()
        return self._emit([]), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The whole shard, packed."""
        began = time.perf_counter()
        packed = self._shard.state()
        self._snapshot_took(time.perf_counter() - began)
        return packed

    def _take(self, fit: Fitting, dead_letters: list[DeadLetter]) -> None:
        take = self._shard.take
        self._shard.hear(fit.times_ms, fit.arrived_ms)
        for index, (event, at_ms) in enumerate(zip(fit.events, fit.times_ms, strict=True)):
            refusal = take(event, at_ms)
            if refusal is not None:
                self._shard.counts.events -= 1
                arrived_ms = fit.arrived_ms[index] if fit.arrived_ms is not None else None
                dead_letters.append(DeadLetter(fit.raws[index], (refusal,), arrived_ms))

    def _emit(self, dead_letters: list[DeadLetter]) -> Iterable[Tracked]:
        tracked = Tracked(self._shard.collect(), self._shard.collect_around(), dead_letters)
        return (tracked,) if tracked.observations or tracked.around or tracked.dead_letters else ()
