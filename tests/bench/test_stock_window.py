from pathlib import Path

import msgspec
import pytest

from bench import stock_window
from bench.inputs import RECORDED_CATALOGUE, recorded, simulated
from bench.not_measured import NotMeasured
from bench.scale import QUICK
from bench.stock_window import WindowOutcome, our_outcome, require_agreement, stock_outcome

TINY = msgspec.structs.replace(QUICK, stock_events=1_000, repeats=2)


def test_the_windows_give_the_same_answer_as_we_do(tmp_path: Path) -> None:
    recording = simulated(3_000, tmp_path, RECORDED_CATALOGUE)
    found = stock_outcome(recording)
    assert found == our_outcome(recording)
    assert min(found.completed, found.cancelled, found.abandoned) > 3


@pytest.mark.requires("recorded_data")
def test_the_windows_agree_about_real_people() -> None:
    found = recorded()
    assert found is not None
    some = found.first(3_000)
    assert stock_outcome(some) == our_outcome(some)


def test_both_are_timed(tmp_path: Path) -> None:
    large, small = stock_window.measure(TINY, tmp_path)
    assert 0.05 < large.value < 1_000
    assert 0.05 < small.value < 1_000
    assert "the first 1,000 of" in large.note
    assert "the first 250 of" in small.note
    assert "same answer" in small.note


def test_another_answer_is_no_figure() -> None:
    require_agreement(WindowOutcome(1, 2, 3), WindowOutcome(1, 2, 3))
    with pytest.raises(NotMeasured, match=r"the windows say .*abandoned=3\), our replay .*abandoned=4\), expected the"):
        require_agreement(WindowOutcome(1, 2, 3), WindowOutcome(1, 2, 4))
