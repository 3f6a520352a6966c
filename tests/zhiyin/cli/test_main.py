"""What a person sees who types commands: in this process where that is enough, as a real one where it matters."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from config import Settings
from gateway.auth.tokens import TokenReader, read_token
from tests.parts.bound import bound
from tests.parts.machine import ROOT
from tests.zhiyin.up.house_up import QUICK, clean_environment
from zhiyin.cli import commands
from zhiyin.cli.main import main
from zhiyin.console.errors import CommandFailure
from zhiyin.console.logs import log_to_stderr
from zhiyin.console.version import VERSION
from zhiyin.up.secrets import Secrets


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but a state folder of the test's own."""
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("ZHIYIN_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(ROOT)


def test_help_is_quick_and_imports_no_room() -> None:
    code = (
        "import sys, zhiyin.cli.parser as p; p.command_parser().format_help();"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'bytewax', 'redis', 'uvicorn', 'websockets', 'flows', 'gateway', 'state', 'config', 'msgspec'}))"
    )
    answer = subprocess.run(bound([sys.executable, "-c", code]), capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == "[]"


def test_the_module_is_the_command() -> None:
    answer = subprocess.run(
        bound([sys.executable, "-m", "zhiyin", "--version"]), capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert answer.stdout == f"zhiyin {VERSION}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["up", "--port", "99999"], "argument --port: found '99999', expected a port from 0 to 65535"),
        (["simulate"], "one of the arguments --to --out is required"),
        (["replay"], "the following arguments are required: FILE"),
        (["simulate", "--out", "x", "--duration", "soon"], "argument --duration: found 'soon', expected a duration"),
    ],
)
def test_a_wrong_command_is_exit_code_two(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert words in capsys.readouterr().err


def test_check_says_that_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--catalog", str(QUICK)]) == 0
    said = capsys.readouterr()
    assert said.out == "nothing wrong\n"
    assert said.err == f"catalogue {QUICK}: journeys 1, reasons 4\n"


def test_check_says_every_problem_of_settings_and_catalogue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIYIN_SPEEDD", "2")
    (tmp_path / "settings.yaml").write_text("http_port: high\n")
    (tmp_path / "catalogue.yaml").write_text("journeys: {}\n")
    arguments = ["check", "--settings", str(tmp_path / "settings.yaml"), "--catalog", str(tmp_path / "catalogue.yaml")]
    assert main(arguments) == 2
    out = capsys.readouterr().out
    for words in ("ZHIYIN_SPEEDD", "settings.yaml:1: http_port", "journeys", "reasons"):
        assert words in out


@pytest.mark.parametrize(
    ("command", "lacks"),
    [("engine", ["REDIS_URL"]), ("gateway", ["REDIS_URL", "ZHIYIN_WRITE_KEYS", "ZHIYIN_TOKEN_SECRET"])],
)
def test_a_process_alone_says_every_setting_it_lacks(
    command: str, lacks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command]) == 2
    err = capsys.readouterr().err
    for name in lacks:
        assert f"settings: {name}: found nothing, expected a value: {command} can't run without" in err


def test_a_token_is_signed_with_the_secret_that_up_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Secrets("write-key", "s" * 32)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secrets.json").write_bytes(msgspec.json.encode(kept))
    for arguments, subject, role in (
        ([], "desk-1", "agent"),
        (["--subject", "desk-2"], "desk-2", "agent"),
        (["--role", "chatbot"], "chatbot", "chatbot"),
        (["--role", "supervisor", "--subject", "lin"], "lin", "supervisor"),
    ):
        assert main(["token", *arguments]) == 0
        token = read_token(kept.token_secret, capsys.readouterr().out.strip(), 0)
        assert (token.subject, token.role) == (subject, role)


def test_a_token_says_what_the_gateway_will_ask_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZHIYIN_TOKEN_SECRET", "s" * 32)
    monkeypatch.setenv("ZHIYIN_TOKEN_ISSUER", "https://id.example")
    monkeypatch.setenv("ZHIYIN_TOKEN_AUDIENCE", "zhiyin")
    assert main(["token", "--role", "ops"]) == 0
    reader = TokenReader("s" * 32, None, "https://id.example", "zhiyin")
    assert reader.read(capsys.readouterr().out.strip(), 0).role == "ops"


def test_without_any_secret_there_is_no_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token"]) == 1
    assert capsys.readouterr().err == (
        f"zhiyin token: token secret: found neither ZHIYIN_TOKEN_SECRET nor {tmp_path / 'var'}/secrets.json, "
        "expected one; set it, or run 'zhiyin up' once, which makes one\n"
    )


def test_a_simulation_that_never_ends_fits_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--out", str(tmp_path / "events"), "--rounds", "0"]) == 1
    assert "--rounds: found 0 (for ever), expected 1 or more with --out: a file must end" in capsys.readouterr().err


def test_a_simulation_without_a_write_key_says_where_to_find_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--to", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == (
        "zhiyin simulate: --write-key: found none, expected the key the collector knows; 'zhiyin up' prints it\n"
    )


def test_simulated_customers_are_replayed_into_the_facts_that_were_planted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events, truth, facts = tmp_path / "events.ndjson.zst", tmp_path / "truth.ndjson", tmp_path / "facts.ndjson.gz"
    simulate = ["simulate", "--out", str(events), "--truth", str(truth), "--customers", "200", "--seed", "3"]
    assert main(simulate) == 0
    assert main(["replay", str(events), "--emit", "abandoned", "--out", str(facts), "--workers", "2"]) == 0
    assert "replay: " in capsys.readouterr().err
    planted = {each["transaction_id"]: each for each in map(json.loads, truth.read_text().splitlines())}
    packed = subprocess.run(bound(["gzip", "-dc", str(facts)]), capture_output=True, check=True).stdout
    found = {each["transaction_id"]: each for each in map(json.loads, packed.splitlines())}
    assert set(found) == {name for name, each in planted.items() if each["broke_off"]}
    right = sum(found[name]["reason"]["code"] == planted[name]["reason"] for name in found)
    assert right / len(found) > 0.8


def test_replay_writes_facts_to_standard_output(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    events = tmp_path / "events.ndjson"
    main(["simulate", "--out", str(events), "--customers", "5", "--catalog", str(QUICK)])
    dead = tmp_path / "dead.ndjson"
    with events.open("ab") as file:
        file.write(b"no json\n")
    capfdbinary.readouterr()
    assert main(["replay", str(events), "--catalog", str(QUICK), "--dead-letters", str(dead)]) == 0
    said = capfdbinary.readouterr()
    kinds = {json.loads(line)["kind"] for line in said.out.splitlines()}
    assert "started" in kinds
    assert b"refused, not_json 1" in said.err
    assert json.loads(dead.read_bytes())["failure"]["kind"] == "not_json"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--emit", "abandoned,left"], "--emit: found left, expected kinds with commas between, of: started, idle, "),
        (["--emit", ","], "--emit: found none, expected kinds with commas between"),
        (["--out", "/no/facts"], "--out /no/facts: No such file or directory, expected a file that can be written"),
        (["--dead-letters", "/no/dead"], "--dead-letters /no/dead: No such file or directory"),
    ],
)
def test_what_a_replay_refuses(more: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events.ndjson").touch()
    assert main(["replay", str(tmp_path / "events.ndjson"), *more]) == 1
    assert capsys.readouterr().err.startswith(f"zhiyin replay: {words}")


def test_a_recording_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path / "events.ndjson"), "--quiet"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"zhiyin replay: {tmp_path / 'events.ndjson'}: found No such file or directory")
    assert err.count("\n") == 1


def test_version_names_what_it_stands_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"zhiyin {VERSION}\nPython 3.")
    assert "bytewax 0." in out
    assert "missing" not in out


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandFailure("no port"), 1, "zhiyin version: no port\n"),
        (PermissionError(13, "Permission denied"), 1, "zhiyin version: [Errno 13] Permission denied\n"),
        (
            KeyError("step"),
            1,
            "zhiyin version: unexpected KeyError: 'step'; run it with --debug to see where\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_are_one_line_without_a_traceback(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(commands, "version", fail)
    assert main(["version"]) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("how", ["--debug", "ZHIYIN_LOG_LEVEL"])
def test_debug_shows_the_traceback(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "ZHIYIN_LOG_LEVEL":
        monkeypatch.setenv(how, "debug")
    assert main(["token", *([how] if how.startswith("--") else [])]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    replay = f"{sys.executable} -m zhiyin replay {tmp_path}/e.ndjson --quiet --emit started"
    command = f"{replay} | head -1; echo ${{PIPESTATUS[0]}}"
    main(["simulate", "--out", str(tmp_path / "e.ndjson"), "--customers", "3000"])
    answer = subprocess.run(
        bound(["bash", "-c", command]), capture_output=True, text=True, check=True, cwd=ROOT, env=clean_environment()
    )
    assert answer.stdout.splitlines()[-1] == "1"
    assert "Traceback" not in answer.stderr


def test_logs_are_lines_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log_to_stderr(Settings())
        logging.getLogger("zhiyin.test").info("ready")
        logging.getLogger("zhiyin.test").debug("not this")
        logging.getLogger("somebody.else").info("nor this")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    line = capsys.readouterr().err
    assert line.endswith("Z INFO zhiyin.test: ready\n")
    assert line.count("\n") == 1
