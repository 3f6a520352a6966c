"""``zhiyin evaluate`` as a person types it, and its promptness against replays told one by one."""

import importlib.util
import json
import lzma
import os
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from config import load_catalogue
from flows.replay.replay import Replay, ReplayObservers
from flows.steps.decide import Learns
from operators.hints.uplift import UpliftCounts
from operators.records.facts import Fact
from tests.parts.machine import RECORDED_DATA, ROOT
from tests.zhiyin.evaluate.predictions_made import scored
from tests.zhiyin.up.house_up import clean_environment
from zhiyin.cli.main import main
from zhiyin.evaluate.catalogues import looks_ms, shortest_ms, with_shortest_timeout, with_target
from zhiyin.evaluate.findings import Compared, findings, reliability_of
from zhiyin.evaluate.plots import PlotsMissing, plot
from zhiyin.evaluate.predictions import Predictions
from zhiyin.evaluate.report import EvaluationReport, JourneyTiming, in_order, printed, spread, uplift_of
from zhiyin.evaluate.run import Witness
from zhiyin.evaluate.timeouts import Promptness

LEARNED = ROOT / "tests" / "recorded" / "online_process_learned.yaml"
QUICK = ROOT / "tests" / "recorded" / "quick.yaml"
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types ``zhiyin evaluate ...``: exit code, stdout, stderr."""
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("ZHIYIN_STATE_DIR", str(tmp_path / "var"))

    def type_(*words: object) -> tuple[int, str, str]:
        try:
            code = main(["evaluate", *map(str, words)])
        except SystemExit as ended:
            code = int(str(ended.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_


@pytest.fixture
def few_days(tmp_path: Path) -> Path:
    """The first events of the recorded clients."""
    path = tmp_path / "few-days.ndjson"
    with lzma.open(RECORDED_DATA) as lines:
        path.write_bytes(b"".join(islice(lines, 9_000)))
    return path


@pytest.fixture
def simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Simulated customers of the quick catalogue."""
    path = tmp_path / "simulated.ndjson"
    words = ("--customers", "150", "--duration", "8h", "--catalog", QUICK, "--seed", "3")
    assert main(["simulate", "--out", str(path), *map(str, words)]) == 0
    capsys.readouterr()
    return path


@pytest.mark.slow
@pytest.mark.requires("recorded_data")
def test_recorded_clients_give_tables_a_report_and_pictures(typed: Typed, few_days: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "evaluation"
    code, said, complaint = typed(few_days, "--catalog", LEARNED, "--out", out, "--targets", "0.9")
    assert code == 0, complaint
    assert "online_process: does the attempt never complete?  (each scored before its outcome was learnt)" in said
    assert "learned, target precision 0.96" in said
    assert "no uplift can be told: one of the groups is empty" in said
    report = msgspec.json.decode((out / "report.json").read_bytes(), type=EvaluationReport)
    assert report.events == 9_000
    assert report.notes == ()
    by = {(each.question, each.checkpoint_s, each.span, each.model): each.measures for each in report.findings}
    learned, step = (by["unfinished", 60.0, "last_third", model] for model in ("learned", "step"))
    assert learned.auc is not None
    assert learned.auc > 0.6
    assert learned.rows == step.rows == by["unfinished", 60.0, "last_third", "batch"].rows
    [timing] = report.timing
    assert [each.target_precision for each in timing.ladder] == [0.96, 0.9]
    for ladder, same in zip(timing.ladder, timing.same_precision, strict=True):
        assert same is not None
        assert same.precision is not None
        assert ladder.precision is not None
        assert same.precision >= ladder.precision
    assert timing.fixed[-1].timeout_s == 1_800
    assert report.learning[0].learnt > 1_000
    assert [(out / name).read_bytes()[:4] for name in ("reliability.png", "delay-precision.png")] == [b"\x89PNG"] * 2


@pytest.mark.requires("recorded_data")
def test_what_it_says_of_the_ladder_is_what_a_replay_tells(typed: Typed, few_days: Path) -> None:
    code, said, _ = typed(few_days, "--catalog", LEARNED, "--targets", "", "--json", "--quiet")
    assert code == 0
    [ladder] = json.loads(said)["timing"][0]["ladder"]
    facts: list[Fact] = []
    Replay(load_catalogue(LEARNED), None, ("abandoned", "returned"), watching=ReplayObservers(facts.extend)).run(
        [few_days]
    )
    told = [each for each in facts if each.kind == "abandoned"]
    assert ladder["told"] == len(told)
    assert ladder["precision"] == pytest.approx(1 - (len(facts) - len(told)) / len(told))
    assert ladder["mean_delay_s"] == pytest.approx(sum(each.idle_ms for each in told) / len(told) / 1_000)


@pytest.mark.slow
@pytest.mark.requires("recorded_data")
@pytest.mark.timeout(180)
def test_scores_are_the_same_whether_somebody_watches_or_not(tmp_path: Path) -> None:
    path, catalogue = tmp_path / "weeks.ndjson", load_catalogue(LEARNED)
    with lzma.open(RECORDED_DATA) as lines:
        path.write_bytes(b"".join(islice(lines, 30_000)))  # a drift is noticed in these

    def scores(learns: Learns) -> list[tuple[str, float | None]]:
        facts: list[Fact] = []
        Replay(catalogue, None, ("idle", "abandoned"), watching=ReplayObservers(facts.extend, learns=learns)).run(
            [path]
        )
        return [(each.id, each.score) for each in facts]

    witness = Witness()
    assert scores(Learns(witness.scored, witness)) == scores(Learns())
    assert witness.predictions


def test_two_processes_give_the_same_report(typed: Typed, simulated: Path) -> None:
    reports: list[EvaluationReport] = []
    for workers in (1, 2):
        code, said, complaint = typed(simulated, "--catalog", QUICK, "--targets", "", "--json", "--workers", workers)
        assert code == 0, complaint
        reports.append(msgspec.structs.replace(msgspec.json.decode(said, type=EvaluationReport), seconds=0.0))
    assert reports[0] == reports[1]
    assert reports[0].findings


def test_without_the_evaluation_packages_it_does_the_rest(
    typed: Typed, simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in {"lightgbm", "matplotlib"} else here(name, package)

    monkeypatch.setattr("importlib.util.find_spec", without)
    code, said, _ = typed(simulated, "--catalog", QUICK, "--out", tmp_path / "out", "--targets", "")
    assert code == 0
    assert said.count("batch model: found no package lightgbm, expected it for the comparison") == 1
    assert said.count("pictures: found no package matplotlib, expected it for reliability.png") == 1
    assert "step alone" in said
    assert "batch LightGBM" not in said
    assert json.loads((tmp_path / "out" / "report.json").read_bytes())["notes"] == said.splitlines()[-2:]


def test_what_cannot_be_read_or_written_is_named(typed: Typed, tmp_path: Path, simulated: Path) -> None:
    code, _, complaint = typed(tmp_path / "none.ndjson", "--catalog", QUICK)
    assert (code, "none.ndjson: found No such file" in complaint) == (1, True)
    code, _, complaint = typed(simulated, "--catalog", QUICK, "--out", simulated)
    assert (code, "File exists, expected a folder that can be made" in complaint) == (1, True)
    code, _, complaint = typed(simulated, "--targets", "0.9,1.2")
    assert (code, "argument --targets: found '0.9,1.2', expected precisions above 0 and below 1" in complaint) == (
        *(2, True),
    )


def a_report() -> EvaluationReport:
    """Everything a report can hold."""
    predictions = Predictions()
    predictions.add(scored(400))
    compared = Compared("loan", "unfinished", predictions.table(), None)
    ladder = Promptness(100, 0.95, 300.0, 240.0, target_precision=0.95)
    empty = Promptness(0, None, None, None, target_precision=0.99)
    fixed = tuple(Promptness(100 - n, 0.9 + n / 100, 60.0 * n, 60.0 * n, 60.0 * n) for n in range(1, 10))
    return EvaluationReport(
        program="0.1.0",
        recordings=("events.ndjson",),
        events=1_234,
        seconds=0.5,
        findings=in_order(findings(compared)),
        reliability=(reliability_of(compared),),
        timing=(JourneyTiming("loan", (ladder, empty), (fixed[4], None), fixed),),
        uplift=(uplift_of("loan", UpliftCounts(80, 48, 70, 56, 60, 50)),),
        learning=(),
        notes=("something could not be done",),
    )


def test_the_report_is_printed_in_words() -> None:
    said = printed(a_report())
    assert "1,234 events in 0.5 s with learning on" in said
    assert "  uplift +20.0 points, 95 % interval +5.2 to +33.4; so many attempts show 21.1 points" in said
    assert "  no fixed timeout is right as often" in said
    assert "  fixed, 60 s " in said
    assert "  fixed, 4 min " in said
    assert "fixed, 3 min" not in said
    assert said.endswith("\nsomething could not be done\n")
    assert max(map(len, said.splitlines())) <= 120


def test_checkpoints_are_spread_over_the_table() -> None:
    assert spread([30, 60, 90, 120, 180, 240, 300]) == {30, 60, 120, 240, 300}
    assert spread([]) == set()


def test_pictures_are_drawn_or_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [path.name for path in plot(a_report(), tmp_path)] == ["reliability.png", "delay-precision.png"]
    assert plot(msgspec.structs.replace(a_report(), reliability=(), timing=()), tmp_path) == []
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(PlotsMissing, match="found no package matplotlib, expected it for reliability"):
        plot(a_report(), tmp_path)


def test_the_catalogue_is_changed_only_where_it_must_be() -> None:
    catalogue = load_catalogue(LEARNED)
    assert shortest_ms(catalogue) == 30_000
    assert looks_ms(catalogue, "online_process")[-2:] == [1_500_000, 1_800_000]
    fixed = with_shortest_timeout(catalogue)
    assert looks_ms(fixed, "online_process") == [30_000]
    assert not fixed.is_learned(fixed.journeys["online_process"])
    learned = with_target(load_catalogue(QUICK), 0.9)
    journey = learned.journeys["policy_loan"]
    assert (learned.is_learned(journey), learned.precision_of(journey)) == (True, 0.9)
