"""What a run prints as it goes."""

import re
from pathlib import Path

import pytest

from tests.parts.planted import run_planted

FILE = """
import pytest

@pytest.fixture
def broken(): raise OSError("planted")

@pytest.fixture
def breaks_off():
    yield
    raise OSError("planted")

def test_good(): pass
def test_bad(): raise AssertionError("planted")
def test_none(): pytest.skip("planted")
def test_late(breaks_off): pass
def test_never(broken): pass

@pytest.mark.xfail
def test_known(): raise AssertionError("planted")
"""


@pytest.mark.parametrize("options", [("-p", "no:xdist"), ("-n", "2")])
def test_a_line_a_module_and_one_a_failure(tmp_path: Path, options: tuple[str, ...]) -> None:
    answer = run_planted(tmp_path, FILE, *options)
    assert answer.returncode == 1
    lines = answer.stdout.partition("= ERRORS =")[0].splitlines()
    [over] = [line for line in lines if line.startswith("[1/1] ")]
    counts = r"2 passed, 1 failed, 2 error, 1 skipped, 1 xfailed"
    assert re.fullmatch(rf"\[1/1\] \S* +{counts}  \d+\.\d s", over)
    failures = sorted(re.sub(r" \S*::", " ", line) for line in lines if line.startswith(("FAILED", "ERROR ")))
    assert failures == ["ERROR test_late (teardown)", "ERROR test_never (setup)", "FAILED test_bad (call)"]
    assert "FAILED ::test_bad - AssertionError: planted" in answer.stdout
    assert "1 failed, 2 passed, 1 skipped, 1 xfailed, 2 errors in" in answer.stdout


@pytest.mark.parametrize(("option", "expected"), [("-v", r"test_good PASSED"), ("-q", r"^[.FEsx]+ *(\[100%\])?$")])
def test_who_asks_for_more_or_less_gets_pytests_own(tmp_path: Path, option: str, expected: str) -> None:
    answer = run_planted(tmp_path, FILE, option, "-p", "no:randomly")
    assert re.search(expected, answer.stdout, re.MULTILINE)
    assert "[1/1]" not in answer.stdout
