import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench.__main__ import main
from bench.figures import Aim, Figure, figure
from bench.machine import this_machine
from bench.not_measured import NotMeasured
from bench.report import MEASUREMENTS, run
from bench.scale import QUICK, Scale


def one(scale: Scale) -> Iterator[Figure]:
    yield figure("one", [float(scale.repeats), 1.0, 2.0], "ms", Aim(at_most=1))


def broken(scale: Scale) -> Iterator[Figure]:
    yield figure("the beginning of it", [float(scale.repeats)], "ms")
    raise NotMeasured("two", "no Redis", "one")


def test_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "var" / "bench.json"
    assert run(["one"], QUICK, file, {"one": one}) == 0
    printed = capsys.readouterr()
    assert "one     2 ms    1 to 3  <= 1 ms  MISSED" in printed.out
    assert f"as JSON: {file}" in printed.out
    assert "bench: one took 0 s" in printed.err
    kept = json.loads(file.read_bytes())
    assert kept["figures"][0]["value"] == 2.0
    assert kept["machine"]["cores"] >= 1
    assert kept["scale"]["repeats"] == QUICK.repeats


def test_what_cannot_be_measured_is_said_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["broken", "one"], QUICK, tmp_path / "bench.json", {"one": one, "broken": broken}) == 1
    out = capsys.readouterr().out
    assert "two not measured: found no Redis, expected one" in out
    assert "the beginning of it" in out
    assert "MISSED" in out


def test_a_busy_machine_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = this_machine()
    assert machine.cpu != "unknown"
    assert f"{machine.cores} cores" in str(machine)
    assert msgspec.structs.replace(machine, cores=2, load=1.1).is_busy
    assert not msgspec.structs.replace(machine, cores=2, load=0.9).is_busy
    run(["one"], QUICK, tmp_path / "bench.json", {"one": one})
    line = capsys.readouterr().out.splitlines()[0]
    assert f"Python {machine.python}" in line
    assert line.endswith(" (a build without optimisations)") == (not machine.optimised)


def test_measures_everything_unless_told_otherwise() -> None:
    engine = ["replay", "latency", "memory", "snapshot", "recovery", "processes"]
    assert list(MEASUREMENTS) == [*engine, "monitoring", "learning", "break_offs", "push"]


def test_refuses_a_measurement_there_is_none_of(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tea"])
    assert ended.value.code == 2
    assert "found 'tea', expected replay, latency, memory, snapshot" in capsys.readouterr().err
