"""The dashboards of Grafana: the files are what the tables say, panels stand beside one another, names are ours."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.deploy.rules import metric_names
from tests.deploy.test_alerts import SERVED
from tests.parts.machine import ROOT
from zhiyin.dashboards import DASHBOARDS
from zhiyin.dashboards.grafana import COLUMNS, dashboard_document, dashboard_text
from zhiyin.dashboards.panels import Dashboard

GRAFANA = ROOT / "deploy" / "grafana"
EACH = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)


def placed(dashboard: Dashboard) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard_document(dashboard)["panels"]
    return found


@EACH
def test_the_file_is_what_the_table_says(dashboard: Dashboard) -> None:
    assert (GRAFANA / "dashboards" / f"{dashboard.uid}.json").read_text("utf-8") == dashboard_text(dashboard)


def test_there_is_no_other_file() -> None:
    assert {path.stem for path in (GRAFANA / "dashboards").iterdir()} == {each.uid for each in DASHBOARDS}


@EACH
def test_panels_do_not_cover_one_another(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in placed(dashboard)]
    assert all(each["x"] + each["w"] <= COLUMNS for each in places)
    for one, other in combinations(places, 2):
        apart = (one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]) or (
            one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@EACH
def test_each_panel_is_known_by_number_and_says_what_it_shows(dashboard: Dashboard) -> None:
    panels = placed(dashboard)
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    shown = [panel for row in dashboard.rows for panel in row.panels]
    assert all(panel.title and panel.says.endswith(".") and panel.queries for panel in shown)
    titles = [panel.title for row in dashboard.rows for panel in row.panels if panel.kind != "stat"]
    assert len(titles) == len(set(titles))


@EACH
def test_panels_ask_for_metrics_that_are_served(dashboard: Dashboard) -> None:
    for row in dashboard.rows:
        for panel in row.panels:
            for query in panel.queries:
                assert metric_names(query.expression) <= SERVED, panel.title


@EACH
def test_the_data_source_and_every_variable_are_the_dashboards_own(dashboard: Dashboard) -> None:
    document = dashboard_document(dashboard)
    names = {each["name"] for each in document["templating"]["list"]} | {
        "__rate_interval",
        "__range",
        "__auto",
        "__all",
    }
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(document))) <= names


def test_provisioning_reads_the_folder_that_is_mounted() -> None:
    [provider] = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "zhiyin.yaml").read_text())["providers"]
    [source] = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yaml").read_text())["datasources"]
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))["services"]
    mounts = dict(each.split(":")[:2] for each in services["grafana"]["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert source["url"] == "http://prometheus:9090"
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["watch"]
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
        assert all(each.endswith(":ro") for each in services[name]["volumes"] if each.startswith("./"))
