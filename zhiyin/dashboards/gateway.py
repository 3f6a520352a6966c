"""The dashboard of the gateway: what senders deliver and are answered; what desks and chatbots get."""

from typing import Final

from zhiyin.dashboards.panels import RATE, Dashboard, Panel, Query, Row, quantiles, rate

GATEWAY: Final = Dashboard(
    "zhiyin-gateway",
    "Gateway",
    "What senders deliver and are answered; what desks and chatbots get.",
    (
        Row(
            "Collector",
            (
                Panel(
                    "Events",
                    "Received, and put on the bus.",
                    (
                        Query(rate("zhiyin_events_received_total"), "received"),
                        Query(rate("zhiyin_events_accepted_total"), "accepted"),
                    ),
                    "eps",
                ),
                Panel(
                    "Refused at the door",
                    "By what was wrong with the event.",
                    (Query(rate("zhiyin_events_rejected_total", "kind"), "{{kind}}"),),
                    "eps",
                    stacked=True,
                ),
                Panel(
                    "Answered 503",
                    "Because the bus could not keep them.",
                    (Query(rate("zhiyin_bus_refusals_total", "cause"), "{{cause}}"),),
                    "reqps",
                    limit=0.001,
                ),
                Panel(
                    "Time to the answer",
                    "From the first byte of the request, by endpoint, 99th percentile.",
                    (
                        Query(
                            "histogram_quantile(0.99, sum by (le, endpoint) "
                            f"(rate(zhiyin_http_request_seconds_bucket[{RATE}])))",
                            "{{endpoint}}",
                        ),
                    ),
                    "s",
                    width=12,
                ),
                Panel(
                    "Answers",
                    "By status.",
                    (Query(rate("zhiyin_http_request_seconds_count", "status"), "{{status}}"),),
                    "reqps",
                    width=12,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Desks and chatbots",
            (
                Panel(
                    "Connected",
                    "Open websockets.",
                    (Query("sum by (role) (zhiyin_desk_connections)", "{{role}}"),),
                    stacked=True,
                ),
                Panel(
                    "From the engine to the desk",
                    "From a hint's creation to its frame on a socket.",
                    quantiles("zhiyin_fact_to_desk_seconds"),
                    "s",
                    limit=2.5,
                ),
                Panel(
                    "Frames", "Sent, by type.", (Query(rate("zhiyin_desk_frames_total", "type"), "{{type}}"),), "ops"
                ),
                Panel(
                    "Closed by us",
                    "By close code: 1012 restart, 4401 token, 4403 not allowed, 4408 silent, 4429 too much.",
                    (Query(rate("zhiyin_desk_closes_total", "code"), "{{code}}"),),
                    "ops",
                ),
                Panel(
                    "Desks that do not read",
                    "Cut off so that others go on.",
                    (Query(rate("zhiyin_desk_queue_overflows_total"), "cut off"),),
                    "ops",
                ),
                Panel(
                    "Chatbot's hook",
                    "Calls, by how they ended; over: the hint had ended by then.",
                    (Query(rate("zhiyin_chatbot_hook_total", "outcome"), "{{outcome}}"),),
                    "ops",
                ),
            ),
        ),
    ),
)
