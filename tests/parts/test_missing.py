"""A part that a machine lacks: its tests are skipped in one line, or fail when it is required."""

import re
from pathlib import Path

import pytest

from tests.parts.machine import PARTS, ROOT
from tests.parts.planted import run_planted


def test_the_page_about_tests_names_every_part() -> None:
    page = (ROOT / "docs" / "how-to" / "run-the-tests.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(PARTS)


class TestMissingParts:
    file_text = """
import pytest

@pytest.mark.requires("kafka")
def test_one(): raise AssertionError("must not run")

@pytest.mark.requires("kafka")
def test_two(): raise AssertionError("must not run")

def test_three(): pytest.skip("no reason at all")

def test_four(): pass
"""

    def test_a_missing_part_is_one_line_with_its_count(self, tmp_path: Path) -> None:
        answer = run_planted(tmp_path, self.file_text)
        assert answer.returncode == 0, answer.stdout
        line = "not run on this machine: kafka (ZHIYIN_TEST_KAFKA=mock asks for the mock): 2 tests"
        assert answer.stdout.count("not run on this machine") == 1
        assert line in answer.stdout
        assert "1 passed, 3 skipped" in answer.stdout

    def test_any_other_skip_is_a_line_too(self, tmp_path: Path) -> None:
        assert "test_three (no reason at all)" in run_planted(tmp_path, self.file_text).stdout

    def test_a_required_part_that_is_missing_is_a_failure(self, tmp_path: Path) -> None:
        answer = run_planted(tmp_path, self.file_text, ZHIYIN_REQUIRE="redis, kafka")
        assert answer.returncode == 1
        assert "ZHIYIN_REQUIRE names kafka, and it is missing: ZHIYIN_TEST_KAFKA=mock asks" in answer.stdout

    def test_a_name_that_is_no_part_ends_the_run(self, tmp_path: Path) -> None:
        answer = run_planted(tmp_path, self.file_text, ZHIYIN_REQUIRE="chromium,redsi")
        assert answer.returncode == 4
        assert f"ZHIYIN_REQUIRE names redsi; known parts: {', '.join(PARTS)}" in answer.stderr

    def test_a_marker_that_names_no_part_is_a_failure(self, tmp_path: Path) -> None:
        text = 'import pytest\n\n@pytest.mark.requires("teapot")\ndef test_one(): pass\n'
        answer = run_planted(tmp_path, text)
        assert answer.returncode == 1
        assert "requires('teapot'): no such part; known: redis" in answer.stdout

    @pytest.mark.requires("chromium")
    def test_a_page_that_leaves_the_machine_or_logs_an_error_fails_its_test(self, tmp_path: Path) -> None:
        text = """
def test_one(page):
    page.set_content("<script>console.error('planted'); fetch('http://192.0.2.1/').catch(() => 0)</script>")
    page.wait_for_timeout(100)

def test_two(page, page_watch):
    page_watch.tolerated.append("planted")
    page.set_content("<script>console.error('planted')</script>")
"""
        answer = run_planted(tmp_path, text)
        assert answer.returncode == 1
        assert "request left the machine: http://192.0.2.1/" in answer.stdout
        assert "console: planted" in answer.stdout
        assert "2 passed, 1 error" in answer.stdout
