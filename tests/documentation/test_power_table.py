"""The page's table of how long to wait says what the formula says."""

import re

from operators.support.intervals import smallest_detectable
from tests.parts.machine import ROOT

PAGE = ROOT / "docs" / "how-to" / "evaluate-the-models.md"
ROW = re.compile(r"^\| ([\d,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
SHARES = (0.05, 0.10, 0.20)


def test_the_table_of_uplifts_that_show_is_the_formulas() -> None:
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) == 5
    for count, *points in rows:
        attempts = int(count.replace(",", ""))
        expected = [smallest_detectable(0.2, attempts * (1 - share), attempts * share) for share in SHARES]
        assert points == [f"{100 * (each or 0):.1f}" for each in expected]
