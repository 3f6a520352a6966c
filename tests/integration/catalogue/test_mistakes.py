"""Every kind of mistake in a catalogue, and what is said about it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.config.loader.catalogues import GOOD, spoiled, told

DURATION = "expected a duration such as 500ms, 30s, 5m, 24h or 7d"


MISTAKES = yaml.safe_load((Path(__file__).parent / "mistakes.yaml").read_text("utf-8"))


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: f"{each['old'].strip()[:30]} -> {each['new'][:30]}")
def test_a_mistake_is_told_with_its_place_and_what_is_expected(tmp_path: Path, mistake: dict[str, Any]) -> None:
    assert told(tmp_path, spoiled(mistake["old"], mistake["new"])) == mistake["told"]


def test_a_line_break_is_no_part_of_a_duration(tmp_path: Path) -> None:
    assert told(tmp_path, spoiled("idle_after: 5m", 'idle_after: "5m\\n"')) == [
        f"6: journeys.policy_loan.idle_after: found '5m\\n', {DURATION}"
    ]


def test_everything_is_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = (
        GOOD.replace("lateness: 2s", "lateness: later")
        .replace("idle_after: 90s", "idle_after: 0s")
        .replace("final: true", "finl: true")
        .replace("steps: [apply]", "steps: [pay]")
        .replace("to: 08:00", "to: 8")
        .replace("  unknown:", "  other:")
        .replace("share: 0.1", "share: -1")
    )
    assert [line.split(": found")[0] for line in told(tmp_path, text)] == [
        "1: lateness",
        "10: journeys.policy_loan.steps[0].idle_after",
        "13: journeys.policy_loan.steps[1].finl",
        "14: reasons.unknown",
        "23: reasons.face_check.evidence[0].steps[0]",
        "24: reasons.other.evidence",
        "31: quiet_hours.to",
        "33: control_group.share",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "1: $: found an empty list, expected a mapping"),
        ("just words", "1: $: found 'just words', expected a mapping"),
        ("5", "1: $: found 5, expected a mapping"),
        ("journeys: 5\nreasons: []", "1: journeys: found 5, expected a mapping"),
        ("journeys: {}\nreasons: {}", "1: journeys: found an empty mapping, expected at least 1 in the mapping"),
        ("{}", "1: journeys: found nothing, expected a mapping"),
        ("journeys: {a: {steps: []}}", "1: journeys.a.steps: found an empty list, expected at least 1"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, text: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in told(tmp_path, text))
