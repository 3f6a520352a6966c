"""A real gateway in a process of its own, for tests that stop it."""

import os
import subprocess
import sys
from typing import Final

from config.settings.load import as_environment
from tests.gateway.running import gateway_settings
from tests.parts.bound import bound, lasting
from tests.parts.machine import ROOT

PROGRAM: Final = """
import sys
from config import load_settings
from gateway.server import run_gateway
sys.exit(run_gateway(load_settings(), lambda a: print(a.http, a.ws, a.metrics, flush=True)))
"""


class Process:
    """A gateway in a process of its own."""

    def __init__(self, redis_url: str | None, **more: object) -> None:
        environment = {**os.environ, **as_environment(gateway_settings(redis_url, **more))}
        self.child = lasting(
            lambda: subprocess.Popen(
                bound([sys.executable, "-c", PROGRAM]),
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        assert self.child.stdout is not None
        self.addresses = self.child.stdout.readline().split()

    def ended(self) -> tuple[int, str]:
        """Exit code, and what was written to standard error."""
        _, errors = self.child.communicate(timeout=120)
        return self.child.returncode, errors
