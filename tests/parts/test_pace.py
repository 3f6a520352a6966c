"""The measure of a machine's slowness."""

import time
from collections import deque
from pathlib import Path

import pytest

from tests.parts import pace
from tests.parts.processes import until


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> deque[tuple[float, float]]:
    kept: deque[tuple[float, float]] = deque()
    monkeypatch.setattr(pace, "_SAMPLES", kept)
    return kept


def test_it_is_the_mean_of_what_was_seen_since(samples: deque[tuple[float, float]]) -> None:
    samples.extend([(1.0, 100.0), (2.0, 3.0), (3.0, 5.0)])
    assert pace.slowness_since(2.0) == 4.0


def test_an_idle_machine_is_as_slow_as_itself(samples: deque[tuple[float, float]]) -> None:
    samples.append((1.0, 0.5))
    assert pace.slowness_since(1.0) == 1.0


def test_with_nothing_seen_yet_it_looks_itself(
    samples: deque[tuple[float, float]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "loadavg"
    file.write_text("1.00 1.00 1.00 4000/5000 77\n")
    monkeypatch.setattr(pace, "_LOAD", file)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert not samples
    assert pace.slowness_since(time.monotonic()) >= 2_000.0
    file.unlink()
    assert 1.0 <= pace.slowness_since(time.monotonic()) < 2_000.0


def test_it_is_seen_ten_times_a_second(samples: deque[tuple[float, float]]) -> None:
    pace.measure_from_now_on()
    until(lambda: len(samples) > 2)
    assert all(slowness > 0 for _, slowness in samples)
