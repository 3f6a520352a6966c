"""The tracking step: one shard's raw events become observations, contacts and dead letters."""

from collections.abc import Callable, Iterable

from bytewax.operators import StatefulBatchLogic

from flows.steps.customer_step import is_erasure
from flows.steps.enrich import enrich
from flows.steps.journaled_state import JournaledState
from flows.steps.messages import ShardBatch, TrackerOutput
from flows.steps.validate import LatestMs, ValidBatch, validate_batch
from operators.records.dead_letters import DeadLetter
from operators.records.facts import Interaction
from operators.tracking.tracker import ShardTracker


class TrackLogic(StatefulBatchLogic[ShardBatch, TrackerOutput, bytes]):
    """One shard. ``latest_ms(arrived_ms)``: the last instant an event may claim."""

    def __init__(
        self,
        shard: ShardTracker,
        latest_ms: LatestMs,
        run_out: Callable[[], bool],
        watch: Callable[[ShardTracker], None],
        remembering: JournaledState,
    ) -> None:
        self._shard = shard
        self._latest_ms = latest_ms
        self._run_out = run_out
        self._watch = watch
        self._remembering = remembering
        self._around: list[Interaction] = []

    def on_batch(self, values: list[ShardBatch]) -> tuple[Iterable[TrackerOutput], bool]:
        """Every event of every batch, then the silences the watermark has passed."""
        dead_letters: list[DeadLetter] = []
        for batch in values:
            self._remembering.open(f"track-{batch.shard}")
            self._take(validate_batch(batch, self._latest_ms, dead_letters), dead_letters)
            self._shard.settle(batch.now_ms)
        self._remembering.write_ahead()
        self._watch(self._shard)
        return self._emit(dead_letters), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[TrackerOutput], bool]:
        """A recording's time runs on; a live stream that stops is only paused."""
        if not self._run_out():
            return (), StatefulBatchLogic.RETAIN
        self._shard.run_out()
        return self._emit([]), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The place in the shard's journal."""
        return self._remembering.snapshot()

    def _take(self, fit: ValidBatch, dead_letters: list[DeadLetter]) -> None:
        for index, refusal in self._shard.take(fit.events, fit.times_ms, fit.arrived_ms):
            event, at_ms = fit.events[index], fit.times_ms[index]
            arrived_ms = fit.arrived_ms[index] if fit.arrived_ms is not None else None
            dead_letters.append(DeadLetter(fit.raws[index], (refusal,), arrived_ms, event.customer_id, at_ms))
        self._around += enrich(self._shard.collect_interactions(), fit, dead_letters)

    def _emit(self, dead_letters: list[DeadLetter]) -> Iterable[TrackerOutput]:
        around, self._around = self._around, []
        if any(map(is_erasure, around)):
            self._remembering.rewrite_soon()
        tracked = TrackerOutput(self._shard.collect(), around, dead_letters, self._shard.collect_transitions())
        return (tracked,) if tracked.observations or around or dead_letters or tracked.transitions else ()
