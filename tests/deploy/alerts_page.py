"""``python -m tests.deploy.alerts_page > docs/reference/alerts.md``: the page about alerts, from the rules."""

import sys
from typing import Final

from tests.deploy.rules import RULE_FILES, Alert, alerts_of

_HEAD: Final = """# Alerts

Printed from the rules (`python -m tests.deploy.alerts_page`); a test keeps this page true.

Rules for Prometheus are in `deploy/prometheus/rules/`. Each speaks of a symptom and leads to its section of the
[runbook](../how-to/runbook.md). Severity `page`: somebody is woken. `ticket`: somebody looks at it in working hours.
Each rule has unit tests (`promtool`): a case in which it fires and one in which it must not.

Rules that compare with a week ago say nothing during the first week.
"""


def alerts_page() -> str:
    """The whole page."""
    return _HEAD + "".join(_section(path.stem, alerts_of(path)) for path in RULE_FILES)


def _section(title: str, alerts: list[Alert]) -> str:
    return f"\n## {title.capitalize()}\n" + "".join(map(_entry, alerts))


def _entry(alert: Alert) -> str:
    runbook = alert.runbook.replace("docs/", "../", 1)
    waits = f"for {alert.waits}" if alert.waits else "at once"
    return (
        f"\n### {alert.name}\n\n{alert.description} `{alert.severity}`, {waits}, "
        f"[what to do]({runbook}).\n\n```text\n{alert.value}\n```\n"
    )


if __name__ == "__main__":
    sys.stdout.write(alerts_page())
