import hashlib
from pathlib import Path

import msgspec
import pytest

from bench.peers.environments import FOLDER, Peer, PeerSkipped, last_line, python_of

TEA = Peer("tea", "Tea Streams")


def pin(folder: Path, text: str) -> Path:
    (folder / "tea").mkdir(parents=True)
    file = folder / "tea" / "requirements.txt"
    file.write_text(text, "utf-8")
    return file


def test_what_the_machine_lacks_is_one_line(tmp_path: Path) -> None:
    peer = msgspec.structs.replace(TEA, needs=("no-such-program",))
    with pytest.raises(PeerSkipped, match=r"^Tea Streams skipped: no 'no-such-program' on PATH$"):
        python_of(peer, tmp_path)


def test_what_is_installed_is_taken_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = pin(tmp_path / "pinned", "anything")
    made = tmp_path / "kept" / "tea"
    made.mkdir(parents=True)
    (made / ".installed").write_text(hashlib.sha256(file.read_bytes()).hexdigest(), "utf-8")
    assert python_of(TEA, tmp_path / "kept", tmp_path / "pinned") == made / "bin" / "python"
    assert capsys.readouterr().err == ""


def test_an_environment_is_made_with_progress_or_left_out_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    file = pin(tmp_path / "pinned", f"no-such-tea==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(PeerSkipped, match=r"^Tea Streams skipped: pip did not install it: ERROR: .*no-such-tea.*$"):
        python_of(TEA, tmp_path / "kept", tmp_path / "pinned")
    assert not (tmp_path / "kept" / "tea" / ".installed").exists()
    assert "bench: Tea Streams: making " in capsys.readouterr().err
    file.write_text("# nothing is needed\n", "utf-8")
    assert python_of(TEA, tmp_path / "kept", tmp_path / "pinned").is_file()
    assert "bench: Tea Streams: installed" in capsys.readouterr().err


def test_the_last_words_are_one_line() -> None:
    assert last_line("first\n\n  last  \n\n") == "last"
    assert last_line("") == "it said nothing"
    assert len(last_line("x" * 5_000)) == 300


def test_every_folder_has_its_program_and_its_pins() -> None:
    folders = [file.parent for file in FOLDER.glob("*/__init__.py")]
    assert len(folders) >= 3
    for folder in folders:
        assert (folder / "job.py").is_file()
        assert (folder / "requirements.txt").is_file()
