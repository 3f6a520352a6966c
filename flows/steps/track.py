"""The tracking step: one shard's raw events become observations, contacts and dead letters."""

from collections.abc import Callable, Iterable

from bytewax.operators import StatefulBatchLogic

from flows.steps.customer_step import is_erasure
from flows.steps.enrich import with_details
from flows.steps.journaled_state import Remembering
from flows.steps.messages import ShardBatch, Tracked
from flows.steps.validate import Fitting, LatestMs, fitting
from operators.records.dead_letters import DeadLetter
from operators.records.facts import Around
from operators.tracking.tracker import JourneyShard


class TrackLogic(StatefulBatchLogic[ShardBatch, Tracked, bytes]):
    """One shard. ``latest_ms(arrived_ms)``: the last instant an event may claim."""

    def __init__(
        self,
        shard: JourneyShard,
        latest_ms: LatestMs,
        run_out: Callable[[], bool],
        watch: Callable[[JourneyShard], None],
        remembering: Remembering,
    ) -> None:
        self._shard = shard
        self._latest_ms = latest_ms
        self._run_out = run_out
        self._watch = watch
        self._remembering = remembering
        self._around: list[Around] = []

    def on_batch(self, values: list[ShardBatch]) -> tuple[Iterable[Tracked], bool]:
        """Every event of every batch, then the silences the watermark has passed."""
        dead_letters: list[DeadLetter] = []
        for batch in values:
            self._remembering.call(f"track-{batch.shard}")
            self._take(fitting(batch, self._latest_ms, dead_letters), dead_letters)
            self._shard.settle(batch.now_ms)
        self._remembering.write_ahead()
        self._watch(self._shard)
        return self._emit(dead_letters), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[Tracked], bool]:
        """A recording's time runs on; a live stream that stops is only paused."""
        if not self._run_out():
            return (), StatefulBatchLogic.RETAIN
        self._shard.run_out()
        return self._emit([]), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The place in the shard's journal."""
        return self._remembering.snapshot()

    def _take(self, fit: Fitting, dead_letters: list[DeadLetter]) -> None:
        for index, refusal in self._shard.take(fit.events, fit.times_ms, fit.arrived_ms):
            event, at_ms = fit.events[index], fit.times_ms[index]
            arrived_ms = fit.arrived_ms[index] if fit.arrived_ms is not None else None
            dead_letters.append(DeadLetter(fit.raws[index], (refusal,), arrived_ms, event.customer_id, at_ms))
        self._around += with_details(self._shard.collect_around(), fit, dead_letters)

    def _emit(self, dead_letters: list[DeadLetter]) -> Iterable[Tracked]:
        around, self._around = self._around, []
        if any(map(is_erasure, around)):
            self._remembering.rewrite_soon()
        tracked = Tracked(self._shard.collect(), around, dead_letters, self._shard.collect_moves())
        return (tracked,) if tracked.observations or around or dead_letters or tracked.moves else ()
