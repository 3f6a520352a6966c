"""A run of pytest of its own over one planted file, under the rules and with the fixtures of ``tests/conftest.py``."""

import os
import subprocess
import sys
from pathlib import Path

from tests.parts.bound import bound
from tests.parts.machine import KAFKA_MOCK, ROOT


def run_planted(folder: Path, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``text`` as a test file in ``folder``; the part ``kafka`` is missing unless ``environment`` says other."""
    file = folder / "test_planted.py"
    file.write_text(text, "utf-8")
    options = ["-q", "-p", "no:cacheprovider", "-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml")]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ZHIYIN_", "PYTHON"))}
    return subprocess.run(
        bound([sys.executable, "-m", "pytest", *options, str(file)]),
        cwd=ROOT,
        env=inherited | {"ZHIYIN_TEST_KAFKA": KAFKA_MOCK} | environment,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
