"""``zhiyin models`` as a person types it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from operators.learning.interfaces import MODEL_FORMAT, Quality
from state.snapshots.model_store import ModelDescription, ModelStore, models_folder
from tests.zhiyin.up.house_up import clean_environment
from zhiyin.cli.main import main

Typed = Callable[..., tuple[int, str, str]]
LEADER = Quality("unfinished", "linear", True, 4_000, 0.4321, 0.45, 0.14, 0.0123, 0.8288)
OTHER = Quality("unfinished", "tree", False, 400, 0.46, 0.45, 0.15, 0.02, 0.81)
DESCRIPTION = ModelDescription(
    journey="policy_loan",
    format=MODEL_FORMAT,
    program="0.1.0",
    catalogue="12ab34cd",
    saved_ms=1_700_000_000_000,
    trained_from_ms=1_690_000_000_000,
    trained_to_ms=1_699_000_000_000,
    labels=4_000,
    figures=(OTHER, LEADER),
)
OLD = msgspec.structs.replace(DESCRIPTION, labels=12, figures=(), trained_from_ms=None)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Two versions of one journey."""
    store = ModelStore(models_folder(str(tmp_path)), MODEL_FORMAT)
    store.save(OLD, b"weights")
    store.save(DESCRIPTION, b"more weights")
    return store


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types ``zhiyin models ...``: exit code, stdout, stderr."""
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("ZHIYIN_STATE_DIR", str(tmp_path))

    def type_(*words: str) -> tuple[int, str, str]:
        try:
            code = main(["models", *words])
        except SystemExit as ended:
            code = int(str(ended.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return type_


@pytest.mark.usefixtures("store")
def test_the_list_says_when_on_what_and_how_good(typed: Typed) -> None:
    code, said, _ = typed("list")
    assert code == 0
    heads, old, newest = (line.split("  ") for line in said.splitlines())
    assert [word.strip() for word in heads if word] == [
        *("JOURNEY", "VERSION", "SAVED", "TRAINED ON", "LABELS", "LEADS", "LOG LOSS", "BETTER BY", "AUC")
    ]
    assert [word.strip() for word in old if word] == [
        *("policy_loan", "1", "2023-11-14T22:13:20", "nothing yet", "12", "-", "-", "-", "-")
    ]
    assert [word.strip() for word in newest if word] == [
        *("policy_loan", "2", "2023-11-14T22:13:20", "2023-07-22 to 2023-11-03"),
        *("4,000", "linear", "0.4321", "+0.0179", "0.8288"),
    ]


def test_programs_get_json(typed: Typed, store: ModelStore) -> None:
    store.pin("policy_loan", 2)
    _, said, _ = typed("list", "--json")
    assert [(each["version"], each["pinned"]) for each in map(json.loads, said.splitlines())] == [(1, False), (2, True)]
    _, said, _ = typed("show", "2", "--json")
    assert json.loads(said)["figures"][1]["auc"] == 0.8288


@pytest.mark.usefixtures("store")
def test_one_version_is_shown_whole(typed: Typed) -> None:
    code, said, _ = typed("show", "2")
    assert code == 0
    assert "trained    2023-07-22 to 2023-11-03, 4,000 labels\n" in said
    assert f"models     {MODEL_FORMAT}, 12 bytes\n" in said
    assert "unfinished  linear (leads)  4,000   0.4321    +0.0179    0.8288  0.1400  0.0123\n" in said
    assert "QUESTION" not in typed("show", "1")[1]


def test_a_rollback_pins_until_it_is_released(typed: Typed, store: ModelStore) -> None:
    code, said, _ = typed("rollback", "1")
    assert code == 0
    assert said.startswith("policy_loan: version 1 is pinned; the engine begins with it at its next start, and at each")
    assert store.pinned("policy_loan") == 1
    assert "1 pinned" in typed("list")[1]
    assert "version    1, pinned\n" in typed("show", "1")[1]
    assert typed("rollback", "--release")[1].startswith("policy_loan: no version is pinned")
    assert store.pinned("policy_loan") is None


def test_what_is_not_there_is_said(typed: Typed, store: ModelStore) -> None:
    code, _, said = typed("rollback", "9")
    assert (code, "found no version 9, expected one of those kept there" in said) == (1, True)
    code, _, said = typed("show", "1", "--journey", "claim")
    assert code == 1
    assert "found --journey claim, expected one of policy_loan; 'zhiyin models list' shows them" in said
    store.save(msgspec.structs.replace(DESCRIPTION, journey="claim"), b"")
    code, _, said = typed("rollback", "1")
    assert (code, "found no --journey, expected one of claim, policy_loan" in said) == (1, True)
    assert typed("rollback")[0] == 2
    assert typed("rollback", "1", "--release")[0] == 2


def test_where_nothing_was_saved(typed: Typed) -> None:
    assert typed("list")[1].startswith("no models in ")
    assert "expected models, but none have been saved there yet" in typed("show", "1")[2]


@pytest.mark.usefixtures("store")
def test_a_damaged_file_is_named_and_the_others_are_listed(typed: Typed, tmp_path: Path) -> None:
    path = next(tmp_path.rglob("000001.model"))
    path.write_bytes(path.read_bytes()[:-1])
    code, said, complaint = typed("list")
    assert code == 1
    assert f"{path}: found another checksum" in complaint
    assert len(said.splitlines()) == 2
    assert typed("rollback", "1")[0] == 1
