"""What the engine counts: one table, and the counters made from it.

In: a registry. Out: one attribute a row of ``TABLE``. No label ever names a customer or a
transaction. The table is what ``docs/reference/metrics.md`` prints.
"""

from collections.abc import Iterable
from typing import Final, get_args

from prometheus_client import CollectorRegistry

from config.metric import Metric, counter, gauge, histogram, one_label, process_metrics
from flows.metrics import learning as learning_metrics
from flows.metrics import models as model_metrics
from flows.metrics import uplift as uplift_metrics
from operators.hints.hint import RetireCause, WhyNot

LATENCY_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
SNAPSHOT_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

EVENTS: Final = Metric(
    "zhiyin_engine_events_total",
    "counter",
    "events read from the bus, by what became of them (taken, duplicate, late, disordered, ignored); "
    "late and disordered ones are taken too",
    ("outcome",),
    known=one_label("taken", "duplicate", "late", "disordered", "ignored"),
)
DEAD_LETTERS: Final = Metric(
    "zhiyin_dead_letters_total",
    "counter",
    "events from the bus that could not be taken, by what was wrong",
    ("kind",),
    known=one_label("not_json", "no_customer", "no_journey", "unknown_journey", "unknown_step", "time_out_of_range"),
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
PAIN_POINTS: Final = Metric(
    "zhiyin_pain_points_total",
    "counter",
    "what happened to pain points, by journey and word (opened, assigned, fixed, verified, dismissed, reopened)",
    ("journey", "word"),
)
WORDINGS: Final = Metric(
    "zhiyin_hint_wordings_total",
    "counter",
    "hints whose wording the bandit chose, by variant (0: `say`)",
    ("journey", "reason", "variant"),
)
WORDING_OUTCOMES: Final = Metric(
    "zhiyin_hint_wording_outcomes_total",
    "counter",
    "how the attempts of those hints ended (completed, not_completed): what the bandit learns from",
    ("journey", "reason", "variant", "outcome"),
)
UNTOLD: Final = Metric(
    "zhiyin_untold_total", "counter", "facts and hints too large for their Kafka topic, by topic", ("topic",)
)
RETIREMENTS: Final = Metric(
    "zhiyin_hints_retired_total",
    "counter",
    "hints that ended, by cause",
    ("cause",),
    known=one_label(*get_args(RetireCause)),
)
OUTREACH: Final = Metric(
    "zhiyin_outreach_total", "counter", "customers put on the outreach list, by journey", ("journey",)
)
OUTREACH_ENDED: Final = Metric(
    "zhiyin_outreach_ended_total", "counter", "entries that went from the outreach list, by cause", ("cause",)
)
OUTREACH_NOT_LISTED: Final = Metric(
    "zhiyin_outreach_not_listed_total",
    "counter",
    "abandonments that nobody is to call about, by why not",
    ("journey", "why_not"),
)
BUNDLES: Final = Metric(
    "zhiyin_bundles_total", "counter", "bundles told as a contact began, by channel of the contact", ("channel",)
)
NEED_FAILURES: Final = Metric(
    "zhiyin_need_failures_total",
    "counter",
    "policies that a rule of a need could not be held against, by need: the rule needs mending",
    ("need",),
)
OPEN_ATTEMPTS: Final = Metric("zhiyin_open_attempts", "gauge", "attempts in memory, broken off or not")
WATERMARK_LAG: Final = Metric(
    "zhiyin_watermark_lag_seconds", "gauge", "how far the slowest shard with open attempts is behind the clock"
)
BUS_LAG: Final = Metric(
    "zhiyin_bus_lag_seconds",
    "gauge",
    "age of the newest event read while more are waiting; 0 when all is read; grows while Kafka is away",
    ("partition",),
)
BUS_LAG_EVENTS: Final = Metric(
    "zhiyin_bus_lag_events",
    "gauge",
    "events that wait in a partition of the bus, as far as the engine knows",
    ("partition",),
)
BUS_LOST: Final = Metric(
    "zhiyin_bus_lost_events_total",
    "counter",
    "events that Kafka deleted before the engine had read them",
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
    PAIN_POINTS,
    WORDINGS,
    WORDING_OUTCOMES,
    UNTOLD,
    OUTREACH,
    OUTREACH_ENDED,
    OUTREACH_NOT_LISTED,
    BUNDLES,
    NEED_FAILURES,
    OPEN_ATTEMPTS,
    WATERMARK_LAG,
    BUS_LAG,
    BUS_LAG_EVENTS,
    BUS_LOST,
    SNAPSHOT_SECONDS,
    BUILD,
    *learning_metrics.TABLE,
    *uplift_metrics.TABLE,
    *model_metrics.TABLE,
)


class EngineMetrics:
    """The counters of one engine, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        process_metrics(self.registry)
        self.events = counter(EVENTS, self.registry)
        self.dead_letters = counter(DEAD_LETTERS, self.registry)
        self.facts = counter(FACTS, self.registry)
        self.fact_seconds = histogram(FACT_SECONDS, self.registry)
        self.reasons = counter(REASONS, self.registry)
        self.hints = counter(HINTS, self.registry)
        self.hints_held_back = counter(HINTS_HELD_BACK, self.registry)
        self.retirements = counter(RETIREMENTS, self.registry)
        self.pain_points = counter(PAIN_POINTS, self.registry)
        self.wordings = counter(WORDINGS, self.registry)
        self.wording_outcomes = counter(WORDING_OUTCOMES, self.registry)
        self.untold = counter(UNTOLD, self.registry)
        self.outreach = counter(OUTREACH, self.registry)
        self.outreach_ended = counter(OUTREACH_ENDED, self.registry)
        self.outreach_not_listed = counter(OUTREACH_NOT_LISTED, self.registry)
        self.bundles = counter(BUNDLES, self.registry)
        self.need_failures = counter(NEED_FAILURES, self.registry)
        self.open_attempts = gauge(OPEN_ATTEMPTS, self.registry)
        self.watermark_lag = gauge(WATERMARK_LAG, self.registry)
        self.bus_lag = gauge(BUS_LAG, self.registry)
        self.bus_lag_events = gauge(BUS_LAG_EVENTS, self.registry)
        self.bus_lost = counter(BUS_LOST, self.registry)
        self.snapshot_seconds = histogram(SNAPSHOT_SECONDS, self.registry)
        self.build = gauge(BUILD, self.registry)
        self.learning = learning_metrics.LearningMetrics(self.registry)
        self.uplift = uplift_metrics.UpliftMetrics(self.registry)
        self.models = model_metrics.ModelMetrics(self.registry)

    def expect(self, journeys: Iterable[str]) -> None:
        """Serve hints of these journeys, and the reasons for none, as 0 from now on."""
        for journey in journeys:
            self.hints.labels(journey, "created")
            for why_not in get_args(WhyNot):
                self.hints_held_back.labels(journey, why_not)

    def events_read(self) -> int:
        """Events read since the start that were no dead letters."""
        samples = [sample for metric in self.events.collect() for sample in metric.samples]
        own = ("taken", "duplicate", "ignored")
        return round(
            sum(sample.value for sample in samples if _is_total(sample.name) and sample.labels["outcome"] in own)
        )


def _is_total(sample: str) -> bool:
    return sample.endswith("_total")
