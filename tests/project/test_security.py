"""The table of threats: every row names a test, and that test exists."""

import ast
import re
from pathlib import Path

import pytest

from tests.parts.machine import ROOT

ROW = re.compile(r"^\| (?P<threat>[^|]+) \| (?P<done>[^|]+) \| `(?P<file>tests/[\w/]+\.py)::(?P<name>[\w:]+)` \|$")
LINES = (ROOT / "SECURITY.md").read_text("utf-8").splitlines()
HEAD = LINES.index("| Threat | What is done | Test |")
TABLE = [line for line in LINES[HEAD + 2 :] if line.startswith("|")]


def functions(path: Path) -> set[str]:
    """``test_it``, ``TestThem::test_it``: all functions of a file."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("line", TABLE)
def test_every_threat_has_a_test_that_exists(line: str) -> None:
    row = ROW.match(line)
    assert row is not None, f"a row without a test: {line}"
    path = ROOT / row["file"]
    assert path.is_file()
    assert row["name"] in functions(path)


def test_no_threat_stands_there_twice_and_none_is_lost() -> None:
    threats = [line.split("|")[1].strip() for line in TABLE]
    assert len(threats) == len(set(threats)) >= 20
