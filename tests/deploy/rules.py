"""The alert rules as they are deployed, read for tests."""

import re
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from tests.parts.machine import ROOT

PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
RULE_FILES: Final = sorted((PROMETHEUS / "rules").glob("*.yaml"))
SEVERITIES: Final = ("page", "ticket")

_COMPARISON: Final = re.compile(r"(?<=\s)(==|!=|>=|<=|>|<)(?=\s)")
_LONG_AGO: Final = re.compile(r"\s+offset\s+\w+")
_DEFAULT: Final = re.compile(r"\s+or\s+vector\(0\)")
_QUOTED: Final = re.compile(r'"[^"]*"')


class Alert(msgspec.Struct, frozen=True):
    """One rule. ``waits``: how long it must hold, as Prometheus writes it; empty for at once."""

    name: str
    group: str
    value: str
    waits: str
    severity: str
    summary: str
    description: str
    runbook: str


def alerts_of(path: Path) -> list[Alert]:
    """The alerts of one file, in its order."""
    return [
        _alert(group["name"], rule)
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]


def all_alerts() -> list[Alert]:
    """The alerts of all files."""
    return [alert for path in RULE_FILES for alert in alerts_of(path)]


def measured(expression: str) -> str:
    """An expression with a value whether its conditions hold or not.

    Comparisons say 0 or 1, a week ago is now, what a rule excepts (``unless``) must be there as well, and what is taken
    for missing (``or vector(0)``) goes: the value is there only when its metrics are.
    """
    now = _LONG_AGO.sub("", _DEFAULT.sub("", expression)).replace("unless ", "and ")
    return _COMPARISON.sub(r"\1 bool", now)


def metric_names(expression: str) -> set[str]:
    """Our metrics and those of the process that an expression names."""
    return set(re.findall(r"\b(?:zhiyin|process)_[a-z_]+", _QUOTED.sub('""', expression)))


def _alert(group: str, rule: dict[str, Any]) -> Alert:
    said = rule["annotations"]
    return Alert(
        name=rule["alert"],
        group=group,
        value=rule["expr"].strip(),
        waits=rule.get("for", ""),
        severity=rule["labels"]["severity"],
        summary=said["summary"],
        description=said["description"],
        runbook=said["runbook"],
    )
