"""A real Prometheus on a free port, with the configuration that is deployed."""

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import httpx

from tests.deploy.rules import PROMETHEUS
from tests.parts.bound import started
from tests.parts.redis_server import free_port

START_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 150.0


class PrometheusServer:
    """Runs inside its ``with``. ``targets``: job's file in ``targets/`` to the ``host:port`` that it asks.

    All that differs from the deployed configuration are the targets, and that it looks once a second.
    """

    def __init__(self, folder: Path, targets: Mapping[str, str]) -> None:
        self._folder = folder
        self._log_file = folder / "prometheus.log"
        self._config = shutil.copytree(PROMETHEUS, folder / "deployed") / "prometheus.yaml"
        self._config.write_text(self._config.read_text("utf-8").replace("_interval: 15s", "_interval: 1s"), "utf-8")
        for name, address in targets.items():
            file = self._config.parent / "targets" / f"{name}.yaml"
            assert file.is_file(), f"{file.name} is no file of targets that is deployed"
            file.write_text(f'- targets: ["{address}"]\n', "utf-8")
        address = f"127.0.0.1:{free_port()}"
        self._api = httpx.Client(base_url=f"http://{address}", timeout=120)
        command = ["prometheus", f"--config.file={self._config}", f"--storage.tsdb.path={folder / 'data'}"]
        with self._log_file.open("wb") as log:
            self._process = started([*command, f"--web.listen-address={address}"], log)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._is_ready():
                return self
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError(f"Prometheus did not start; it said:\n{self._log_file.read_text('utf-8')[-3000:]}")

    def __exit__(self, *_: object) -> None:
        self._api.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an expression as of now; raises AssertionError with what Prometheus says of a wrong one."""
        answer = self._api.get("/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def targets(self) -> list[dict[str, Any]]:
        """What it asks, and how that went."""
        found: list[dict[str, Any]] = self._api.get("/api/v1/targets").json()["data"]["activeTargets"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Every rule, and how it was evaluated."""
        groups: list[dict[str, Any]] = self._api.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _is_ready(self) -> bool:
        try:
            return self._api.get("/-/ready").is_success
        except httpx.HTTPError:
            return False
