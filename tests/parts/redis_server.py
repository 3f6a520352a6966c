"""A real Redis server of a test's own, that it may stop, kill and start again."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import redis

from tests.parts.bound import started
from tests.parts.machine import redis_binary

START_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 60.0
_HELD: Final[list[socket.socket]] = []


def free_port() -> int:
    """Return a loopback port that nobody who asks for a free one is given while this process runs.

    It is held by a socket that is bound and does not listen: a server that names it can listen on it, a client that
    calls it before is refused. Below the range that systems give to outgoing connections (32768 on).
    By the system's chance: the seed of a test would give each the same.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # only now: two that hold would share it
        _HELD.append(holder)
        return port


def emptied(url: str) -> str:
    """``url``, now that its database is empty."""
    with redis.Redis.from_url(url, socket_timeout=5.0) as client:
        client.flushdb()
    return url


class RedisServer:
    """One ``redis-server`` child on loopback; stays on its port over restarts. It runs inside its ``with``.

    With ``append_only`` what was answered survives ``kill()`` as well as ``stop()``. ``variables``: more environment.
    """

    def __init__(
        self,
        directory: Path,
        *,
        append_only: bool = False,
        binary: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self._environment = os.environ | dict(variables or {})
        self._directory = directory
        self._append_only = append_only
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address for ``redis.from_url``."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> str:
        """What the server said so far."""
        return (self._directory / "redis.log").read_text("utf-8", "replace")

    def appended(self) -> bytes:
        """The append-only file: every command that changed something, in order, from the very first."""
        files = [each for each in self._directory.rglob("appendonly.aof*") if each.is_file()]
        return b"".join(each.read_bytes() for each in sorted(files) if each.suffix not in {".rdb", ".manifest"})

    def start(self) -> None:
        """Start the server and wait until it answers; raises RuntimeError with its log if it does not."""
        if self._process is not None:
            raise RuntimeError(f"the Redis server on port {self.port} runs already: stop() it first")
        binary = self._binary or redis_binary()
        if binary is None:
            raise RuntimeError('no redis-server to start: mark the test with requires("redis")')
        with (self._directory / "redis.log").open("ab") as log:
            self._process = started([binary, *self._options()], log, env=self._environment)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop in order (SIGTERM); nothing happens when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill at once (SIGKILL), as a crash would."""
        self._end(signal.SIGKILL)

    def _options(self) -> list[str]:
        return [
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._directory)),
            *("--save", "", "--appendonly", "yes" if self._append_only else "no"),
            # With everysec an answer may come up to 2 s before the write when the disk is busy.
            *("--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"),
        ]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"redis-server did not answer on port {self.port}; it said:\n{self.log}")

    def _answers(self) -> bool:
        """Whether our own child answers, and has loaded its data: on a port that was taken, another's server would."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"INFO server\r\nINFO persistence\r\nQUIT\r\n")
                answer = connection.makefile("rb").read()
        except OSError:
            return False
        ours = self._process is not None and b"process_id:%d\r\n" % self._process.pid in answer
        return ours and b"loading:0\r\n" in answer

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
