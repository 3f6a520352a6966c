"""What a dashboard is made of, and queries that many panels share.

In: names of metrics and labels. Out: records that ``zhiyin/dashboards/grafana.py`` turns into Grafana's files.
``RATE`` is the window that fits Grafana's resolution and the scrape interval, ``RANGE`` what the reader looks at,
``JOURNEY`` the journeys they chose. Refused: nothing; tests run every query.
"""

from typing import Final, Literal

import msgspec

RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"
JOURNEY: Final = 'journey=~"$journey"'


class Query(msgspec.Struct, frozen=True):
    """One query of a panel; ``legend`` as Grafana fills it (``{{label}}``), its own choice where empty."""

    expression: str
    legend: str = ""


class Panel(msgspec.Struct, frozen=True):
    """One panel.

    ``unit``: Grafana's name of it. ``width``: of 24 columns. ``limit``: red from there on. ``below_zero``: its values
    may be negative.
    """

    title: str
    says: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Literal["timeseries", "stat", "bargauge", "table"] = "timeseries"
    width: int = 8
    height: int = 8
    limit: float | None = None
    stacked: bool = False
    below_zero: bool = False


class Row(msgspec.Struct, frozen=True):
    """Panels that belong together, under one title."""

    title: str
    panels: tuple[Panel, ...]


class Dashboard(msgspec.Struct, frozen=True):
    """One dashboard. ``uid``: its file's name, and its address in Grafana."""

    uid: str
    title: str
    says: str
    rows: tuple[Row, ...]


def stat(title: str, says: str, expression: str, unit: str = "short", limit: float | None = None) -> Panel:
    """A number as of now, one for each series."""
    return Panel(title, says, (Query(expression),), unit, "stat", width=4, height=4, limit=limit)


def rate(metric: str, by: str = "", where: str = "", window: str = RATE) -> str:
    """Events a second, summed over processes, by some labels."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({metric}{{{where}}}[{window}]))"


def quantiles(metric: str, where: str = "", by: str = "") -> tuple[Query, ...]:
    """Median and 99th percentile of a histogram in seconds."""
    labels = f"le, {by}" if by else "le"
    buckets = f"sum by ({labels}) (rate({metric}_bucket{{{where}}}[{RATE}]))"
    more = f" {{{{{by}}}}}" if by else ""
    return tuple(
        Query(f"histogram_quantile({q}, {buckets})", f"{name}{more}") for name, q in (("p50", 0.5), ("p99", 0.99))
    )
