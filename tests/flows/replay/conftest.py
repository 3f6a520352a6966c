"""Recordings for replays in several processes."""

from pathlib import Path

import pytest

from operators.records.catalogue import Catalogue
from tests.flows.replay.replay_processes import endless_recording, write_recording


@pytest.fixture(scope="module")
def recording(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of the module's catalogue."""
    return write_recording(catalogue, tmp_path_factory.mktemp("recording") / "events.ndjson")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A recording that never ends."""
    return endless_recording(tmp_path)
