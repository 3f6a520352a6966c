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
        state: JournaledState,
    ) -> None:
        self._shard = shard
        self._latest_ms = latest_ms
        self._run_out = run_out
        self._watch = watch
        self._state = state
        self._interactions: list[Interaction] = []

    def on_batch(self, values: list[ShardBatch]) -> tuple[Iterable[TrackerOutput], bool]:
        """Every event of every batch, then the silences the watermark has passed."""
        dead_letters: list[DeadLetter] = []
        for batch in values:
            self._state.open(f"track-{batch.shard}")
            self._take(validate_batch(batch, self._latest_ms, dead_letters), dead_letters)
            self._shard.settle(batch.now_ms)
        self._state.write_ahead()
        self._watch(self._shard)
        return self._emit(dead_letters), StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[Iterable[TrackerOutput], bool]:
        """A recording's time runs on; a live stream that stops is only paused."""
        if not self._run_out():
            return (), StatefulBatchLogic.RETAIN
        self._shard.run_out()
        return self._emit([]), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """The position in the shard's journal."""
        return self._state.snapshot()

    def _take(self, batch: ValidBatch, dead_letters: list[DeadLetter]) -> None:
        for index, refusal in self._shard.take(batch.events, batch.times_ms, batch.arrived_ms):
            event, at_ms = batch.events[index], batch.times_ms[index]
            arrived_ms = batch.arrived_ms[index] if batch.arrived_ms is not None else None
            dead_letters.append(DeadLetter(batch.raws[index], (refusal,), arrived_ms, event.customer_id, at_ms))
        self._interactions += enrich(self._shard.collect_interactions(), batch, dead_letters)

    def _emit(self, dead_letters: list[DeadLetter]) -> Iterable[TrackerOutput]:
        interactions, self._interactions = self._interactions, []
        if any(map(is_erasure, interactions)):
            self._state.rewrite_soon()
        tracked = TrackerOutput(self._shard.collect(), interactions, dead_letters, self._shard.collect_transitions())
        return (tracked,) if tracked.observations or interactions or dead_letters or tracked.transitions else ()
