"""Facts, hints and dead letters on their way to Redis, counted as they go.

Every write waits for a Redis that is away, and is safe to repeat: what was written before a
restart is known by its id and written no second time.
"""

from collections.abc import Callable, Sequence

from flows.dataflow import Sinks
from flows.sinks.list_sink import ListSink
from flows.sinks.output_metrics import PUBLISHED, OutputMetrics
from operators.hints.arbitration import Verdict
from operators.hints.hint import HeldBack, Hint, Retirement, WordingReward
from operators.records.dead_letters import DeadLetter
from operators.records.facts import Fact
from state.contacts.presence import Routes
from state.dead_letters.writer import RedisDeadLetterWriter
from state.facts.stream import RedisFactStream
from state.hints.transitions import HintOrder
from state.hints.writer import RedisHintWriter
from state.redis.retry import Retry


class RedisSinks:
    """The three ways out, each with one connection a worker."""

    def __init__(
        self,
        new_writers: Callable[[], tuple[RedisFactStream, RedisHintWriter, RedisDeadLetterWriter]],
        routes: Callable[[], Routes],
        retry: Retry,
        counts: OutputMetrics,
    ) -> None:
        self._new_writers = new_writers
        self._routes = routes
        self._retry = retry
        self._counts = counts

    def sinks(self) -> Sinks:
        """The sinks for the dataflow."""
        return Sinks(
            facts=ListSink(self._fact_writer),
            dead_letters=ListSink(self._dead_letter_writer),
            hints=ListSink(self._verdict_writer),
        )

    def _fact_writer(self) -> Callable[[Sequence[Fact]], None]:
        stream, _, _ = self._new_writers()

        def write(facts: Sequence[Fact]) -> None:
            published = [fact for fact in facts if fact.kind in PUBLISHED]
            if published:
                self._retry(lambda: stream.write(published))
                self._counts.facts(published)

        return write

    def _verdict_writer(self) -> Callable[[Sequence[Verdict]], None]:
        stream, hints, _ = self._new_writers()
        desks = HintDelivery(hints, self._routes(), self._retry)

        def write(verdicts: Sequence[Verdict]) -> None:
            desks.write(verdicts)
            published = [verdict for verdict in verdicts if isinstance(verdict, Hint | Retirement)]
            if published:
                self._retry(lambda: stream.write(published))
            self._counts.verdicts(verdicts)

        return write

    def _dead_letter_writer(self) -> Callable[[Sequence[DeadLetter]], None]:
        _, _, dead_letters = self._new_writers()

        def write(letters: Sequence[DeadLetter]) -> None:
            self._retry(lambda: dead_letters.write(letters))
            self._counts.dead_letters(letters)

        return write


class HintDelivery:
    """Hints on their way to desks and bots, which are reached by Redis whatever the bus is."""

    def __init__(self, hints: RedisHintWriter, routes: Routes, retry: Retry) -> None:
        self._hints = hints
        self._routes = routes
        self._retry = retry

    def write(self, verdicts: Sequence[Verdict]) -> None:
        """What of ``verdicts`` is of any use to a desk or bot."""
        orders = [verdict for verdict in verdicts if not isinstance(verdict, HeldBack | WordingReward)]
        if orders:
            self._retry(lambda: self._hints.write(self._routed(orders)))

    def _routed(self, orders: Sequence[HintOrder | Hint]) -> list[HintOrder]:
        """Hints with where they go, the rest as it is."""
        hints = [order for order in orders if isinstance(order, Hint)]
        placements = iter(self._routes.placements(hints) if hints else ())
        return [next(placements) if isinstance(order, Hint) else order for order in orders]
