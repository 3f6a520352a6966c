"""The demo, watched by a real Prometheus with the deployed configuration: no query of ours is without an answer."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.deploy.prometheus_server import PrometheusServer
from tests.deploy.rules import all_alerts, measured
from tests.integration.engine.engine_process import until
from tests.parts.machine import ROOT
from tests.zhiyin.up.house_up import HouseUp, broken_off, desk_of, event
from zhiyin.dashboards import DASHBOARDS

pytestmark = [pytest.mark.requires("prometheus", "redis"), pytest.mark.timeout(240), pytest.mark.slow]

WITHIN_S = 300.0
WAVE_EVERY_S = 8.0
WAVE_CUSTOMERS = 24
LATE_S = 60.0
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


def quick_to_learn(folder: Path) -> Path:
    """The catalogue of the demo, with outcomes within seconds, a large control group, and calls soon."""
    copied = shutil.copytree(ROOT / "config" / "catalog", folder / "catalog")
    common = copied / "common.yaml"
    text = common.read_text("utf-8")
    for found, wanted in {
        "decision: fixed": "decision: learned\nlabel_timeout: 3m",
        "outreach: {after: 20m": "outreach: {after: 1m",
        "share: 0.05": "share: 0.4",
    }.items():
        assert text.count(found) == 1, f"{common.name} has no {found!r} any more"
        text = text.replace(found, wanted)
    common.write_text(text, "utf-8")
    return copied


class WatchedSetup(NamedTuple):
    """The demo, and the Prometheus that watches it."""

    house: HouseUp
    prometheus: PrometheusServer


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedSetup]:
    """The demo with one desk, and the Prometheus that watches it."""
    folder: Path = tmp_path_factory.mktemp("watching")
    catalogue = ("--catalog", str(quick_to_learn(folder)))
    often = {"ZHIYIN_MODELS_EVERY_S": "5", "ZHIYIN_SHARDS": "4"}
    with HouseUp(folder / "var", "--demo", *catalogue, environment=often) as house, desk_of(house):
        targets = {name: urlsplit(url).netloc for name, url in house.addresses["metrics"].items()}
        with PrometheusServer(folder, targets) as prometheus:
            yield WatchedSetup(house, prometheus)
        assert house.interrupt() == 0


def test_every_query_of_every_panel_and_rule_returns_data(watched: WatchedSetup) -> None:
    waiting = queries()
    give_up, wave_at, waves = time.monotonic() + WITHIN_S, time.monotonic(), 0
    while waiting and time.monotonic() < give_up:
        if time.monotonic() >= wave_at:
            break_off(watched.house, waves)
            if waves:
                come_back(watched.house, waves - 1)
            wave_at, waves = wave_at + WAVE_EVERY_S, waves + 1
        waiting = {place: query for place, query in waiting.items() if not answered(watched.prometheus, query)}
        time.sleep(0.5)
    assert waiting == {}


def break_off(house: HouseUp, wave: int) -> None:
    """So many customers of one journey that both groups that are compared have some.

    It was a minute ago, so that what is counted a minute after it could be late need not be waited for.
    """
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - LATE_S))
    for number in range(WAVE_CUSTOMERS):
        events = [{**each, "timestamp": stamp} for each in broken_off(f"wave-{wave}-{number}")]
        assert house.post(*events).status_code == 200


def come_back(house: HouseUp, wave: int) -> None:
    """Of those who broke off, some go on by themselves, and some call."""
    for number in range(0, WAVE_CUSTOMERS, 2):
        goes_on = event("Transaction Step Viewed", f"wave-{wave}-{number}", step="face_check")
        calls = event("Contact Started", f"wave-{wave}-{number + 1}")
        contact = {"channel": "phone", "agent_id": "desk-1", "conversation_id": f"call-{wave}-{number}"}
        assert house.post(goes_on, {**calls, "properties": contact}).status_code == 200


def answered(prometheus: PrometheusServer, query: str) -> bool:
    """Whether there is a number; a quantile of nothing is none."""
    return any(sample["value"][1] != "NaN" for sample in prometheus.query(query))


def test_both_jobs_are_asked_and_every_rule_is_evaluated(watched: WatchedSetup) -> None:
    until(lambda: {each["health"] for each in watched.prometheus.targets()} == {"up"}, "all targets")
    jobs = {each["labels"]["job"] for each in watched.prometheus.targets()}
    assert jobs == {"zhiyin-engine", "zhiyin-gateway"}
    until(lambda: {each["health"] for each in watched.prometheus.rules()} == {"ok"}, "every rule evaluated")
    assert {each["name"] for each in watched.prometheus.rules()} == {alert.name for alert in all_alerts()}
    firing = [each["name"] for each in watched.prometheus.rules() if each["state"] == "firing"]
    assert firing == [], "a demo in which all is well is no reason to wake anybody"
