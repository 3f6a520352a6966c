import json
import sys
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import main
from bench.inputs import RECORDED_CATALOGUE, Recording, simulated
from bench.not_measured import NotMeasured
from bench.peers import against
from bench.peers.against import PEERS, figures_of, measure, replay, require_same_ends, rule_of
from bench.peers.environments import FOLDER, Peer
from bench.peers.peer_process import PeerRun, Runs, parse, run_peer
from bench.scale import QUICK
from bench.stock_window import WindowOutcome, outcome_of, stock_outcome
from config import load_catalogue
from flows.replay.replay import ReplayReport

TEA = Peer("tea", "Tea Streams")
HERE = Path(sys.executable)
RULE = rule_of(load_catalogue(RECORDED_CATALOGUE))
TINY = msgspec.structs.replace(QUICK, peer_events=500)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return simulated(3_000, tmp_path_factory.mktemp("cache"), RECORDED_CATALOGUE)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> list[PeerRun]:
    """What the peer answers, turn by turn; no engine is installed where tests run."""
    answers: list[PeerRun] = []
    monkeypatch.setattr(against, "run_peer", lambda *_: answers.pop(0))
    return answers


def answer(found: WindowOutcome, wall_s: float) -> PeerRun:
    return PeerRun(wall_s, wall_s * 2, found.completed, found.cancelled, found.abandoned)


def test_each_peer_has_a_folder_and_flink_has_the_limits() -> None:
    assert {each.name for each in PEERS} == {file.parent.name for file in FOLDER.glob("*/job.py")}
    [flink] = (each for each in PEERS if each.name == "flink_sql")
    assert (str(flink.fixed), str(flink.learning)) == (">= 5", ">= 3")


def test_the_start_up_is_taken_off(recording: Recording, answering: list[PeerRun]) -> None:
    found = stock_outcome(recording)
    for _ in range(2):
        answering.extend((answer(WindowOutcome(), 50.0), answer(found, 1_050.0)))
    fixed, learning = figures_of(Runs(PEERS[0], HERE), recording, repeats=2)
    for each in (fixed, learning):
        assert each.samples == 2
        assert 1.0 < each.value < 1_000_000
        assert "same answer" in each.note
        assert "against 3 (3)" in each.note
        assert "50.0 s of start-up taken off" in each.note
    assert fixed.name == "our replay / Flink SQL, speed, simulated, fixed decision"
    assert (fixed.verdict, learning.verdict) == ("reached", "reached")


def test_another_answer_is_no_figure(recording: Recording, answering: list[PeerRun]) -> None:
    found = stock_outcome(recording)
    one_more = msgspec.structs.replace(found, abandoned=found.abandoned + 1)
    answering.extend((answer(WindowOutcome(), 1.0), answer(one_more, 2.0)))
    with pytest.raises(NotMeasured, match=r"^Tea Streams not measured: found the windows say .*, expected the same"):
        list(figures_of(Runs(TEA, HERE), recording, repeats=1))


def test_a_run_as_short_as_its_start_up_is_no_figure(recording: Recording, answering: list[PeerRun]) -> None:
    answering.extend((answer(WindowOutcome(), 3.0), answer(stock_outcome(recording), 2.0)))
    with pytest.raises(NotMeasured, match="in no more time than its start-up, expected a longer run"):
        list(figures_of(Runs(TEA, HERE), recording, repeats=1))


def test_learning_tells_more_break_offs_and_the_same_ends(recording: Recording, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join(recording.lines))
    fixed, learned = (replay(recording.catalogue, each, file) for each in ("fixed", "learned"))
    assert outcome_of(fixed) == stock_outcome(recording)
    require_same_ends(fixed, learned)
    lost = ReplayReport(facts=learned.facts - fixed.facts)
    with pytest.raises(
        NotMeasured, match=r"learning not measured: found .* with it, .* without, expected the same ends"
    ):
        require_same_ends(fixed, lost)


def test_a_peer_that_cannot_be_had_is_one_line_and_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = msgspec.structs.replace(TEA, needs=("no-such-program",))
    assert list(measure(TINY, tmp_path, [peer])) == []
    said = capsys.readouterr().err
    assert said == "bench: Tea Streams skipped: no 'no-such-program' on PATH\n"


def test_a_program_that_fails_is_told_by_its_last_words(tmp_path: Path) -> None:
    pathway = msgspec.structs.replace(TEA, name="pathway")
    with pytest.raises(NotMeasured, match=r"found exit code 1: ModuleNotFoundError: No module named 'pathway', exp"):
        run_peer(Runs(pathway, HERE), tmp_path / "none.ndjson", RULE)


def test_a_program_that_never_ends_is_ended(tmp_path: Path) -> None:
    pathway = msgspec.structs.replace(TEA, name="pathway")
    with pytest.raises(NotMeasured, match=r"found no answer after 0\.001 s, expected one"):
        run_peer(Runs(pathway, HERE), tmp_path, RULE, timeout_s=0.001)


def test_the_answer_is_the_last_line() -> None:
    told = PeerRun(1.5, 2.5, 1, 2, 3)
    assert parse(TEA, f"log: hello\n[Stage 0:> (0 + 2)]\n{msgspec.json.encode(told).decode()}\n") == told
    assert told.outcome == WindowOutcome(1, 2, 3)
    for said in ("", "log: {}", json.dumps({"wall_s": 1.0})):
        with pytest.raises(NotMeasured, match=r"Tea Streams not measured: .*, expected a line of JSON with its times"):
            parse(TEA, said)


def test_peers_are_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "on request only, for they take long: peers" in said
