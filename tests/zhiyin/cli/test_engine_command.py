"""``zhiyin engine``: which process of a set it is, said wrongly."""

import os
from pathlib import Path

import pytest

from tests.parts.machine import ROOT
from tests.zhiyin.up.house_up import clean_environment
from zhiyin.cli import commands
from zhiyin.cli.main import main
from zhiyin.cli.parser import command_parser


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("ZHIYIN_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("-i", "2", "-a", "a:1;b:2"),
            "command line: engine_process_id: found 2, with 2 engine_addresses, expected 0 to 1",
        ),
        (
            ("-i", "0"),
            "engine_process_id: found 0, without engine_addresses, expected the addresses of all processes too",
        ),
        (
            ("-a", "a:1;b:2"),
            "ZHIYIN_ENGINE_PROCESS_ID: found nothing, with 2 addresses, expected which of them this process is, 0 to 1",
        ),
        (("-i", "0", "-a", "a:1;b"), "engine_addresses: found 'b', expected host:port, with a port from 1 to 65535"),
        (("-i", "0", "-a", "a:1,a:1"), "engine_addresses: found the same address twice, expected one of its own for"),
        (("-i", "x"), "argument -i/--process-id: found 'x', expected a whole number, 0 or more"),
        (
            ("-i", "0", "-a", ";"),
            "argument -a/--addresses: found ';', expected host:port;host:port, one for each process",
        ),
    ],
)
def test_a_wrong_place_in_a_set_is_exit_code_two(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["engine", *words])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHIYIN_ENGINE_ADDRESSES", "a:1,b:2")
    monkeypatch.setenv("ZHIYIN_ENGINE_PROCESS_ID", "1")
    monkeypatch.setenv("ZHIYIN_RECOVERY_DIR", "kept")
    settings = commands.engine_settings(command_parser().parse_args(["engine", "-i", "0", "--recovery", "here"]))
    assert (settings.engine_process_id, settings.engine_addresses) == (0, ("a:1", "b:2"))
    assert settings.recovery_dir == "here"
