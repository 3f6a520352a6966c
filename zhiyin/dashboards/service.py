"""The dashboard of who runs it: does it run, does it keep up, is anything lost."""

from typing import Final

from zhiyin.dashboards.panels import RATE, Dashboard, Panel, Query, Row, quantiles, rate, stat

_BOTH: Final = 'job=~"zhiyin-.*"'
_SAME: Final = "{{instance}}"

SERVICE: Final = Dashboard(
    "zhiyin-service",
    "Service",
    "Does it run, does it keep up, is anything lost?",
    (
        Row(
            "Is it well?",
            (
                stat("Processes up", "Of each job that Prometheus asks.", f"sum by (job) (up{{{_BOTH}}})"),
                stat("Running for", "The shortest.", f"time() - max(process_start_time_seconds{{{_BOTH}}})", "s"),
                stat("Behind", "Age of the newest event read.", "max(zhiyin_bus_lag_seconds)", "s", 10),
                stat("Event time behind", "With open attempts.", "max(zhiyin_watermark_lag_seconds)", "s", 60),
                stat("Refused", "Requests answered 503 a second.", rate("zhiyin_bus_refusals_total"), "reqps", 0.001),
                stat("Open attempts", "In memory, broken off or not.", "sum(zhiyin_open_attempts)"),
            ),
        ),
        Row(
            "Engine",
            (
                Panel(
                    "Events taken from the bus",
                    "By what became of them; late and disordered ones are taken too.",
                    (Query(rate("zhiyin_engine_events_total", "outcome"), "{{outcome}}"),),
                    "eps",
                ),
                Panel(
                    "Waiting on the bus",
                    "By partition, as far as the engine knows.",
                    (Query("sum by (partition) (zhiyin_bus_lag_events)", "{{partition}}"),),
                    stacked=True,
                ),
                Panel(
                    "Behind",
                    "The bus: age of the newest event read while more wait. Event time: behind the clock.",
                    (
                        Query("max(zhiyin_bus_lag_seconds)", "bus"),
                        Query("max(zhiyin_watermark_lag_seconds)", "event time"),
                    ),
                    "s",
                    limit=10,
                ),
                Panel(
                    "From what happens to its telling",
                    "An abandonment takes at least the catalogue's lateness: that is waiting, not slowness.",
                    quantiles("zhiyin_event_to_fact_seconds", by="kind"),
                    "s",
                ),
                Panel(
                    "Dead letters",
                    "Accepted events that the engine could not take, by what was wrong.",
                    (Query(rate("zhiyin_dead_letters_total", "kind"), "{{kind}}"),),
                    "eps",
                    stacked=True,
                ),
                Panel(
                    "Lost",
                    "Events that Kafka deleted before they were read. Stays at 0.",
                    (Query(rate("zhiyin_bus_lost_events_total", "partition"), "{{partition}}"),),
                    "eps",
                    limit=0.001,
                ),
                Panel(
                    "Packing a shard for a snapshot",
                    "The engine does nothing else meanwhile.",
                    quantiles("zhiyin_snapshot_seconds"),
                    "s",
                ),
                Panel(
                    "Facts told",
                    "By kind.",
                    (Query(rate("zhiyin_facts_total", "kind"), "{{kind}}"),),
                    "ops",
                    stacked=True,
                ),
                Panel(
                    "Open attempts",
                    "Of each engine process.",
                    (Query("sum by (instance) (zhiyin_open_attempts)", _SAME),),
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Processes",
            (
                Panel(
                    "Processor",
                    "1 is one core, all of it.",
                    (Query(f"rate(process_cpu_seconds_total{{{_BOTH}}}[{RATE}])", _SAME),),
                ),
                Panel("Memory", "Resident.", (Query(f"process_resident_memory_bytes{{{_BOTH}}}", _SAME),), "bytes"),
                Panel(
                    "Files and sockets",
                    "Open, as a share of what the process may open.",
                    (Query(f"process_open_fds{{{_BOTH}}} / process_max_fds{{{_BOTH}}}", _SAME),),
                    "percentunit",
                    limit=0.8,
                ),
            ),
        ),
    ),
)
