"""The house keeps its own promises: locks, commands, image, and what a machine lacks."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.import_rules import PRODUCT
from tests.parts.bound import bound
from tests.parts.machine import ROOT, required_parts, wheel_redis_binary
from tests.parts.processes import PATIENCE_S
from tests.parts.redis_server import RedisServer

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = ("run.txt", "dev.txt")
PEER_LOCKS = tuple(f"../{file.relative_to(ROOT)}" for file in sorted(ROOT.glob("bench/peers/*/requirements.txt")))
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
BARE_PATH = "/usr/bin:/bin"


def lock_text(name: str) -> str:
    return (ROOT / "requirements" / name).read_text("utf-8")


def pins(name: str) -> dict[str, str]:
    return {canonicalize_name(project): version for project, version in PINNED.findall(lock_text(name))}


class TestLocks:
    @pytest.mark.parametrize("name", LOCKS + PEER_LOCKS)
    def test_names_no_host(self, name: str) -> None:
        text = lock_text(name)
        assert "://" not in text
        assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", text, re.MULTILINE)

    @pytest.mark.parametrize("name", LOCKS + PEER_LOCKS)
    def test_every_line_is_a_pin_with_hashes(self, name: str) -> None:
        pieces = lock_text(name).replace("\\\n", " ").splitlines()
        requirements = [line for line in pieces if line and not line.lstrip().startswith("#")]
        assert requirements
        assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []

    def test_run_holds_what_the_project_asks_for(self) -> None:
        assert _unmet(PROJECT["project"]["dependencies"], pins("run.txt")) == []

    def test_dev_holds_what_the_groups_ask_for(self) -> None:
        groups = PROJECT["dependency-groups"]
        assert _unmet([*groups["dev"], *groups["bench"]], pins("dev.txt")) == []

    @pytest.mark.parametrize("name", PEER_LOCKS)
    def test_a_peer_holds_the_version_it_asks_for(self, name: str) -> None:
        [wanted] = (ROOT / "requirements" / name).with_suffix(".in").read_text("utf-8").splitlines()
        assert "==" in wanted
        assert _unmet([wanted], pins(name)) == []

    def test_dev_is_run_and_more(self) -> None:
        assert pins("run.txt").items() <= pins("dev.txt").items()

    def test_node_lock_names_no_host(self) -> None:
        text = (ROOT / "tests" / "node" / "package-lock.json").read_text("utf-8")
        assert "://" not in text
        packages = json.loads(text)["packages"]
        assert [name for name, each in packages.items() if name and "integrity" not in each] == []


def _unmet(wanted: list[str], have: dict[str, str]) -> list[str]:
    requirements = [Requirement(text) for text in wanted]
    return [
        str(each)
        for each in requirements
        if (found := have.get(canonicalize_name(each.name))) is None or Version(found) not in each.specifier
    ]


class TestProject:
    def test_is_never_built_into_a_wheel(self) -> None:
        assert PROJECT["tool"]["uv"]["package"] is False
        assert "build-system" not in PROJECT

    def test_runs_where_the_engine_has_wheels(self) -> None:
        assert PROJECT["project"]["requires-python"] == ">=3.11,<3.13"
        assert sys.version_info[:2] in {(3, 11), (3, 12)}

    def test_types_are_strict_with_no_module_exempted(self) -> None:
        mypy = PROJECT["tool"]["mypy"]
        assert mypy["strict"] is True
        assert set(mypy["files"]) == PRODUCT | {"tests", "bench"}
        [foreign] = mypy["overrides"]
        assert foreign.keys() == {"module", "ignore_missing_imports"}, (
            "for what others publish without types, and no more"
        )
        assert {name.partition(".")[0] for name in foreign["module"]}.isdisjoint(PRODUCT | {"tests", "bench"})
        assert not {"exclude", "ignore_errors", "ignore_missing_imports"} & mypy.keys()

    def test_warnings_are_errors(self) -> None:
        options = PROJECT["tool"]["pytest"]["ini_options"]
        assert options["filterwarnings"][0] == "error"
        assert options["timeout"] <= 120


class TestMake:
    def test_lists_its_commands(self) -> None:
        listed = _run(["make", "--no-print-directory"], ROOT).stdout
        for command in ("setup", "run", "test", "test-slow", "check", "bench", "chaos", "lock", "clean"):
            assert f"\n  {command} " in listed
        for variable in ("PORT", "KILLS", "ARGS", "PYTHON", "REDIS_URL"):
            assert f"\n  {variable}=" in listed

    def test_takes_the_first_python_that_runs_and_fits(self, tmp_path: Path) -> None:
        old = _fake_python(tmp_path / "python3.12", "echo 3.10.13")
        dead = _fake_python(tmp_path / "python3.11", "echo 'no such version' >&2; exit 127")
        (tmp_path / "python3").symlink_to(sys.executable)
        answer = _make_venv(tmp_path)
        assert answer.returncode == 0, answer.stderr
        assert (old.exists(), dead.exists()) == (True, True)
        assert f"making {tmp_path}/venv with python3 (3.1" in answer.stdout
        assert (tmp_path / "venv" / "bin" / "pip").exists()

    def test_says_which_pythons_it_found_when_none_fits(self, tmp_path: Path) -> None:
        _fake_python(tmp_path / "python3.12", "exit 127")
        _fake_python(tmp_path / "python3", "echo 3.9.2")
        answer = _make_venv(tmp_path)
        assert answer.returncode == 1
        assert "Python 3.11 or 3.12 is needed" in answer.stderr
        assert f"python3.12: at {tmp_path}/python3.12, but does not run" in answer.stderr
        assert "python3: is 3.9.2" in answer.stderr
        assert "PYTHON=/path/to/python3.12" in answer.stderr
        assert not (tmp_path / "venv").exists()

    def test_says_what_to_install_when_python_came_without_venv(self, tmp_path: Path) -> None:
        _fake_python(tmp_path / "python3.12", 'case "$2" in *version_info*) echo 3.12.4;; *) exit 1;; esac')
        answer = _make_venv(tmp_path)
        assert answer.returncode == 1
        assert "python3.12 (3.12.4) has no 'venv' or 'ensurepip' module" in answer.stderr
        assert "apt-get install python3.12-venv" in answer.stderr

    def test_leaves_a_venv_that_runs_alone(self, tmp_path: Path) -> None:
        (tmp_path / "python3").symlink_to(sys.executable)
        assert _make_venv(tmp_path).returncode == 0
        again = _make_venv(tmp_path)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

    def test_ctrl_c_ends_run_with_0(self, tmp_path: Path) -> None:
        shutil.copy(ROOT / "Makefile", tmp_path)
        for file in ("requirements/run.txt", ".venv/.run-stamp"):
            (tmp_path / file).parent.mkdir()
            (tmp_path / file).touch()
        (tmp_path / ".venv" / "bin").mkdir()
        body = """
import sys, time
try:
    sys.stdout.write(f"started {' '.join(sys.argv[1:])}\\n")
    sys.stdout.flush()
    time.sleep(30)
except KeyboardInterrupt:
    print("stopped in order")
"""
        python = _fake_python(tmp_path / ".venv" / "bin" / "python", "")
        python.write_text(f"#!{sys.executable}\n{body}", "utf-8")
        printed, status = _on_a_terminal(["make", "-C", str(tmp_path), "run", "PORT=0"], "started", "\x03")
        assert "started -m zhiyin up --demo --port 0" in printed
        assert "stopped in order" in printed
        assert status == 0

    def test_what_is_bound_to_make_takes_the_place_of_its_shell(self) -> None:
        recipes = [line for line in (ROOT / "Makefile").read_text("utf-8").splitlines() if line.startswith("\t")]
        bound = [line for line in recipes if "$(PYTEST)" in line or "$(WITH_MAKE)" in line]
        assert bound
        assert [line for line in bound if not re.search(r"exec \$\((PYTEST|WITH_MAKE)\)", line)] == []

    def test_lock_says_what_is_missing(self) -> None:
        answer = _run(["make", "lock", "UV=/nonexistent/uv"], ROOT)
        assert answer.returncode != 0
        assert "no '/nonexistent/uv' to run; install uv, or name it: make lock UV=/path/to/uv" in answer.stderr


def _run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "ZHIYIN_", "PYTHON"))}
    return subprocess.run(
        bound(command),
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def _on_a_terminal(command: list[str], until: str, keys: str) -> tuple[str, int]:
    """Run on a pseudo-terminal, press ``keys`` when ``until`` was printed; what was printed and the exit status."""
    ours, theirs = pty.openpty()
    # Whoever runs us in the background has Ctrl-C ignored in all below; on a terminal it is not.
    take_it = (
        "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    wrapped = [sys.executable, "-c", take_it, *command]
    with subprocess.Popen(bound(wrapped), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as child:
        os.close(theirs)
        printed = b""
        while chunk := _read(ours):
            pressed = until.encode() in printed
            printed += chunk
            if not pressed and until.encode() in printed:
                os.write(ours, keys.encode())
    os.close(ours)
    return printed.decode(), child.returncode


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1000)
    except OSError:  # how Linux says that the other end is closed
        return b""


def _make_venv(folder: Path) -> subprocess.CompletedProcess[str]:
    # Without the system's own folders: a python3 there would be found too.
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("rm", "sh"):
        link = tools / name
        if not link.exists():
            link.symlink_to(Path("/bin") / name)
    script = ROOT / "requirements" / "make_venv.sh"
    return _run(["/bin/sh", str(script), str(folder / "venv")], ROOT, PATH=f"{folder}:{tools}")


def _fake_python(file: Path, body: str) -> Path:
    file.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    file.chmod(0o755)
    return file


class TestContinuousIntegration:
    script = ROOT / ".ci" / "run"

    def test_requires_only_parts_that_are_known(self) -> None:
        found = re.search(r"^export ZHIYIN_REQUIRE=(\S+)$", self.script.read_text("utf-8"), re.MULTILINE)
        assert found is not None
        required = required_parts({"ZHIYIN_REQUIRE": found.group(1)})
        assert {"redis", "chromium", "node", "kafka", "recorded_data"} <= required

    def test_runs_what_everybody_runs(self) -> None:
        text = self.script.read_text("utf-8")
        assert os.access(self.script, os.X_OK)
        assert text.endswith("\nstage make check\nstage make test\nstage make test-slow\n")

    def test_says_each_stage_with_its_seconds_and_ends_with_the_first_that_fails(self, tmp_path: Path) -> None:
        answer = self.stages(tmp_path, 'test "$1" != test')
        assert answer.returncode == 1
        said = re.sub(r"\d+ s", "N s", answer.stdout).splitlines()
        assert said == [
            "ci: make check begins after N s",
            "ci: make check done in N s",
            "ci: make test begins after N s",
            "ci: make test failed with 1 after N s",
        ]

    def test_gives_up_what_takes_longer_than_an_hour_in_all(self, tmp_path: Path) -> None:
        answer = self.stages(tmp_path, "exec sleep 60", longest_s=1)
        assert answer.returncode == 124
        assert "ci: make check: not done after 1 s in all; given up" in answer.stdout

    def stages(self, folder: Path, make: str, longest_s: int = 3_600) -> subprocess.CompletedProcess[str]:
        """What comes after the installing, with another ``make``."""
        text = self.script.read_text("utf-8")
        assert "\nLONGEST_S=3600\n" in text
        begin, _, rest = text.partition("\nLONGEST_S=3600\n")
        function, _, _ = rest.partition("\nas_root")
        calls = "\n".join(line for line in text.splitlines() if line.startswith("stage make"))
        _fake_python(folder / "make", make)
        script = folder / "stages"
        script.write_text(f"set -euo pipefail\nLONGEST_S={longest_s}\n{function}\n{calls}\n", "utf-8")
        assert begin.startswith("#!/usr/bin/env bash")
        return _run(["bash", str(script)], folder, PATH=f"{folder}:{BARE_PATH}")


class TestImage:
    lines = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()

    def words(self, instruction: str) -> list[list[str]]:
        return [line.split()[1:] for line in self.lines if line.split(" ")[0] == instruction]

    def test_copies_what_exists_and_what_the_builder_is_given(self) -> None:
        ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        given = {line.removeprefix("!") for line in ignore if line.startswith("!")}
        copied = {words[0] for words in self.words("COPY") if not words[0].startswith("--from")}
        assert [source for source in copied if not (ROOT / source).exists()] == []
        assert copied == given
        assert copied >= PRODUCT

    def test_does_not_run_as_root(self) -> None:
        assert self.words("USER")[-1] == ["10001:10001"]

    def test_installs_with_hashes_only(self) -> None:
        installs = [line for line in self.lines if "pip install" in line]
        assert installs
        assert all("--require-hashes" in line for line in installs)

    def test_runs_on_a_python_that_we_support(self) -> None:
        assert {words[0] for words in self.words("FROM")} == {"python:3.12-slim"}

    def test_starts_the_door(self) -> None:
        assert json.loads(" ".join(self.words("ENTRYPOINT")[0])) == ["python", "-m", "zhiyin"]


class TestCompose:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))

    def test_has_one_container_a_process(self) -> None:
        services = self.compose["services"]
        assert {name for name, service in services.items() if "profiles" not in service} == {
            "redis",
            "engine",
            "gateway",
        }
        assert {services[name]["command"][0] for name in ("engine", "gateway")} == {"engine", "gateway"}

    def test_redis_keeps_what_it_answered_and_refuses_rather_than_forgets(self) -> None:
        command = self.compose["services"]["redis"]["command"]
        assert command[command.index("--appendonly") + 1] == "yes"
        assert command[command.index("--maxmemory-policy") + 1] == "noeviction"

    def test_kafka_is_there_for_those_who_ask_and_is_the_one_of_the_tests(self) -> None:
        kafka = self.compose["services"]["kafka"]
        pom = (ROOT / "tests" / "kafka" / "pom.xml").read_text("utf-8")
        assert kafka["profiles"] == ["kafka"]
        assert f"<version>{kafka['image'].removeprefix('apache/kafka:')}</version>" in pom
        for name in ("engine", "gateway"):
            service = self.compose["services"][name]
            assert service["depends_on"]["kafka"]["required"] is False
            assert service["environment"]["ZHIYIN_KAFKA_SERVERS"] == "${ZHIYIN_KAFKA_SERVERS:-kafka:9092}"

    def test_our_processes_cannot_write_outside_their_volume(self) -> None:
        for name in ("engine", "gateway"):
            service = self.compose["services"][name]
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]

    def test_ports_are_published_on_loopback_only(self) -> None:
        published = [port for each in self.compose["services"].values() for port in each.get("ports", [])]
        assert published
        assert [port for port in published if not port.startswith("127.0.0.1:")] == []


class TestRedisServer:
    def test_what_was_answered_survives_a_kill(self, redis_server: RedisServer) -> None:
        with redis.Redis.from_url(redis_server.url, socket_timeout=5.0) as client:
            client.set("kept", "yes")
            redis_server.kill()
            redis_server.start()
            assert client.get("kept") == b"yes"

    def test_refuses_to_start_twice(self, redis_server: RedisServer) -> None:
        with pytest.raises(RuntimeError, match="runs already: stop\\(\\) it first"):
            redis_server.start()

    def test_says_what_the_server_said_when_it_does_not_start(self, redis_server: RedisServer, tmp_path: Path) -> None:
        second = RedisServer(tmp_path, append_only=False)
        second.port = redis_server.port
        with pytest.raises(RuntimeError, match=f"did not answer on port {second.port}"):
            second.start()

    @pytest.mark.requires("wheel_redis")
    def test_the_wheel_carries_a_server_that_keeps_what_it_answered(self, tmp_path: Path) -> None:
        with (
            RedisServer(tmp_path, append_only=True, binary=wheel_redis_binary()) as server,
            redis.Redis.from_url(server.url, socket_timeout=5.0) as client,
        ):
            client.xadd("stream", {"field": "value"})
            server.stop()
            server.start()
            assert client.xlen("stream") == 1
