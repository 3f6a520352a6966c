"""What the engine counts: one table, and the counters made from it.

In: a registry. Out: one attribute a row of ``TABLE``. No label ever names a customer or a
transaction. The table is what ``docs/reference/metrics.md`` prints.
"""

from typing import Final, Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
SNAPSHOT_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metric(NamedTuple):
    """One row: full name, kind, what it says, its labels, and for histograms the buckets in seconds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


EVENTS: Final = Metric(
    "zhiyin_engine_events_total",
    "counter",
    "events read from the bus, by what became of them (taken, duplicate, late, disordered, ignored); "
    "late and disordered ones are taken too",
    ("outcome",),
)
DEAD_LETTERS: Final = Metric(
    "zhiyin_dead_letters_total", "counter", "events from the bus that could not be taken, by what was wrong", ("kind",)
)
FACTS: Final = Metric(
    "zhiyin_facts_total", "counter", "facts told, by kind, journey and step", ("kind", "journey", "step")
)
FACT_SECONDS: Final = Metric(
    "zhiyin_event_to_fact_seconds",
    "histogram",
    "from the instant a fact speaks of to its telling, by kind",
    ("kind",),
    LATENCY_BUCKETS_S,
)
REASONS: Final = Metric(
    "zhiyin_abandonment_reasons_total", "counter", "abandonments by journey and likeliest reason", ("journey", "reason")
)
HINTS: Final = Metric("zhiyin_hints_total", "counter", "hints by what the engine made of them", ("journey", "state"))
HINTS_HELD_BACK: Final = Metric(
    "zhiyin_hints_held_back_total", "counter", "abandonments without a hint, by why not", ("journey", "why_not")
)
RETIREMENTS: Final = Metric("zhiyin_hints_retired_total", "counter", "hints that ended, by cause", ("cause",))
OPEN_ATTEMPTS: Final = Metric("zhiyin_open_attempts", "gauge", "attempts in memory, broken off or not")
WATERMARK_LAG: Final = Metric(
    "zhiyin_watermark_lag_seconds", "gauge", "how far the slowest shard with open attempts is behind the clock"
)
BUS_LAG: Final = Metric(
    "zhiyin_bus_lag_seconds",
    "gauge",
    "age of the newest event read while more are waiting; 0 when all is read",
    ("partition",),
)
SNAPSHOT_SECONDS: Final = Metric(
    "zhiyin_snapshot_seconds", "histogram", "packing one shard for a snapshot", (), SNAPSHOT_BUCKETS_S
)
BUILD: Final = Metric("zhiyin_engine_info", "gauge", "always 1; the label says which version runs", ("version",))

TABLE: Final = (
    EVENTS,
    DEAD_LETTERS,
    FACTS,
    FACT_SECONDS,
    REASONS,
    HINTS,
    HINTS_HELD_BACK,
    RETIREMENTS,
    OPEN_ATTEMPTS,
    WATERMARK_LAG,
    BUS_LAG,
    SNAPSHOT_SECONDS,
    BUILD,
)


class EngineMetrics:
    """The counters of one engine, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = self._counter(EVENTS)
        self.dead_letters = self._counter(DEAD_LETTERS)
        self.facts = self._counter(FACTS)
        self.fact_seconds = self._histogram(FACT_SECONDS)
        self.reasons = self._counter(REASONS)
        self.hints = self._counter(HINTS)
        self.hints_held_back = self._counter(HINTS_HELD_BACK)
        self.retirements = self._counter(RETIREMENTS)
        self.open_attempts = self._gauge(OPEN_ATTEMPTS)
        self.watermark_lag = self._gauge(WATERMARK_LAG)
        self.bus_lag = self._gauge(BUS_LAG)
        self.snapshot_seconds = self._histogram(SNAPSHOT_SECONDS)
        self.build = self._gauge(BUILD)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.says, metric.labels, registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.says, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.says, metric.labels, registry=self.registry, buckets=metric.buckets)
