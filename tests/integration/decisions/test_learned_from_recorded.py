"""What is learnt from real recorded customers on the way: scores that rank, and break-offs told early and rightly."""

import io
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import orjson
import pytest

from config import load_catalogue
from flows.replay.replay import Replay
from flows.sources.recording import read_lines
from tests.parts.machine import RECORDED_DATA, ROOT

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


def scored(idle: Iterable[Document], facts: Iterable[Document]) -> list[tuple[float, bool]]:
    """What was said of each, and whether it never completed."""
    completed = {each["transaction_id"] for each in facts if each["kind"] == "completed"}
    return [(each["score"], each["transaction_id"] not in completed) for each in idle]


def auc_of(said: list[tuple[float, bool]]) -> float:
    """The exact one, ties a half."""
    below = ranked = 0.0
    for _, group in groupby(sorted(said), key=lambda each: each[0]):
        outcomes = [outcome for _, outcome in group]
        yes, no = sum(outcomes), len(outcomes) - sum(outcomes)
        ranked += yes * (below + no / 2)
        below += no
    return ranked / (below * (len(said) - below))


def calibration_error_of(said: list[tuple[float, bool]]) -> float:
    tenths = [[each for each in said if int(each[0] * 10) == tenth] for tenth in range(10)]
    return sum(abs(sum(score - yes for score, yes in tenth)) for tenth in tenths) / len(said)


@pytest.mark.parametrize(("seconds", "step_alone", "batch"), [(60, 0.777, 0.781), (120, 0.805, 0.813)])
def test_scores_rank_better_than_the_step_and_a_model_of_the_months_before(
    facts: list[Document], seconds: int, step_alone: float, batch: float
) -> None:
    idle = [each for each in facts if each["kind"] == "idle" and each["idle_seconds"] == seconds]
    auc = auc_of(scored([each for each in idle if each["at"] >= LAST_THIRD], facts))
    assert auc > batch + 0.004
    assert auc > step_alone + 0.01


def test_scores_are_calibrated_after_the_first_ten_thousand(facts: list[Document]) -> None:
    idle = [each for each in facts if each["kind"] == "idle"]
    assert calibration_error_of(scored(idle[10_000:], facts)) <= 0.03


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
