import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.inputs import RECORDED_CATALOGUE
from bench.peers import session_job
from bench.peers.against import rule_of
from bench.peers.session_job import SessionRule, carry_out, outcome_of, processor_s, sessions_in
from config import load_catalogue
from operators.records.events import ACTIVITY


def session(*, completed: int = 0, cancelled: int = 0, is_open: bool = False) -> dict[str, Any]:
    return {"completed": completed, "cancelled": cancelled, "is_open": is_open}


def test_the_rule_comes_through_the_command_line_as_it_was() -> None:
    catalogue = load_catalogue(RECORDED_CATALOGUE)
    rule = rule_of(catalogue)
    assert (rule.gap_s, rule.lateness_s, rule.final_step) == (300, 2, "confirm")
    assert set(rule.activity) == ACTIVITY
    assert session_job.rule_of(json.dumps(rule)) == rule


def test_a_session_that_ends_open_is_a_break_off() -> None:
    told = [session(completed=1), session(completed=2, is_open=True), session(cancelled=1), session(is_open=True)]
    assert outcome_of(iter(told)) == {"completed": 3, "cancelled": 1, "abandoned": 2}


def test_reads_the_sessions_and_not_the_notes_of_the_engine(tmp_path: Path) -> None:
    (tmp_path / "part-0").write_text(f"{json.dumps(session(completed=1))}\n{json.dumps(session())}\n", "utf-8")
    deeper = tmp_path / "hour"
    deeper.mkdir()
    (deeper / "part-1.json").write_text(json.dumps(session(cancelled=1)), "utf-8")
    notes = tmp_path / "_spark_metadata"
    notes.mkdir()
    (notes / "0").write_text("v1", "utf-8")
    (tmp_path / ".part-0.crc").write_bytes(b"\x00\xff")
    (tmp_path / "empty").touch()
    assert list(sessions_in(tmp_path)) == [session(cancelled=1), session(completed=1), session()]


def test_tells_what_the_run_took_and_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given: list[object] = []

    def run(file: Path, rule: SessionRule, folder: Path) -> None:
        given.extend((file, rule, folder))
        (folder / "sessions.json").write_text(json.dumps(session(completed=1, is_open=True)), "utf-8")

    rule = rule_of(load_catalogue(RECORDED_CATALOGUE))
    carry_out(run, ["events.ndjson", json.dumps(rule), str(tmp_path)])
    told = json.loads(capsys.readouterr().out)
    assert given == [Path("events.ndjson"), rule, tmp_path]
    assert told.keys() == {"wall_s", "cpu_s", "completed", "cancelled", "abandoned"}
    assert (told["completed"], told["cancelled"], told["abandoned"]) == (1, 0, 1)
    assert told["wall_s"] > 0


def test_processor_time_is_that_of_all_below_and_of_nobody_else(tmp_path: Path) -> None:
    ours = os.getpid()
    for pid, parent, ticks in ((ours, 1, 5), (90_001, ours, 7), (90_002, 90_001, 11), (90_003, 1, 1_000)):
        folder = tmp_path / str(pid)
        folder.mkdir()
        stat = f"{pid} (a (b) c) S {parent} 0 0 0 0 0 0 0 0 0 {ticks} 1 0 0 20 0 1"
        (folder / "stat").write_text(stat, "utf-8")
    (tmp_path / "90004").mkdir()
    assert processor_s(tmp_path) == pytest.approx((5 + 7 + 11 + 3) / os.sysconf("SC_CLK_TCK"))


def test_where_the_system_does_not_tell_it_is_this_process_alone(tmp_path: Path) -> None:
    assert processor_s(tmp_path) > 0
