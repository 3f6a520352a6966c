"""Loading a catalogue: one file, a folder, faster, without quiet hours."""

from pathlib import Path

import pytest

from config import ConfigurationError, load_catalogue
from config.loader.load import read_catalogue
from tests.config.loader.catalogues import GOOD
from tests.parts.machine import ROOT


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def refused(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        load_catalogue(path)
    return [str(each) for each in error.value.problems]


def test_a_file_becomes_records(good: Path) -> None:
    catalogue = load_catalogue(good)
    journey = catalogue.journeys["policy_loan"]
    assert [step.id for step in journey.steps] == ["apply", "confirm"]
    assert journey.idle_after_ms(journey.steps[0]) == 90_000
    assert journey.idle_after_ms(journey.steps[1]) == journey.idle_after_ms(None) == 300_000
    assert journey.forget_after_ms == 86_400_000
    assert journey.steps[1].final
    assert catalogue.reasons["face_check"].title.zh == "人脸识别"
    assert catalogue.quiet_hours is not None
    assert (catalogue.quiet_hours.start, catalogue.quiet_hours.end) == ("22:00", "08:00")
    assert catalogue.control_group.share == 0.1


def test_it_can_run_faster(good: Path) -> None:
    journey = load_catalogue(good, speed=10).journeys["policy_loan"]
    assert journey.idle_after_ms(journey.steps[0]) == 9_000


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_is_none_is_refused(good: Path, speed: float) -> None:
    with pytest.raises(ConfigurationError, match=r"speed: found \S+, expected a number above 0"):
        load_catalogue(good, speed=speed)


def test_quiet_hours_can_be_left_out(good: Path) -> None:
    assert load_catalogue(good, quiet_hours=False).quiet_hours is None


def test_a_folder_is_put_together(tmp_path: Path) -> None:
    head, _, rest = GOOD.partition("  unknown:\n")
    unknown, _, tail = rest.partition("quiet_hours:")
    (tmp_path / "a.yaml").write_text(head, encoding="utf-8")
    (tmp_path / "b.yml").write_text(f"reasons:\n  unknown:\n{unknown}", encoding="utf-8")
    (tmp_path / "c.yaml").write_text(f"quiet_hours:{tail}", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("not: read: at all")
    whole = tmp_path / "whole" / "all.yaml"
    whole.parent.mkdir()
    whole.write_text(GOOD, encoding="utf-8")
    assert load_catalogue(tmp_path) == load_catalogue(whole)


def test_a_key_in_two_files_is_refused_with_both_places(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(GOOD, encoding="utf-8")
    second.write_text("lateness: 3s\nreasons:\n  face_check: {}\n")
    found = f"a second time (first in {first}:"
    assert refused(tmp_path) == [
        f"{second}:1: lateness: found 'lateness' {found}1), expected each key once over all files",
        f"{second}:3: reasons.face_check: found 'face_check' {found}15), expected each key once over all files",
    ]


def test_problems_name_the_file_they_stand_in(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("hints:\n  lifetime: soon\n")
    (tmp_path / "c.yaml").write_text("- a list\n")
    assert refused(tmp_path) == [
        f"{tmp_path / 'b.yaml'}:2: hints.lifetime: found 'soon', expected a duration such as 500ms, 30s, 5m, 24h or 7d",
        f"{tmp_path / 'c.yaml'}:1: $: found a list of 1, expected a mapping",
    ]


def test_a_folder_without_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("hello")
    assert refused(tmp_path) == [
        f"{tmp_path}: $: found a folder without *.yaml files, expected a catalogue: a YAML file or a folder of them"
    ]


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    assert refused(tmp_path) == [f"{tmp_path}: $: found permission denied, expected a folder that can be read"]


def test_a_missing_catalogue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert refused(path) == [f"{path}: $: found no such file or directory, expected a YAML file that can be read"]


def test_what_the_records_refuse_is_told_even_when_the_schema_lets_it_pass(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.loader.load.document_problems", lambda _: [])
    good.write_text("journeys: 5")
    with pytest.raises(ConfigurationError, match=r"Expected `object`, got `int` .*, expected a catalogue"):
        load_catalogue(good)


@pytest.mark.parametrize("name", ["quick.yaml", "online_process.yaml"])
def test_the_recorded_catalogues_are_good(name: str) -> None:
    assert load_catalogue(ROOT / "tests" / "recorded" / name).control_group.share == 0


def test_the_quick_catalogue_breaks_off_after_two_seconds() -> None:
    catalogue = load_catalogue(ROOT / "tests" / "recorded" / "quick.yaml")
    journey = catalogue.journeys["policy_loan"]
    assert [(step.id, step.final, journey.idle_after_ms(step)) for step in journey.steps] == [
        ("apply", False, 2_000),
        ("face_check", False, 2_000),
        ("confirm", True, 2_000),
    ]
    assert catalogue.quiet_hours is None
    assert (catalogue.caps.hints, catalogue.caps.window) == (1_000, "24h")
    codes = {code: reason.evidence[0].codes[0] for code, reason in catalogue.reasons.items() if reason.evidence}
    assert codes == {"face_check": "face_mismatch", "sms_code": "sms_timeout", "payment": "payment_declined"}


def test_the_recorded_process_breaks_off_after_five_minutes() -> None:
    catalogue = load_catalogue(ROOT / "tests" / "recorded" / "online_process.yaml")
    journey = catalogue.journeys["online_process"]
    assert [step.id for step in journey.steps if not step.final] == ["start", "step_1", "step_2", "step_3"]
    assert [step.id for step in journey.steps if step.final] == ["confirm"]
    assert {journey.idle_after_ms(step) for step in journey.steps} == {300_000}
    assert journey.forget_after_ms == 7 * 86_400_000
    assert (catalogue.decision, catalogue.lateness_ms) == ("fixed", 2_000)


def test_reading_alone_raises_nothing(tmp_path: Path) -> None:
    assert read_catalogue(tmp_path / "none").value is None
