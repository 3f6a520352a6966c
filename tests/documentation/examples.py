"""Runs a command of an example in our pages as its reader would, and compares what it prints with what the page says.

In: the command, and what its reader has set. Out: exit code and text, or whether that text is as said. A command that
takes longer than ``TIMEOUT_S`` ends the test.
"""

import doctest
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.parts.bound import bound
from tests.parts.machine import ROOT

LOOSE: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TIMEOUT_S: Final = 250


class ExampleAnswer(NamedTuple):
    """How a command ended, and what it printed on either stream."""

    status: int
    printed: str


def run(command: Sequence[str], environment: Mapping[str, str], scratch: Path) -> ExampleAnswer:
    """Run in the checkout with our Python first on PATH; $SCRATCH is a folder to write to."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        bound(command),
        cwd=ROOT,
        env={**environment, "PATH": path, "SCRATCH": str(scratch), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return ExampleAnswer(ended.returncode, ended.stdout)


def agrees(expected: str, printed: str) -> bool:
    """Whether it is what the page says, however spaced; ``...`` stands for anything."""
    return doctest.OutputChecker().check_output(expected.strip() + "\n", printed.strip() + "\n", LOOSE)
