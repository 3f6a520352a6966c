"""The demo, watched by a real Prometheus with the deployed configuration: no query of ours is without an answer."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.deploy.prometheus_server import PrometheusServer
from tests.deploy.rules import all_alerts, measured
from tests.flows.engine_process import until
from tests.zhiyin.house_up import HouseUp, desk_of
from zhiyin.dashboards import DASHBOARDS

pytestmark = [pytest.mark.requires("prometheus", "redis"), pytest.mark.timeout(180)]

WITHIN_S = 90.0
VARIABLES = {"$__rate_interval": "30s", "$__range": "10m", "$journey": ".*"}


def queries() -> dict[str, str]:
    """Every query of every panel and every rule, by where it stands."""
    panels = {
        f"{dashboard.uid} / {panel.title} / {number}": filled(query.expression)
        for dashboard in DASHBOARDS
        for row in dashboard.rows
        for panel in row.panels
        for number, query in enumerate(panel.queries)
    }
    return panels | {f"rule {alert.name}": measured(alert.value) for alert in all_alerts()}


def filled(expression: str) -> str:
    """As Grafana sends it, with everything chosen."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """The demo with one desk, and the Prometheus that watches it."""
    folder: Path = tmp_path_factory.mktemp("watching")
    with HouseUp(folder / "var", "--demo") as house, desk_of(house):
        targets = {name: urlsplit(url).netloc for name, url in house.addresses["metrics"].items()}
        with PrometheusServer(folder, targets) as prometheus:
            yield prometheus
        assert house.interrupt() == 0


def test_every_query_of_every_panel_and_rule_returns_data(watched: PrometheusServer) -> None:
    waiting = queries()
    give_up = time.monotonic() + WITHIN_S
    while waiting and time.monotonic() < give_up:
        waiting = {place: query for place, query in waiting.items() if not answered(watched, query)}
        time.sleep(0.5)
    assert waiting == {}


def answered(watched: PrometheusServer, query: str) -> bool:
    """Whether there is a number; a quantile of nothing is none."""
    return any(sample["value"][1] != "NaN" for sample in watched.query(query))


def test_both_jobs_are_asked_and_every_rule_is_evaluated(watched: PrometheusServer) -> None:
    until(lambda: {each["health"] for each in watched.targets()} == {"up"}, "all targets", 20)
    jobs = {each["labels"]["job"] for each in watched.targets()}
    assert jobs == {"zhiyin-engine", "zhiyin-gateway"}
    until(lambda: {each["health"] for each in watched.rules()} == {"ok"}, "every rule evaluated", 20)
    assert {each["name"] for each in watched.rules()} == {alert.name for alert in all_alerts()}
    firing = [each["name"] for each in watched.rules() if each["state"] == "firing"]
    assert firing == [], "a demo in which all is well is no reason to wake anybody"
