"""A real Kafka broker of a test's own, that it may stop, kill and start again."""

import base64
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.parts.bound import bound, started
from tests.parts.processes import stop_still
from tests.parts.redis_server import free_port

SILENT_S: Final = 300.0
"""A start is given up when the broker neither serves nor logs anything for so long; or at once when it has ended."""
STOP_TIMEOUT_S: Final = 60.0
JAVA: Final = (
    *("java", "-Xmx256m", "-XX:+UseSerialGC"),
    # Code that is compiled quickly rather than well: no broker here lives long.
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)
PROPERTIES: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    # After a kill the node may not return before its old session has ended; the default is 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "400",
    "group.initial.rebalance.delay.ms": "0",
    # Recorded events are older than any retention.
    "log.retention.ms": "-1",
    "log.index.size.max.bytes": "1048576",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}


class KafkaBroker:
    """One Kafka node, broker and controller in one, on loopback; runs inside its ``with``.

    It stays on its ports and data over restarts: what was acknowledged survives ``kill()`` as well as ``stop()``.
    """

    def __init__(self, jars: Path, directory: Path, *, port: int | None = None) -> None:
        self.port = port or free_port()
        self._jars = jars
        self._directory = directory
        # Kafka's ids are 16 bytes in base64; one that begins with "-" would be read as an option.
        self.cluster_id = base64.urlsafe_b64encode(b"zhiyin" + secrets.token_bytes(10)).decode().rstrip("=")
        self._properties = directory / "server.properties"
        self.controller_port = free_port()
        self._properties.write_text(self._settings(self.controller_port), "utf-8")
        self._log_file = directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def servers(self) -> str:
        """The address for ``bootstrap.servers``."""
        return f"127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether it was started, and has not ended since."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the broker said so far."""
        return self._log_file.read_text("utf-8", "replace") if self._log_file.is_file() else ""

    def start(self) -> None:
        """Start the broker and wait until it serves; raises RuntimeError with its log if it does not."""
        if self.runs:
            raise RuntimeError(f"the Kafka broker on port {self.port} runs already: stop() it first")
        if not (self._directory / "data" / "meta.properties").is_file():
            self._format()
        with self._log_file.open("ab") as log:
            self._process = started(self._java("kafka.Kafka", self._properties), log)
        self.wait_ready()

    def stop(self) -> None:
        """Stop in order (SIGTERM); nothing happens when it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill at once (SIGKILL), as a crash would."""
        self._end(signal.SIGKILL)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While the block runs it holds its connections and answers nothing, as a machine that hangs does."""
        assert self._process is not None
        stop_still(self._process.pid)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()

    def wait_ready(self) -> None:
        """Wait until our own broker answers and serves topics."""
        said, said_at = self.log, time.monotonic()
        while self.runs and time.monotonic() < said_at + SILENT_S:
            if self._answers():
                return
            if self.log != said:
                said, said_at = self.log, time.monotonic()
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the Kafka broker did not answer on port {self.port}; it said:\n{self.log[-4000:]}")

    def _settings(self, controller_port: int) -> str:
        own = self._own_properties(controller_port)
        return "".join(f"{name}={value}\n" for name, value in (PROPERTIES | own).items())

    def _own_properties(self, controller_port: int) -> dict[str, str]:
        """What this broker has instead of, or beside, ``PROPERTIES``."""
        return {
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": str(self._directory / "data"),
        }

    def _format_words(self) -> tuple[str, ...]:
        """More words for the command that formats the storage."""
        return ()

    def _java(self, *words: str | Path) -> list[str | Path]:
        return [*JAVA, "-cp", f"{self._jars}/*", *words]

    def _format(self) -> None:
        command = self._java(
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            self.cluster_id,
            "--config",
            self._properties,
            *self._format_words(),
        )
        answer = subprocess.run(bound(command), capture_output=True, text=True, timeout=SILENT_S, check=False)
        if answer.returncode != 0:
            raise RuntimeError(f"Kafka did not format its storage; it said:\n{(answer.stdout + answer.stderr)[-4000:]}")

    def _answers(self) -> bool:
        """Whether our own broker serves: on a port that was taken, somebody else's would."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5.0).close()
            # A client of its own for each try: one that met a closed port waits longer each time.
            found = AdminClient({"bootstrap.servers": self.servers, "log_level": 0}).list_topics(timeout=10.0)
        except (OSError, KafkaException):
            return False
        return str(found.cluster_id) == self.cluster_id and len(found.brokers) > 0

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
