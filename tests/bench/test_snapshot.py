from pathlib import Path

import msgspec
import pytest

from bench import snapshot
from bench.dataflow_process import resumed, timed
from bench.not_measured import NotMeasured
from bench.scale import QUICK

TINY = msgspec.structs.replace(QUICK, snapshot_attempts=1_100, snapshot_events=20_000)


@pytest.mark.slow
def test_snapshots_cost_speed_stall_the_stream_and_are_taken_up_again() -> None:
    speed, _, stall, restart = snapshot.measure(TINY)
    assert speed.value > 0
    assert speed.aim is not None
    assert stall.unit == "ms"
    assert 0 < restart.value < 30


def test_the_dataflow_is_full_and_goes_on_where_it_was(tmp_path: Path) -> None:
    answer = timed(2_000, 200, 10_000, tmp_path / "recovery")
    assert len(answer["pauses_ms"]) == 10_000 // 500
    journals = list((tmp_path / "recovery" / "journals").iterdir())
    assert {path.name.partition("-")[0] for path in journals} == {"track", "arbitrate"}
    assert resumed(tmp_path / "recovery")["wall_s"] > 0


def test_a_process_that_ends_is_said() -> None:
    wrong = msgspec.structs.replace(TINY, snapshot_attempts=0)
    with pytest.raises(NotMeasured, match="snapshots not measured: found the process ended with 1"):
        list(snapshot.measure(wrong))
