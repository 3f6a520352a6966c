"""Alert rules: right by promtool's own tests, each with a runbook that helps, each on metrics that exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from config.metric import PROCESS_METRICS
from flows.metrics.engine import TABLE as ENGINE_TABLE
from gateway.runtime.metrics import TABLE as GATEWAY_TABLE
from tests.deploy.alerts_page import alerts_page
from tests.deploy.rules import PROMETHEUS, RULE_FILES, SEVERITIES, Alert, all_alerts, measured, metric_names
from tests.documentation.pages import anchors
from tests.parts.bound import bound
from tests.parts.machine import ROOT

UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yaml"))
RUNBOOK = (ROOT / "docs" / "how-to" / "runbook.md").read_text("utf-8")
EACH = pytest.mark.parametrize("alert", all_alerts(), ids=lambda alert: alert.name)
SERVED = {
    *PROCESS_METRICS,
    *(f"{row.name}{end}" for row in (*ENGINE_TABLE, *GATEWAY_TABLE) for end in ("", "_bucket", "_count", "_sum")),
}


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(bound(["promtool", *words]), capture_output=True, text=True, timeout=250, check=False)


@pytest.mark.requires("prometheus")
@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_rules_fire_when_they_should_and_only_then(path: Path) -> None:
    answer = promtool("test", "rules", path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.requires("prometheus")
def test_a_rule_that_is_wrong_fails_its_tests(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    rules = (PROMETHEUS / "rules" / "service.yaml").read_text("utf-8")
    (tmp_path / "rules" / "service.yaml").write_text(rules.replace("max(zhiyin_bus_lag_seconds) > 10", "vector(1) < 0"))
    unit_tests = (PROMETHEUS / "tests" / "service.yaml").read_text("utf-8")
    (tmp_path / "tests" / "service.yaml").write_text(unit_tests)
    answer = promtool("test", "rules", tmp_path / "tests" / "service.yaml")
    assert answer.returncode != 0
    assert "EngineBehind" in answer.stdout + answer.stderr


@pytest.mark.requires("prometheus")
def test_prometheus_takes_configuration_and_rules() -> None:
    answer = promtool("check", "config", PROMETHEUS / "prometheus.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("rules found") >= len(RULE_FILES)


def test_each_alert_is_tested_firing_and_silent() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for case in test.get("alert_rule_test", ()):
                (fires if case["exp_alerts"] else silent).add(case["alertname"])
            for case in test.get("promql_expr_test", ()):
                [name] = re.findall(r'alertname="(\w+)"', case["expr"])
                (fires if case["exp_samples"] else silent).add(name)
    names = {alert.name for alert in all_alerts()}
    assert fires == names
    assert silent == names


def test_names_are_camel_case_and_used_once() -> None:
    names = [alert.name for alert in all_alerts()]
    assert [name for name in names if not re.fullmatch(r"([A-Z][a-z]+){2,}", name)] == []
    assert len(names) == len(set(names)) >= 20


@EACH
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: Alert) -> None:
    assert alert.severity in SEVERITIES
    page, _, section = alert.runbook.partition("#")
    assert page == "docs/how-to/runbook.md"
    assert section == alert.name.lower()
    assert section in anchors(RUNBOOK)
    assert alert.summary
    assert alert.description.endswith(".")


@EACH
def test_its_section_of_the_runbook_says_what_it_means_and_what_to_do(alert: Alert) -> None:
    section = RUNBOOK.partition(f"\n## {alert.name}\n")[2].partition("\n## ")[0]
    assert "**Means.**" in section
    assert "**Do.**" in section


def test_the_runbook_has_no_section_without_an_alert() -> None:
    titles = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
    assert set(titles) == {alert.name for alert in all_alerts()}
    assert len(titles) == len(set(titles))


@EACH
def test_it_looks_at_metrics_that_are_served(alert: Alert) -> None:
    assert metric_names(alert.value) <= SERVED


def test_the_page_about_alerts_is_what_the_rules_say() -> None:
    assert (ROOT / "docs" / "reference" / "alerts.md").read_text("utf-8") == alerts_page()


def test_a_measured_expression_has_no_condition() -> None:
    expression = '(sum(a{b=~"x > y"} offset 1w) or vector(0)) > 0.5 * c and d == 0'
    assert measured(expression).count("bool") >= 2
    assert "offset" not in measured(expression)
    assert "vector" not in measured(expression)
    assert metric_names('sum(zhiyin_a_total{b="zhiyin_c"}) / process_x') == {"zhiyin_a_total", "process_x"}
