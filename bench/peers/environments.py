"""Each peer's own environment, made of its pinned requirements the first time it is asked for.

In: a ``Peer``. Out: its Python, below ``var/peers``; progress lines while it is made, for that takes minutes.
Refused: what this machine lacks or can't install (``PeerSkipped``, one line).
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

import msgspec

from bench.figures import Aim
from bench.inputs import ROOT
from bench.progress import tell

FOLDER: Final = Path(__file__).resolve().parent
KEPT_IN: Final = ROOT / "var" / "peers"
INSTALL_TIMEOUT_S: Final = 1_800
_STAMP: Final = ".installed"


class Peer(msgspec.Struct, frozen=True):
    """``name``: its folder here; ``says``: its name for people; ``needs``: programs it cannot run without.

    ``fixed``, ``learning``: how many times as fast our replay should be, with the fixed decision and with learning.
    """

    name: str
    says: str
    needs: tuple[str, ...] = ()
    fixed: Aim | None = None
    learning: Aim | None = None
    reads_kafka: bool = False


class PeerSkipped(Exception):
    """``peer`` (its name for people) is not compared, because of ``why``."""

    def __init__(self, peer: str, why: str) -> None:
        self.peer = peer
        self.why = why
        super().__init__(f"{peer} skipped: {why}")


def python_of(peer: Peer, kept_in: Path = KEPT_IN, pinned_in: Path = FOLDER) -> Path:
    """The Python of its environment below ``kept_in``. Raises PeerSkipped."""
    for program in peer.needs:
        if shutil.which(program) is None:
            raise PeerSkipped(peer.says, f"no {program!r} on PATH")
    folder = kept_in / peer.name
    python, stamp = folder / "bin" / "python", folder / _STAMP
    requirements = pinned_in / peer.name / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text("utf-8") != wanted:
        tell(f"{peer.says}: making {folder} (minutes, and hundreds of megabytes, on a first run) ...")
        _install(peer, folder, requirements)
        stamp.write_text(wanted, "utf-8")
        tell(f"{peer.says}: installed")
    return python


def _install(peer: Peer, folder: Path, requirements: Path) -> None:
    venv.create(folder, clear=True, symlinks=True)
    # Our own pip, for one that is made anew each time takes longer than what it installs.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder)]
    try:
        answer = subprocess.run(
            [*pip, "install", "--quiet", "--require-hashes", "--requirement", str(requirements)],
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerSkipped(peer.says, f"pip had not installed it after {INSTALL_TIMEOUT_S} s") from error
    if answer.returncode != 0:
        raise PeerSkipped(peer.says, f"pip did not install it: {last_line(answer.stdout + answer.stderr)}")


def last_line(said: str) -> str:
    """The last words of a program, which are mostly why it gave up."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
