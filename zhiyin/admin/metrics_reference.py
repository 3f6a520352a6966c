"""``python -m zhiyin.admin.metrics_reference > docs/reference/metrics.md``: the page about metrics.

In: the tables of what the gateway and the engine count. Out: Markdown, the same on every machine; a test
holds the page against it.
"""

import sys
from collections.abc import Iterable
from typing import Final

from config.metric import PROCESS_METRICS, Metric
from flows.metrics import engine as engine_metrics
from gateway.runtime import metrics as gateway_metrics

_HEAD: Final = """# Metrics

Printed from the program itself (`python -m zhiyin.admin.metrics_reference`); a test keeps this page true.

Each process answers `GET /metrics` in Prometheus text on an internal port of its own: the gateway on
`gateway_metrics_port` (9101), the engine on `engine_metrics_port` (9102); `zhiyin up` prints both addresses.
Units are base units (seconds), names end as Prometheus asks (`_total`, `_seconds`, `_info`). No label ever names
a customer, a transaction or a desk. Counters begin at 0 with each start of the process: look at rates, not at
values. Labels whose values are known beforehand (kinds, causes, close codes) are there from the start, at 0.

Rules that watch these: [Alerts](alerts.md). Panels that show them: [Watch it with
Grafana](../how-to/watch-it-with-grafana.md).
"""

_ENGINE_TAIL: Final = """
`zhiyin_event_to_fact_seconds` measures from the instant a fact speaks of, so an `abandoned` one takes at least the
catalogue's `lateness` (2 s): that is waiting for events that may still come, not slowness. Facts about something more
than an hour ago (a recording, an outage) are counted but not measured.

`zhiyin_hints_retired_total` counts the ends that the engine brings about (returned, completed, cancelled, expired
with the attempt). What desks and bots do with a hint is the gateway's `zhiyin_hint_feedback_total`; a hint whose
lifetime runs out in silence is counted by nobody.
"""


def reference_page() -> str:
    """The whole page."""
    engine = _section("The engine", engine_metrics.TABLE)
    gateway = _section("The gateway", gateway_metrics.TABLE)
    return _HEAD + gateway + engine + _ENGINE_TAIL + _both()


def _both() -> str:
    lines = "".join(f"| `{name}` | {says} |\n" for name, says in PROCESS_METRICS.items())
    return f"\n## Both, of their process (on Linux)\n\n| Metric | |\n|---|---|\n{lines}"


def _section(title: str, table: Iterable[Metric]) -> str:
    return f"\n## {title}\n\n| Metric | Kind | Labels | |\n|---|---|---|---|\n" + "".join(map(_line, table))


def _line(row: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in row.labels)
    return f"| `{row.name}` | {row.kind} | {labels} | {_sentence(row)} |\n"


def _sentence(row: Metric) -> str:
    sentence = row.says[:1].upper() + row.says[1:] + "."
    if not row.buckets:
        return sentence
    return f"{sentence} Buckets from {row.buckets[0]:g} s to {row.buckets[-1]:g} s."


if __name__ == "__main__":
    sys.stdout.write(reference_page())
