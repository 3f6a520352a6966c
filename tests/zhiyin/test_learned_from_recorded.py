"""What is learnt from real recorded customers on the way: scores that rank, and break-offs told early and rightly."""

import io
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import orjson
import pytest

from config import load_catalogue
from flows.file_source import read_lines
from flows.replay import Replay
from operators.prequential import Prequential
from tests.machine import RECORDED_DATA, ROOT

CATALOGUE: Final = ROOT / "tests" / "recorded" / "online_process_learned.yaml"
LAST_THIRD: Final = datetime.fromisoformat("2017-04-04T16:00:00+00:00")
KINDS: Final = ("idle", "abandoned", "returned", "completed")

pytestmark = [pytest.mark.requires("recorded_data"), pytest.mark.timeout(120)]

Document = dict[str, Any]


@pytest.fixture(scope="module")
def facts() -> list[Document]:
    """Everything a replay of the recording tells, each with its instant."""
    out = io.BytesIO()
    Replay(load_catalogue(CATALOGUE), out, KINDS).run_lines(iter(list(read_lines([RECORDED_DATA], lambda _: None))))
    told: list[Document] = [orjson.loads(line) for line in out.getvalue().splitlines()]
    return [{**each, "at": datetime.fromisoformat(each["at"])} for each in told]


def figures_of(idle: Iterable[Document], completed: set[str]) -> Prequential:
    figures = Prequential()
    for each in idle:
        figures.score(each["score"], 0.5, each["transaction_id"] not in completed)
    return figures


@pytest.mark.parametrize(("seconds", "step_alone", "batch"), [(60, 0.777, 0.781), (120, 0.805, 0.813)])
def test_scores_rank_better_than_the_step_and_a_model_of_the_months_before(
    facts: list[Document], seconds: int, step_alone: float, batch: float
) -> None:
    completed = {each["transaction_id"] for each in facts if each["kind"] == "completed"}
    idle = [each for each in facts if each["kind"] == "idle" and each["idle_seconds"] == seconds]
    auc = figures_of([each for each in idle if each["at"] >= LAST_THIRD], completed).auc
    assert auc > batch + 0.004
    assert auc > step_alone + 0.01


def test_scores_are_calibrated_after_the_first_ten_thousand(facts: list[Document]) -> None:
    completed = {each["transaction_id"] for each in facts if each["kind"] == "completed"}
    idle = [each for each in facts if each["kind"] == "idle"]
    assert figures_of(idle[10_000:], completed).calibration_error <= 0.03


def test_break_offs_are_told_rightly_and_sooner_than_any_timeout(facts: list[Document]) -> None:
    by_attempt: dict[str, list[Document]] = defaultdict(list)
    for each in facts:
        if each["kind"] in ("abandoned", "returned"):
            by_attempt[each["transaction_id"]].append(each)
    told: list[tuple[float, bool]] = []
    for of_attempt in by_attempt.values():
        of_attempt.sort(key=lambda each: each["at"])
        kinds = [each["kind"] for each in of_attempt]
        assert kinds == ["abandoned", "returned"] * (len(kinds) // 2) + ["abandoned"] * (len(kinds) % 2)
        for place, each in enumerate(of_attempt):
            if each["kind"] == "abandoned" and each["at"] >= LAST_THIRD:
                told.append((each["idle_seconds"], place + 1 == len(of_attempt)))
    assert sum(right for _, right in told) / len(told) >= 0.96
    assert sum(idle_s for idle_s, _ in told) / len(told) <= 470, "a fixed timeout needs 620 s for that precision"
