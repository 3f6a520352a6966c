"""Facts, hints and dead letters on their way to Redis, counted as they go.

Every write waits for a Redis that is away, and is safe to repeat: what was told before a
restart is known by its id and told no second time.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from flows.dataflow import Outlets
from flows.metrics import EngineMetrics
from flows.sinks import ListSink
from operators.arbitration import Verdict
from operators.dead_letters import DeadLetter
from operators.facts import Fact
from operators.hints import HeldBack, Hint, Retirement
from operators.routing import desk_of
from state.dead_letters import RedisDeadLetters
from state.facts import RedisFactStream
from state.hint_moves import Order, Telling
from state.hints import RedisHintStore

Patiently = Callable[[Callable[[], object]], object]
"""Makes a call until it gets through."""

_PUBLISHED: Final = frozenset(("started", "struggled", "abandoned", "returned", "completed", "cancelled", "expired"))
_OLDEST_S: Final = 3_600.0
"""A fact about something longer ago comes from a recording or an outage: no latency of ours."""


class RedisOutlets:
    """The three ways out, each with one connection a worker."""

    def __init__(
        self,
        stores: Callable[[], tuple[RedisFactStream, RedisHintStore, RedisDeadLetters]],
        desks: Sequence[str],
        patiently: Patiently,
        metrics: EngineMetrics,
    ) -> None:
        self._stores = stores
        self._desks = tuple(desks)
        self._patiently = patiently
        self._metrics = metrics

    def outlets(self) -> Outlets:
        """The sinks for the dataflow."""
        return Outlets(
            facts=ListSink(self._fact_writer),
            dead_letters=ListSink(self._dead_letter_writer),
            hints=ListSink(self._verdict_writer),
        )

    def _fact_writer(self) -> Callable[[Sequence[Fact]], None]:
        stream, _, _ = self._stores()

        def write(facts: Sequence[Fact]) -> None:
            published = [fact for fact in facts if fact.kind in _PUBLISHED]
            if published:
                self._patiently(lambda: stream.write(published))
                self._count_facts(published)

        return write

    def _verdict_writer(self) -> Callable[[Sequence[Verdict]], None]:
        stream, hints, _ = self._stores()

        def write(verdicts: Sequence[Verdict]) -> None:
            orders = [self._order(each) for each in verdicts if not isinstance(each, HeldBack)]
            told = [each for each in verdicts if isinstance(each, Hint | Retirement)]
            if orders:
                self._patiently(lambda: hints.write(orders))
            if told:
                self._patiently(lambda: stream.write(told))
            self._count_verdicts(verdicts)

        return write

    def _dead_letter_writer(self) -> Callable[[Sequence[DeadLetter]], None]:
        _, _, dead_letters = self._stores()

        def write(letters: Sequence[DeadLetter]) -> None:
            self._patiently(lambda: dead_letters.write(letters))
            for letter in letters:
                self._metrics.dead_letters.labels(letter.rejections[0].kind).inc()

        return write

    def _order(self, verdict: Order | Hint) -> Order:
        if isinstance(verdict, Hint):
            return Telling(verdict, desk_of(verdict.customer_id, self._desks))
        return verdict

    def _count_facts(self, facts: Sequence[Fact]) -> None:
        now_s = time.time()
        for fact in facts:
            self._metrics.facts.labels(fact.kind, fact.journey, fact.step or "").inc()
            seconds = now_s - fact.at_ms / 1000
            if 0 <= seconds <= _OLDEST_S:
                self._metrics.fact_seconds.labels(fact.kind).observe(seconds)
            if fact.reasons:
                self._metrics.reasons.labels(fact.journey, fact.reasons[0].code).inc()

    def _count_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            if isinstance(verdict, Hint):
                self._metrics.hints.labels(verdict.journey, "created").inc()
            elif isinstance(verdict, HeldBack):
                self._metrics.hints_held_back.labels(verdict.journey, verdict.why_not).inc()
            elif isinstance(verdict, Retirement):
                self._metrics.retirements.labels(verdict.cause).inc()
