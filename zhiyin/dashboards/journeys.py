"""The dashboard of the journeys: started, broken off, why, completed; and what became of the hints."""

from typing import Final

from zhiyin.dashboards.panels import JOURNEY, RANGE, RATE, Dashboard, Panel, Query, Row


def _facts(kind: str, by: str = "journey", window: str = RATE) -> str:
    return f'sum by ({by}) (increase(zhiyin_facts_total{{kind="{kind}", {JOURNEY}}}[{window}]))'


JOURNEYS: Final = Dashboard(
    "zhiyin-journeys",
    "Journeys",
    "What customers start, break off, come back to and complete; and what became of the hints.",
    (
        Row(
            "Customers",
            (
                Panel(
                    "Break-offs for each start",
                    "In the time that is looked at; an attempt that breaks off twice counts twice.",
                    (Query(f"{_facts('abandoned', window=RANGE)} / {_facts('started', window=RANGE)}", "{{journey}}"),),
                    "percentunit",
                    "bargauge",
                ),
                Panel(
                    "Completed for each start",
                    "In the time that is looked at.",
                    (Query(f"{_facts('completed', window=RANGE)} / {_facts('started', window=RANGE)}", "{{journey}}"),),
                    "percentunit",
                    "bargauge",
                ),
                Panel(
                    "Came back for each break-off",
                    "In the time that is looked at.",
                    (
                        Query(
                            f"{_facts('returned', window=RANGE)} / {_facts('abandoned', window=RANGE)}", "{{journey}}"
                        ),
                    ),
                    "percentunit",
                    "bargauge",
                ),
                Panel("Started", "Attempts.", (Query(_facts("started"), "{{journey}}"),), stacked=True),
                Panel("Broken off", "Attempts.", (Query(_facts("abandoned"), "{{journey}}"),), stacked=True),
                Panel("Completed", "Attempts.", (Query(_facts("completed"), "{{journey}}"),), stacked=True),
                Panel(
                    "Where they break off",
                    "The ten steps with the most break-offs in the time that is looked at.",
                    (Query(f"topk(10, {_facts('abandoned', 'journey, step', RANGE)})"),),
                    kind="table",
                    width=12,
                ),
                Panel(
                    "Why they break off",
                    "Likeliest reason, in the time that is looked at.",
                    (
                        Query(
                            f"topk(10, sum by (journey, reason) "
                            f"(increase(zhiyin_abandonment_reasons_total{{{JOURNEY}}}[{RANGE}])))"
                        ),
                    ),
                    kind="table",
                    width=12,
                ),
            ),
        ),
        Row(
            "Hints",
            (
                Panel(
                    "Made",
                    "By journey.",
                    (Query(f'sum by (journey) (increase(zhiyin_hints_total{{state="created", {JOURNEY}}}[{RATE}]))'),),
                    stacked=True,
                ),
                Panel(
                    "Not made",
                    "Break-offs without a hint, by why not.",
                    (Query(f"sum by (why_not) (increase(zhiyin_hints_held_back_total{{{JOURNEY}}}[{RATE}]))"),),
                    stacked=True,
                ),
                Panel(
                    "Ended",
                    "By cause: the customer did something, or somebody helped.",
                    (Query(f"sum by (cause) (increase(zhiyin_hints_retired_total[{RATE}]))", "{{cause}}"),),
                    stacked=True,
                ),
                Panel(
                    "Reported by desks and bots",
                    "States that changed something.",
                    (Query(f'sum by (state) (increase(zhiyin_hint_feedback_total{{changed="yes"}}[{RATE}]))'),),
                    stacked=True,
                    width=24,
                ),
            ),
        ),
        Row(
            "Contacts",
            (
                Panel(
                    "Put on the outreach list",
                    "Customers to be called first.",
                    (Query(f"sum by (journey) (increase(zhiyin_outreach_total{{{JOURNEY}}}[{RATE}]))", "{{journey}}"),),
                    stacked=True,
                    width=12,
                ),
                Panel(
                    "Bundles at contacts",
                    "Told to the agent as a contact began, by its channel.",
                    (Query(f"sum by (channel) (increase(zhiyin_bundles_total[{RATE}]))", "{{channel}}"),),
                    stacked=True,
                    width=12,
                ),
            ),
        ),
    ),
)
