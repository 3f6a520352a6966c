"""A run of pytest of its own over one planted file, under the rules and with the fixtures of ``tests/conftest.py``."""

import os
import subprocess
import sys
from pathlib import Path

from tests.parts.bound import bound
from tests.parts.machine import KAFKA_MOCK, ROOT
from tests.parts.processes import PATIENCE_S


def planted_command(folder: Path, text: str, *options: str) -> list[str]:
    """The command that runs ``text`` as a test file in ``folder``; its working directory has to be the checkout."""
    file = folder / "test_planted.py"
    file.write_text(text, "utf-8")
    own = ["-p", "no:cacheprovider", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml")]
    return [sys.executable, "-m", "pytest", *own, *options, str(file)]


def planted_environment() -> dict[str, str]:
    """Ours without what would change the run; the part ``kafka`` is missing."""
    others = ("ZHIYIN_", "PYTHON", "PYTEST_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return inherited | {"ZHIYIN_TEST_KAFKA": KAFKA_MOCK}


def run_planted(folder: Path, text: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``text`` as a test file in ``folder``; the part ``kafka`` is missing unless ``environment`` says other."""
    return subprocess.run(
        bound(planted_command(folder, text, *(options or ("-q",)))),
        cwd=ROOT,
        env=planted_environment() | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
