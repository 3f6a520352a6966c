"""Versions of models: written whole, read only when they are what was written, kept so many."""

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.snapshots.model_store import ModelDamaged, ModelDescription, ModelForeign, ModelMissing, ModelStore

LOAN = "policy_loan"
DESCRIPTION = ModelDescription(
    journey=LOAN,
    format="test-1",
    program="0.1.0",
    catalogue="12ab34cd",
    saved_ms=1_700_000_000_000,
    trained_from_ms=1_600_000_000_000,
    trained_to_ms=1_650_000_000_000,
    labels=4_711,
)


def store(folder: Path, keep: int = 3) -> ModelStore:
    return ModelStore(folder, "test-1", keep)


def only_file(folder: Path) -> Path:
    (path,) = folder.rglob("*.model")
    return path


def numbers(models: ModelStore, journey: str = LOAN) -> list[int]:
    return [each.version for each in models.versions(journey) if isinstance(each, ModelDescription)]


def test_what_was_saved_comes_back_and_says_what_it_is(tmp_path: Path) -> None:
    models = store(tmp_path)
    assert models.save(DESCRIPTION, b"\x00\nweights\n") == 1
    assert models.read(LOAN, 1) == (msgspec.structs.replace(DESCRIPTION, version=1), b"\x00\nweights\n")
    assert (models.numbers(LOAN), models.journeys(), models.pinned(LOAN)) == ([1], [LOAN], None)


def test_an_empty_store_has_nothing(tmp_path: Path) -> None:
    models = store(tmp_path / "none")
    assert (models.numbers(LOAN), models.journeys(), models.pinned(LOAN), numbers(models)) == ([], [], None, [])
    with pytest.raises(ModelMissing, match="found no version 7, expected one of those kept there"):
        models.read(LOAN, 7)


def test_journeys_of_any_name_do_not_meet(tmp_path: Path) -> None:
    models, names = store(tmp_path), ["a/b", "a_b", "../up", "保单贷款", "保单" * 50, "A_B"]
    for name in names:
        models.save(msgspec.structs.replace(DESCRIPTION, journey=name), name.encode())
    assert models.journeys() == sorted(names)
    assert [models.read(name, 1)[1].decode() for name in names] == names
    assert {path.parent.parent for path in tmp_path.rglob("*.model")} == {tmp_path}


def test_the_newest_stay_and_the_pinned_one(tmp_path: Path) -> None:
    models = store(tmp_path)
    for number in range(1, 4):
        assert models.save(DESCRIPTION, b"") == number
    models.pin(LOAN, 2)
    for number in range(4, 8):
        assert models.save(DESCRIPTION, b"") == number
    assert numbers(models) == [2, 5, 6, 7]
    assert models.pinned(LOAN) == 2
    models.release(LOAN)
    models.release(LOAN)
    models.save(DESCRIPTION, b"")
    assert (numbers(models), models.pinned(LOAN)) == ([6, 7, 8], None)


def test_a_version_that_cannot_be_used_is_not_pinned(tmp_path: Path) -> None:
    models = store(tmp_path)
    models.save(DESCRIPTION, b"weights")
    with pytest.raises(ModelMissing):
        models.pin(LOAN, 2)
    with pytest.raises(ModelForeign):
        ModelStore(tmp_path, "test-2").pin(LOAN, 1)
    assert models.pinned(LOAN) is None


@settings(deadline=None, max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True), cut=st.booleans())
def test_no_byte_may_be_lost_or_changed(share: float, cut: bool) -> None:
    with TemporaryDirectory() as folder:
        models = store(Path(folder))
        models.save(DESCRIPTION, b"some weights")
        path = only_file(Path(folder))
        whole = path.read_bytes()
        place = int(share * len(whole))
        path.write_bytes(whole[:place] if cut else whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ModelDamaged, match="expected zhiyin-models-1 and the SHA-256 of what follows; pin an ol"):
            models.read(LOAN, 1)
        (listed,) = models.versions(LOAN)
    assert isinstance(listed, ModelDamaged)
    assert listed.path == path


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    store(tmp_path).save(DESCRIPTION, b"weights")
    with pytest.raises(ModelForeign, match="found models of format 'test-1', expected 'test-2'; run the version of"):
        ModelStore(tmp_path, "test-2").read(LOAN, 1)


def test_a_file_under_another_name_is_not_taken_for_what_it_is_not(tmp_path: Path) -> None:
    models = store(tmp_path)
    models.save(DESCRIPTION, b"weights")
    only_file(tmp_path).rename(only_file(tmp_path).with_name("000009.model"))
    with pytest.raises(ModelDamaged, match="found version 1 of policy_loan, expected version 9 of policy_loan"):
        models.read(LOAN, 9)


def test_a_pin_that_is_no_number_is_refused(tmp_path: Path) -> None:
    models = store(tmp_path)
    models.save(DESCRIPTION, b"weights")
    (only_file(tmp_path).parent / "pinned").write_text("latest")
    with pytest.raises(ModelDamaged, match="found 'latest', expected the number of a version"):
        models.pinned(LOAN)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = store(tmp_path)
    models.save(DESCRIPTION, b"weights")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        models.save(DESCRIPTION, b"more")
    assert numbers(models) == [1]
