"""Models saved from a running engine, and taken up by the next: the newest that can be used, or the pinned one."""

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from flows.live.model_saver import ModelSaver, Origin
from flows.metrics.models import ModelMetrics
from operators.learning.interfaces import MODEL_FORMAT, LearningFigures, Quality
from operators.support.snapshot_codec import StateUnreadable
from state.snapshots.model_store import ModelDescription, ModelStore

LOAN = "policy_loan"
SAVED = "zhiyin_models_saved_timestamp_seconds"
FAILED = "zhiyin_models_save_failures_total"
NOW_MS = 1_700_000_000_000


class Tally:
    """The smallest thing that learns: it counts labels."""

    def __init__(self, labels: int = 0) -> None:
        self.labels = labels

    def figures(self) -> LearningFigures:
        quality = Quality("unfinished", "tally", True, self.labels, 0.4, 0.5, 0.1, 0.02, 0.8)
        return LearningFigures(LOAN, (quality,), self.labels, 0, 0, 0, {}, 5, 9)

    def saved(self) -> bytes:
        return msgspec.msgpack.encode(self.labels)

    def take_up(self, saved: bytes) -> None:
        found: object = msgspec.msgpack.decode(saved)
        if not isinstance(found, int):
            raise StateUnreadable(repr(found), "a tally")
        self.labels = found


class SaverSetup:
    """Keepers one after the other over one store, on a clock of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.store = ModelStore(folder, MODEL_FORMAT)
        self.registry = CollectorRegistry()
        self._metrics = ModelMetrics(self.registry)
        self.time_s = 0.0
        self.fingerprint = "12ab34cd"

    def keeper(self) -> ModelSaver:
        origin = Origin("0.1.0", {LOAN: self.fingerprint})
        return ModelSaver(self.store, origin, 60, self._metrics, monotonic=lambda: self.time_s, now_ms=lambda: NOW_MS)

    def versions(self) -> Iterator[ModelDescription]:
        return (each for each in self.store.versions(LOAN) if isinstance(each, ModelDescription))

    def begun(self, *, resumed: bool = False, labels: int = 0) -> int:
        """The labels a new engine's learning begins with."""
        learning = Tally(labels)
        keeper = self.keeper()
        keeper.begin(LOAN, learning, resumed=resumed)
        keeper.close()
        return learning.labels

    def save(self, *labels: int) -> None:
        for each in labels:
            keeper = self.keeper()
            keeper(LOAN, Tally(each))
            keeper.close()


@pytest.fixture
def house(tmp_path: Path) -> SaverSetup:
    return SaverSetup(tmp_path)


def test_it_saves_every_so_often_when_something_was_learnt_and_at_the_end(house: SaverSetup) -> None:
    keeper, learning = house.keeper(), Tally(1)
    for house.time_s, learning.labels in ((0, 1), (59, 2), (60, 3), (61, 4), (120, 3), (121, 5)):
        keeper(LOAN, learning)
    keeper.close()
    assert [each.labels for each in house.versions()] == [3, 5]
    last = list(house.versions())[-1]
    assert (last.saved_ms, last.trained_from_ms, last.trained_to_ms, last.program) == (NOW_MS, 5, 9, "0.1.0")
    assert (last.figures[0].model, last.figures[0].auc) == ("tally", 0.8)
    assert house.registry.get_sample_value(SAVED, {"journey": LOAN}) == NOW_MS / 1_000


def test_a_new_engine_begins_with_the_newest_a_resumed_one_with_its_snapshot(house: SaverSetup) -> None:
    assert house.begun() == 0
    house.save(10, 20)
    assert house.begun() == 20
    assert house.begun(resumed=True, labels=17) == 17


def test_the_pinned_version_comes_first_at_every_start(house: SaverSetup) -> None:
    house.save(10, 20)
    house.store.pin(LOAN, 1)
    assert (house.begun(), house.begun(resumed=True, labels=17)) == (10, 10)
    house.store.release(LOAN)
    assert house.begun() == 20


def test_what_cannot_be_used_is_said_and_the_one_before_is_taken(
    house: SaverSetup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house.save(10)
    house.store.save(msgspec.structs.replace(next(house.versions())), msgspec.msgpack.encode("no number"))
    house.save(30)
    newest = next(tmp_path.rglob("000003.model"))
    newest.write_bytes(newest.read_bytes()[:-1])
    with caplog.at_level(logging.INFO):
        assert house.begun() == 10
    assert f"version 3 is not taken up: {newest}: found another checksum" in caplog.text
    assert "version 2 is not taken up: saved state: found format 'no number', expected 'a tally'" in caplog.text
    assert "begins with version 1, 10 labels" in caplog.text
    house.store.pin(LOAN, 1)
    next(tmp_path.rglob("pinned")).write_text("one")
    assert house.begun() == 10
    assert "the pin is not taken for one" in caplog.text


def test_when_none_can_be_used_learning_begins_from_nothing(
    house: SaverSetup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house.save(10)
    next(tmp_path.rglob("*.model")).write_bytes(b"")
    with caplog.at_level(logging.INFO):
        assert house.begun() == 0
    assert "models of policy_loan: learning begins from nothing" in caplog.text


def test_another_catalogue_is_said(house: SaverSetup, caplog: pytest.LogCaptureFixture) -> None:
    house.save(10)
    house.fingerprint = "99ff99ff"
    assert house.begun() == 10
    assert "version 1 was learnt under another catalogue (12ab34cd, now 99ff99ff)" in caplog.text


def test_a_full_disk_is_counted_and_tried_again(
    house: SaverSetup, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        house.save(10)
    assert house.registry.get_sample_value(FAILED, {"journey": LOAN}) == 1
    assert "not saved: [Errno 28] No space left on device; it is tried again" in caplog.text
    house.save(10)
    assert [each.labels for each in house.versions()] == [10]
