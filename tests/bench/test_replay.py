from pathlib import Path

import pytest

from bench.inputs import RECORDED, RECORDED_CATALOGUE, Recording, recorded, simulated
from bench.replay import CHOICES, figures_of, replayed
from flows.sources.recording import RecordingUnreadable

EVENTS = 2_000


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return simulated(EVENTS, tmp_path_factory.mktemp("cache"))


def test_a_replay_costs_more_than_reading_and_less_than_a_thousand_times_that(recording: Recording) -> None:
    default, everything, decoding, one_by_one = figures_of(recording, repeats=3)
    for ratio in (default, everything):
        assert 0.001 < ratio.lowest <= ratio.value <= ratio.highest < 1
        assert ratio.lowest < ratio.highest
        assert "events of simulated customers" in ratio.note
        assert ratio.aim is not None
    for speed in (decoding, one_by_one):
        assert 10_000 < speed.value < 100_000_000


def test_the_replay_that_is_timed_does_the_work(recording: Recording) -> None:
    default, everything = (replayed(recording, kinds) for _, kinds, _ in CHOICES)
    assert default.events == everything.events == EVENTS
    assert default.facts["abandoned"] == everything.facts["abandoned"] > 10
    assert {"idle", "struggled", "hint"} <= set(everything.facts) - set(default.facts)
    assert not default.dead_letters


def test_a_simulated_stream_is_made_once(tmp_path: Path) -> None:
    first = simulated(100, tmp_path, RECORDED_CATALOGUE)
    assert len(first.lines) == 100
    [kept] = tmp_path.iterdir()
    kept.write_bytes(b"{}\n" * 7)
    assert simulated(100, tmp_path, RECORDED_CATALOGUE).lines == [b"{}"] * 7


def test_the_beginning_of_a_recording_says_so(recording: Recording) -> None:
    some = recording.first(10)
    assert (some.lines, some.says) == (recording.lines[:10], "the first 10 of 2,000 events of simulated customers")
    assert recording.first(10_000).says.startswith("the first 2,000 of")


def test_a_machine_without_the_recording_goes_without(tmp_path: Path) -> None:
    assert recorded(tmp_path / "none.ndjson.xz") is None


@pytest.mark.requires("recorded_data")
def test_the_recording_is_read() -> None:
    found = recorded(RECORDED)
    assert found is not None
    assert found.says == "54,792 events of real people"


def test_a_damaged_recording_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ndjson.xz"
    broken.write_bytes(b"not xz at all")
    with pytest.raises(RecordingUnreadable, match=r"broken\.ndjson\.xz: found a damaged archive"):
        recorded(broken)
