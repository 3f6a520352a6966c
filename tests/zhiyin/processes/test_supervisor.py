import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.bound import bound
from tests.parts.processes import running, until
from zhiyin.console.errors import CommandFailure, PartFailed
from zhiyin.processes.supervisor import Part, StopRequest, Supervisor, how_it_ended

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({file!r}, 'w').close(); time.sleep(600)"
)
ONCE = "import os, time; os.path.exists({file!r}) and os._exit(7); open({file!r}, 'w').close(); time.sleep(600)"
SEEN = "import os; open({file!r}, 'w').write(f'{{os.getpgid(0) == os.getpid()}} {{sorted(os.environ)}}')"


class SupervisedParts:
    """A supervisor that watches in a thread, and what it told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.stop = StopRequest()
        self.supervisor = Supervisor(self.told.append, self.stop)
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        self._thread = threading.Thread(target=self.supervisor.watch)
        self._thread.start()

    def end(self) -> None:
        self.stop.ask()
        if self._thread is not None:
            self._thread.join(120)
        self.supervisor.stop()


@pytest.fixture
def house() -> Iterator[SupervisedParts]:
    """A supervisor whose parts are gone after the test."""
    house = SupervisedParts()
    yield house
    house.end()


def python_part(name: str, code: str = SLEEPER, **more: object) -> Part:
    return Part(name=name, command=(sys.executable, "-c", code), **{"ready": lambda: True, **more})  # type: ignore[arg-type] # whatever a test wants to differ


def test_parts_start_in_order_each_when_the_one_before_is_ready_and_stop_backwards(house: SupervisedParts) -> None:
    ready_at: dict[str, float] = {}

    def after(seconds: float, name: str) -> bool:
        began = ready_at.setdefault(name, time.monotonic())
        return time.monotonic() - began > seconds

    parts = [python_part(name, ready=lambda name=name: after(0.1, name)) for name in ("first", "second", "third")]
    assert house.supervisor.start(parts)
    assert ready_at["second"] - ready_at["first"] >= 0.1
    assert list(house.supervisor.processes()) == ["first", "second", "third"]
    pids = list(house.supervisor.processes().values())
    house.supervisor.stop()
    assert [line.partition(":")[0] for line in house.told] == ["first", "second", "third", "third", "second", "first"]
    assert house.told[-1] == "first: stopped"
    assert not any(running(pid) for pid in pids)


def test_a_part_that_ends_before_it_is_ready_is_named_with_its_code(house: SupervisedParts) -> None:
    with pytest.raises(PartFailed) as raised:
        house.supervisor.start([python_part("engine", "raise SystemExit(3)", ready=lambda: False)])
    assert raised.value.code == 3
    assert "engine: ended with code 3 after " in str(raised.value)
    assert "expected ready; see what it printed above, or run 'zhiyin doctor'" in str(raised.value)


def test_a_part_that_ends_while_another_starts_is_named(house: SupervisedParts) -> None:
    parts = [python_part("engine", "raise SystemExit(3)"), python_part("gateway", ready=lambda: False)]
    with pytest.raises(PartFailed, match="engine: ended with code 3"):
        house.supervisor.start(parts)


def test_a_part_that_never_answers_is_named_with_its_log(house: SupervisedParts) -> None:
    with pytest.raises(PartFailed, match=r"redis: no answer after 0\.\d s, expected ready; see /log/redis\.log"):
        house.supervisor.start([python_part("redis", ready=lambda: False, log=Path("/log/redis.log"))], within_s=0.3)


def test_a_part_that_is_killed_is_started_again_and_said_so(house: SupervisedParts) -> None:
    house.supervisor.start([python_part("engine"), python_part("gateway")])
    before = house.supervisor.processes()
    house.watch()
    os.kill(before["engine"], signal.SIGKILL)
    until(lambda: "engine: started again" in house.told)
    assert "engine: killed by SIGKILL; starting it again in 0.5 s" in house.told
    until(lambda: len(house.supervisor.processes()) == 2)
    after = house.supervisor.processes()
    assert after["engine"] != before["engine"]
    assert after["gateway"] == before["gateway"]


def test_the_wait_doubles_while_it_keeps_ending(house: SupervisedParts, tmp_path: Path) -> None:
    house.supervisor.start(
        [python_part("engine", ONCE.format(file=str(tmp_path / "up")), ready=(tmp_path / "up").exists)]
    )
    house.watch()
    os.kill(house.supervisor.processes()["engine"], signal.SIGTERM)
    until(lambda: "engine: ended with code 7; starting it again in 2 s" in house.told)
    assert [line for line in house.told if "starting" in line] == [
        "engine: killed by SIGTERM; starting it again in 0.5 s",
        "engine: ended with code 7; starting it again in 1 s",
        "engine: ended with code 7; starting it again in 2 s",
    ]


def test_a_part_that_cannot_be_started_again_is_tried_later(house: SupervisedParts) -> None:
    attempts: list[int] = []

    def held() -> tuple[int, ...]:
        attempts.append(1)
        if len(attempts) == 2:
            raise CommandFailure("the lock is not free")
        return ()

    house.supervisor.start([python_part("redis", held=held)])
    house.watch()
    os.kill(house.supervisor.processes()["redis"], signal.SIGKILL)
    until(lambda: "redis: started again" in house.told)
    assert "redis: can't be started (the lock is not free); starting it again in 1 s" in house.told


def test_one_that_does_not_listen_is_killed_when_asked_again(house: SupervisedParts, tmp_path: Path) -> None:
    file = tmp_path / "deaf"
    house.supervisor.start([python_part("engine", DEAF.format(file=str(file)), ready=file.exists)])
    pid = house.supervisor.processes()["engine"]
    house.stop.ask()
    house.stop.ask()
    house.supervisor.stop()
    assert house.told[-1] == "engine: asked again; killed"
    assert not running(pid)


def test_one_that_does_not_listen_is_killed_after_the_grace(
    house: SupervisedParts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zhiyin.processes.supervisor.GRACE_S", 0.3)
    file = tmp_path / "deaf"
    house.supervisor.start([python_part("engine", DEAF.format(file=str(file)), ready=file.exists)])
    house.supervisor.stop()
    assert house.told[-1] == "engine: still there 0.3 s after SIGTERM; killed"


def test_asked_to_stop_while_starting_it_starts_no_more(house: SupervisedParts) -> None:
    def stopped_meanwhile() -> bool:
        house.stop.ask()
        return False

    parts = [python_part("first", ready=stopped_meanwhile), python_part("second")]
    assert not house.supervisor.start(parts)
    assert list(house.supervisor.processes()) == ["first"]


def test_parts_have_their_own_group_and_only_what_was_given_to_them(house: SupervisedParts, tmp_path: Path) -> None:
    file = tmp_path / "seen"
    code = f"{SEEN.format(file=str(file))}; {SLEEPER}"
    environment = {"ZHIYIN_SPEED": "2", "PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    house.supervisor.start(
        [python_part("engine", code, environment=environment, ready=lambda: file.exists() and file.stat().st_size > 0)]
    )
    seen = file.read_text()
    assert seen.startswith("True")
    assert "ZHIYIN_SPEED" in seen
    assert "HOME" not in seen


def test_parts_end_when_their_supervisor_is_killed() -> None:
    code = """
import sys, time
from zhiyin.processes.supervisor import Part, StopRequest, Supervisor
supervisor = Supervisor(lambda line: None, StopRequest())
sleep = (sys.executable, "-c", "import time; time.sleep(600)")
supervisor.start([Part(name=str(n), command=sleep, ready=lambda: True) for n in range(2)])
time.sleep(0.5)
print(*supervisor.processes().values(), flush=True)
time.sleep(600)
"""
    with subprocess.Popen(bound([sys.executable, "-c", code]), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = [int(each) for each in process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(running(pid) for pid in pids)
        process.kill()
    until(lambda: not any(running(pid) for pid in pids))


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with code 0"), (3, "ended with code 3"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")],
)
def test_an_exit_code_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words


def test_a_stop_request_counts_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    listened: dict[int, object] = {}
    monkeypatch.setattr(signal, "signal", listened.__setitem__)
    stop = StopRequest()
    assert (bool(stop), stop.at_once) == (False, False)
    stop.listen()
    assert set(listened) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    stop.ask(signal.SIGTERM, None)
    assert (bool(stop), stop.at_once) == (True, False)
    stop.ask()
    assert stop.at_once
