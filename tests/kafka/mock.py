"""librdkafka's mock of Kafka in a process of its own, that a test may freeze, thaw and kill."""

import os
import signal
import subprocess
import sys
from typing import Final, Self

from tests.parts.bound import bound
from tests.parts.processes import stop_still

_PROGRAM: Final = """
import sys
from tests.kafka.servers import KafkaMock
mock = KafkaMock()
print(mock.servers, flush=True)
sys.stdin.read()
"""


class MockKafka:
    """A mock of one broker; runs inside its ``with``. Its topics have four partitions."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", _PROGRAM]
        self._process = subprocess.Popen(bound(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.servers = self._process.stdout.readline().strip()
        assert self.servers
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def freeze(self) -> None:
        """From now on it takes connections and answers nothing."""
        stop_still(self._process.pid)

    def thaw(self) -> None:
        """It answers again."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """It is gone."""
        self._process.kill()
        self._process.communicate()
