"""A disk of a few megabytes that really gets full: a file system of its own, in a namespace of its own.

In: a folder to put it on, and how large. Out: words before a command that make it see the disk there.
Refused: nothing; machines that do not allow it are told apart by ``tests/parts/machine.py``.
"""

import subprocess
from pathlib import Path
from typing import Self

from tests.parts.bound import bound
from tests.parts.machine import ROOT
from tests.parts.processes import PATIENCE_S


class SmallDisk:
    """Is there inside its ``with``; only what is run with ``before`` sees it."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        mount = f"mount -t tmpfs -o size={megabytes}m tmpfs '{folder}' && echo ready && exec sleep 3600"
        self._holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", *bound(["sh", "-c", mount])], stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.communicate()

    @property
    def before(self) -> list[str]:
        """Words before a command."""
        enter = ["nsenter", f"--target={self._holder.pid}", "--user", "--mount", "--preserve-credentials"]
        return [*enter, f"--wd={ROOT}"]

    def fill(self) -> None:
        """Nothing more fits."""
        self._run(f"cat /dev/zero > '{self.folder}/filler'")

    def make_room(self) -> None:
        """It is as it was."""
        self._run(f"rm '{self.folder}/filler'")

    def _run(self, command: str) -> None:
        words = [*self.before, "sh", "-c", command]
        subprocess.run(bound(words), timeout=PATIENCE_S, check=False, capture_output=True)
