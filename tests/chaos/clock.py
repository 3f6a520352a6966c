"""A clock that can be set while processes run: preloaded into them, they see the wall clock off by so much.

In: milliseconds. Out: environment variables for processes that are to live by it. Refused: nothing; it needs a C
compiler (``cc``), and what is preloaded is ``clock.c`` beside this.
"""

import struct
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.parts.bound import bound

SOURCE: Final = Path(__file__).with_name("clock.c")


class SettableClock:
    """A wall clock of its own for whoever asks it. ``off_by_ms``: right at first."""

    def __init__(self, off_by_ms: int = 0) -> None:
        self.off_by_ms = off_by_ms

    def set_off_by(self, milliseconds: int) -> None:
        """From now on it is so much later (or, below nought, earlier) than it is."""
        self.off_by_ms = milliseconds

    def now_ms(self) -> int:
        """What it shows, in epoch ms."""
        return time.time_ns() // 1_000_000 + self.off_by_ms


class PreloadedClock(SettableClock):
    """One that programs live by which are started with ``environment``."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._file = folder / "clock"
        library = folder / "clock.so"
        subprocess.run(bound(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]), check=True)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self._file)}
        self._file.write_bytes(struct.pack("=q", 0))

    def set_off_by(self, milliseconds: int) -> None:
        """From now on it is so much later (or, below nought, earlier) than it is, for them as for us."""
        super().set_off_by(milliseconds)
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", milliseconds))
