"""What the gateway counts: one table, and the counters made from it.

In: a registry. Out: one attribute per row of ``TABLE``. No label ever names a customer,
a transaction or a desk. The table is what ``docs/reference/metrics.md`` prints.
"""

from typing import Final

from prometheus_client import CollectorRegistry

from config.metric import Metric, counter, gauge, histogram, one_label, process_metrics

REQUEST_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
PUSH_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

EVENTS_RECEIVED: Final = Metric(
    "zhiyin_events_received_total", "counter", "events that reached the collector, taken or not", ("endpoint",)
)
EVENTS_ACCEPTED: Final = Metric("zhiyin_events_accepted_total", "counter", "events put on the bus", ("endpoint",))
EVENTS_REJECTED: Final = Metric(
    "zhiyin_events_rejected_total",
    "counter",
    "events refused at the door, by what was wrong",
    ("kind",),
    known=one_label("not_json", "no_customer", "no_event", "no_journey", "too_big", "too_long", "unknown_type"),
)
BUS_REFUSALS: Final = Metric(
    "zhiyin_bus_refusals_total",
    "counter",
    "requests answered 503 because the bus could not keep them",
    ("cause",),
    known=one_label("bus_full", "bus_unavailable"),
)
REQUEST_SECONDS: Final = Metric(
    "zhiyin_http_request_seconds",
    "histogram",
    "time from the first byte of a request to its answer",
    ("endpoint", "status"),
    REQUEST_BUCKETS_S,
)
DESK_CONNECTIONS: Final = Metric(
    "zhiyin_desk_connections", "gauge", "open websockets by role", ("role",), known=one_label("agent", "chatbot")
)
DESK_FRAMES: Final = Metric("zhiyin_desk_frames_total", "counter", "frames sent to desks and bots", ("type",))
DESK_CLOSES: Final = Metric(
    "zhiyin_desk_closes_total",
    "counter",
    "websockets closed by us, by close code",
    ("code",),
    known=one_label("1012", "4400", "4401", "4403", "4408", "4409", "4429"),
)
DESK_QUEUE_OVERFLOWS: Final = Metric(
    "zhiyin_desk_queue_overflows_total", "counter", "desks closed because they did not read what was waiting for them"
)
FACT_TO_DESK_SECONDS: Final = Metric(
    "zhiyin_fact_to_desk_seconds",
    "histogram",
    "time from a hint's creation in the engine to its frame on a socket",
    (),
    PUSH_BUCKETS_S,
)
FEEDBACK: Final = Metric(
    "zhiyin_hint_feedback_total",
    "counter",
    "hint states reported by desks and bots",
    ("state", "changed"),
    known=tuple((state, changed) for state in ("shown", "used", "dismissed") for changed in ("yes", "no")),
)
OUTREACH_CLAIMS: Final = Metric(
    "zhiyin_outreach_claims_total",
    "counter",
    "claims of customers to be called first: made, renewed, given back, or why refused",
    ("result",),
)
OUTREACH_OUTCOMES: Final = Metric(
    "zhiyin_outreach_outcomes_total", "counter", "calls that agents made first, by what came of them", ("outcome",)
)
OUT_OF_REACH: Final = Metric(
    "zhiyin_out_of_reach_total",
    "counter",
    "answers and frames withheld from desks that may not see the customer",
    ("where",),
    known=one_label("rest", "push"),
)
HOOK_CALLS: Final = Metric(
    "zhiyin_chatbot_hook_total",
    "counter",
    "calls of the chatbot's hook, by how they ended",
    ("outcome",),
    known=one_label("told", "over", "refused", "failed", "dropped"),
)
AUDIT_LOST: Final = Metric(
    "zhiyin_audit_lost_total", "counter", "hint views that could not be noted in the audit trail"
)
BACKGROUND_FAILURES: Final = Metric(
    "zhiyin_background_failures_total",
    "counter",
    "rounds of background work that failed unexpectedly and are tried again, by task; outages do not count",
    ("task",),
    known=one_label(
        "audit",
        "channel_reader",
        "channel_verifier",
        "chatbot_caller",
        "chatbot_listener",
        "desk_deadlines",
        "hint_deliveries",
        "hint_expiry",
        "presence",
        "retention",
        "token_keys",
    ),
)
BUILD: Final = Metric("zhiyin_gateway_info", "gauge", "always 1; the label says which version runs", ("version",))

TABLE: Final = (
    EVENTS_RECEIVED,
    EVENTS_ACCEPTED,
    EVENTS_REJECTED,
    BUS_REFUSALS,
    REQUEST_SECONDS,
    DESK_CONNECTIONS,
    DESK_FRAMES,
    DESK_CLOSES,
    DESK_QUEUE_OVERFLOWS,
    FACT_TO_DESK_SECONDS,
    FEEDBACK,
    OUTREACH_CLAIMS,
    OUTREACH_OUTCOMES,
    OUT_OF_REACH,
    HOOK_CALLS,
    AUDIT_LOST,
    BACKGROUND_FAILURES,
    BUILD,
)


class GatewayMetrics:
    """The counters of one gateway, in a registry of its own unless one is given."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        process_metrics(self.registry)
        self.events_received = counter(EVENTS_RECEIVED, self.registry)
        self.events_accepted = counter(EVENTS_ACCEPTED, self.registry)
        self.events_rejected = counter(EVENTS_REJECTED, self.registry)
        self.bus_refusals = counter(BUS_REFUSALS, self.registry)
        self.request_seconds = histogram(REQUEST_SECONDS, self.registry)
        self.desk_connections = gauge(DESK_CONNECTIONS, self.registry)
        self.desk_frames = counter(DESK_FRAMES, self.registry)
        self.desk_closes = counter(DESK_CLOSES, self.registry)
        self.desk_queue_overflows = counter(DESK_QUEUE_OVERFLOWS, self.registry)
        self.fact_to_desk_seconds = histogram(FACT_TO_DESK_SECONDS, self.registry)
        self.feedback = counter(FEEDBACK, self.registry)
        self.outreach_claims = counter(OUTREACH_CLAIMS, self.registry)
        self.outreach_outcomes = counter(OUTREACH_OUTCOMES, self.registry)
        self.out_of_reach = counter(OUT_OF_REACH, self.registry)
        self.hook_calls = counter(HOOK_CALLS, self.registry)
        self.audit_lost = counter(AUDIT_LOST, self.registry)
        self.background_failures = counter(BACKGROUND_FAILURES, self.registry)
        self.build = gauge(BUILD, self.registry)

    def background_failed(self, task: str) -> None:
        """Count one unexpected failure of the background task with this name."""
        self.background_failures.labels(task).inc()
