"""What tests of replays in several processes share: a recording, outputs, the processes as the system sees them."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import psutil

from flows.replay.worker_process import ReplayProcessLost
from operators.records.catalogue import Catalogue
from zhiyin.simulate.run import SimulationPlan, write_file

BAD_LINES = (b"no json\n", b'{"userId": 7}\n', b"{}\n", b'{"userId":"a","event":"Call Me"}\n')
REFUSED = {"not_json": 1, "wrong_type": 1, "no_customer": 1, "no_time": 1}
"""What becomes of ``BAD_LINES``, by kind."""


class FullDisk(io.BytesIO):
    """A file that nothing more goes into."""

    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def write_recording(catalogue: Catalogue, path: Path) -> Path:
    """Some hundred customers, and lines that nobody can read among theirs."""
    write_file(catalogue, SimulationPlan(customers=300, seed=5, duration_ms=7_200_000), path)
    lines = path.read_bytes().splitlines(keepends=True)
    for place, bad in enumerate(BAD_LINES):
        lines.insert(100 * (place + 1), bad)
    path.write_bytes(b"".join(lines))
    return path


def endless_recording(folder: Path) -> Path:
    """A recording that never comes to its end."""
    path = folder / "events.ndjson"
    os.mkfifo(path)
    return path


def killed(replay: Callable[[], object], many: int) -> ReplayProcessLost:
    """What a replay that never ends raises when the first of its ``many`` processes is killed."""
    raised: list[ReplayProcessLost] = []

    def run() -> None:
        try:
            replay()
        except ReplayProcessLost as error:
            raised.append(error)

    running = threading.Thread(target=run)
    running.start()
    wait_for_processes(os.getpid(), many)[0].send_signal(signal.SIGKILL)
    running.join(300)
    assert not running.is_alive()
    [error] = raised
    return error


def without_times(letters: io.BytesIO) -> list[object]:
    """What was refused and why; not when, which is the clock's."""
    read = [orjson.loads(line) for line in letters.getvalue().splitlines()]
    return sorted(({"payload": each["payload"], "failure": each["failure"]["messages"]} for each in read), key=repr)


def processes_of(pid: int) -> list[psutil.Process]:
    """Children of the server that forks them for ``pid``."""
    return [share for server in psutil.Process(pid).children() for share in server.children()]


def wait_for_processes(pid: int, many: int) -> list[psutil.Process]:
    """The same, once there are so many."""
    deadline = time.monotonic() + 300
    while len(found := processes_of(pid)) < many:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found
