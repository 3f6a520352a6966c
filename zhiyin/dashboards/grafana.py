"""A dashboard as the file that Grafana reads.

In: the tables of its neighbours. Out: Grafana's JSON model, the same on every machine. Only what differs from
Grafana's defaults is written. Refused: nothing.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from zhiyin.dashboards.panels import JOURNEY, Dashboard, Panel

SCHEMA_VERSION: Final = 39
"""Of dashboards, as Grafana 10.4 and newer read them; newer ones are told what has changed since by Grafana itself."""

COLUMNS: Final = 24
ROW_HEIGHT: Final = 1
_TO_THE_OTHERS: Final = {
    "type": "dashboards",
    "tags": ["zhiyin"],
    "title": "Zhiyin",
    "tooltip": "",
    "icon": "external link",
    "asDropdown": True,
    "includeVars": False,
    "keepTime": True,
    "targetBlank": False,
}
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def dashboard_document(dashboard: Dashboard) -> dict[str, Any]:
    """One dashboard as Grafana's JSON model."""
    return {
        "uid": dashboard.uid,
        "title": f"Zhiyin / {dashboard.title}",
        "description": dashboard.says,
        "tags": ["zhiyin"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "links": [_TO_THE_OTHERS],
        "templating": {"list": list(_variables(dashboard))},
        "panels": list(_placed(dashboard)),
    }


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    if any(JOURNEY in query.expression for row in dashboard.rows for panel in row.panels for query in panel.queries):
        yield {
            "name": "journey",
            "label": "Journey",
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": "label_values(zhiyin_facts_total, journey)", "refId": "journey"},
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def _placed(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    """Rows from top to bottom; in each, panels from left to right as far as they fit."""
    number, y = 0, 0
    for row in dashboard.rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"h": ROW_HEIGHT, "w": COLUMNS, "x": 0, "y": y},
        }
        x, y, tallest = 0, y + ROW_HEIGHT, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield _panel(number, panel, {"h": panel.height, "w": panel.width, "x": x, "y": y})
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _panel(number: int, panel: Panel, position: dict[str, int]) -> dict[str, Any]:
    moment = panel.kind != "timeseries"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "gridPos": position,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend or "__auto",
                "instant": moment,
                "range": not moment,
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for index, query in enumerate(panel.queries)
        ],
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.kind != "table" and not panel.below_zero:
        defaults["min"] = 0
    if panel.kind == "timeseries":
        stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
        defaults["custom"] = {"fillOpacity": 20 if panel.stacked else 5, "stacking": stacking, "showPoints": "never"}
    if panel.limit is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.limit}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        if panel.kind == "timeseries":
            defaults["custom"]["thresholdsStyle"] = {"mode": "dashed"}
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "table":
        return {"showHeader": True}
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    return {"reduceOptions": last, "orientation": "horizontal" if panel.kind == "bargauge" else "auto"}


def dashboard_text(dashboard: Dashboard) -> str:
    """The file of one dashboard."""
    return json.dumps(dashboard_document(dashboard), indent=2, ensure_ascii=False) + "\n"
