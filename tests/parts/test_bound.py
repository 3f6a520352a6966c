"""A run of tests that is killed leaves no process behind, whatever it has started."""

import ast
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.parts.bound import bound, started
from tests.parts.machine import PARTS, ROOT
from tests.parts.planted import planted_command, planted_environment
from tests.parts.processes import running, until

STARTERS = "Popen|run|call|check_call|check_output"
PROGRAMS = ("redis-server", "zhiyin engine", "zhiyin gateway", "chrom")
ENDS_WITHIN_S = 60.0
"""A moment, on a machine however busy."""

ALLOWED = {
    "tests/parts/machine.py": "asks programs for their version",
    "tests/conformance/__main__.py": "restarts a gateway that is not ours",
    "tests/integration/upgrades/write_fixture.py": "asks git for the commit",
}
KEEPS_RUNNING = """
import time

import pytest

from tests.integration.engine.quick_events import QUICK
from tests.integration.engine.engine_process import EngineProcess, until
from tests.zhiyin.up.house_up import HouseUp


@pytest.mark.parametrize("number", [0, 1])
def test_runs_on({fixtures}, redis_server, tmp_path, page, number):
    (tmp_path / "engine").mkdir()
    engine = EngineProcess(redis_server.url, QUICK, tmp_path / "engine")
    engine.start()
    until(lambda: "engine runs" in engine.log, "an engine")
    with HouseUp(tmp_path / "up") as house:
        until(house.ready, "a house")
        with open("{folder}/running-" + str(number), "x"):
            time.sleep(600)
"""


def calls(text: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]


def is_unbound(call: ast.Call) -> bool:
    """Whether it starts a program that may outlive us."""
    name = ast.unparse(call.func)
    starts = re.fullmatch(rf"(subprocess\.({STARTERS})|asyncio\.create_subprocess_\w+)", name)
    return starts is not None and "bound(" not in ast.unparse(call.args[0])


@contextmanager
def run_that_goes_on(folder: Path, processes: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A run of pytest with everything that tests start, each of its processes in the middle of a test."""
    kafka = PARTS["kafka"]() is None
    text = KEEPS_RUNNING.format(folder=folder, fixtures="kafka_broker" if kafka else "kafka_servers")
    several = ["-n", str(processes)] if processes > 1 else []
    command = planted_command(folder, text, "-s", "--basetemp", str(folder / "temporary"), *several)
    environment = planted_environment() | ({"ZHIYIN_TEST_KAFKA": ""} if kafka else {})
    with (folder / "said").open("wb") as said:
        run = started(command, said, cwd=ROOT, env=environment)
    try:
        until(lambda: run.poll() is not None or len([*folder.glob("running-*")]) == processes)
        assert run.poll() is None, (folder / "said").read_text("utf-8")
        yield run
    finally:
        for each in psutil.Process(run.pid).children(recursive=True) if run.poll() is None else []:
            each.kill()
        run.kill()
        run.wait()


def programs(processes: list[psutil.Process]) -> str:
    return "\n".join(" ".join(each.cmdline()) for each in processes)


@pytest.mark.requires("redis", "chromium")
@pytest.mark.timeout(240)
class TestAKilledRun:
    @pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
    def test_leaves_nothing_behind(self, tmp_path: Path, processes: int) -> None:
        with run_that_goes_on(tmp_path, processes) as run:
            children = psutil.Process(run.pid).children(recursive=True)
            said = programs(children)
            assert all(program in said for program in PROGRAMS), said
            assert ("kafka.Kafka" in said) == (PARTS["kafka"]() is None)
            run.send_signal(signal.SIGKILL)
            run.wait()
            until(lambda: not any(running(each.pid) for each in children), ENDS_WITHIN_S)

    @pytest.mark.slow
    @pytest.mark.slow
    def test_a_killed_process_of_several_takes_along_what_it_started(self, tmp_path: Path) -> None:
        with run_that_goes_on(tmp_path, 2) as run:
            [worker, _] = [each for each in psutil.Process(run.pid).children() if "exec(eval(" in programs([each])]
            children = worker.children(recursive=True)
            assert len(children) > 5
            worker.kill()
            until(lambda: not any(running(each.pid) for each in children), ENDS_WITHIN_S)
            assert run.poll() is None


class TestBound:
    def test_it_is_the_program_itself_that_runs(self) -> None:
        answer = subprocess.run(
            bound([sys.executable, "-c", "import os; print(os.getppid())"]), capture_output=True, text=True, check=True
        )
        assert answer.stdout == f"{os.getpid()}\n"

    def test_it_outlives_the_thread_that_asked_for_it(self, tmp_path: Path) -> None:
        made: list[subprocess.Popen[bytes]] = []
        with (tmp_path / "log").open("wb") as log:
            program = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
            thread = threading.Thread(target=lambda: made.append(started(program, log)))
            thread.start()
            thread.join()
        until(lambda: (tmp_path / "log").read_bytes() == b"up\n")
        assert made[0].poll() is None
        made[0].kill()
        assert made[0].wait() == -signal.SIGKILL

    def test_tests_start_nothing_that_is_not_bound(self) -> None:
        files = {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py")}
        unbound = {name for name, text in files.items() if any(is_unbound(call) for call in calls(text))}
        assert unbound == ALLOWED.keys()
