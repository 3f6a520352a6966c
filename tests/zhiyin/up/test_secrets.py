import stat
from pathlib import Path

import msgspec
import pytest

from config import Settings
from zhiyin.console.errors import CommandFailure
from zhiyin.up.secrets import kept_secrets, with_secrets


def test_they_are_made_once_kept_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path / "var"))
    first, second = with_secrets(settings), with_secrets(settings)
    assert first == second
    assert len(first.token_secret) >= 32
    assert first.write_keys != (first.token_secret,)
    path = tmp_path / "var" / "secrets.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secrets.json"]


def test_what_was_set_stays(tmp_path: Path) -> None:
    settings = Settings(state_dir=str(tmp_path), write_keys=("my-write-key",))
    filled = with_secrets(settings)
    assert filled.write_keys == ("my-write-key",)
    both = msgspec.structs.replace(settings, token_secret="s" * 32)
    assert with_secrets(both) is both


def test_nothing_is_kept_before_the_first_time(tmp_path: Path) -> None:
    assert kept_secrets(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", '{"write_key": 1}', "no json"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets.json").write_text(text)
    with pytest.raises(CommandFailure, match=r"secrets\.json: found .*, expected the secrets 'zhiyin up' wrote there"):
        with_secrets(Settings(state_dir=str(tmp_path)))
