"""The jars of the Kafka broker that tests start, fetched by Maven once for each ``tests/kafka/pom.xml``.

In: Java and Maven on PATH, and the first time a network. Out: a folder below ``var/kafka`` that is kept.
Refuses with ``JarsNotFetched`` when Maven does.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.parts.bound import bound
from tests.parts.machine import ROOT

POM: Final = ROOT / "tests" / "kafka" / "pom.xml"
KEPT_IN: Final = ROOT / "var" / "kafka"
FETCH_TIMEOUT_S: Final = 300


class JarsNotFetched(Exception):
    """Maven did not bring the jars of ``pom``; ``said`` are its last words."""

    def __init__(self, pom: Path, said: str) -> None:
        super().__init__(f"mvn did not bring the jars of {pom}: {said or 'it said nothing'}")
        self.pom = pom
        self.said = said


def jars_folder(pom: Path = POM, kept_in: Path = KEPT_IN) -> Path:
    """Return where the jars of this pom are kept, whether they are there yet or not."""
    return kept_in / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]


def broker_jars(pom: Path = POM, kept_in: Path = KEPT_IN) -> Path:
    """Return the folder with the jars, fetched if this is the first time; raises JarsNotFetched."""
    folder = jars_folder(pom, kept_in)
    if folder.is_dir():
        return folder
    kept_in.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept_in) as unfinished:
        fetched = Path(unfinished) / "jars"
        _fetch(pom, fetched)
        try:
            fetched.rename(folder)
        except OSError:
            if not folder.is_dir():  # Another process was not quicker.
                raise
    return folder


def _fetch(pom: Path, into: Path) -> None:
    command = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "--file", str(pom)]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={into}"]
    try:
        answer = subprocess.run(bound(command), capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise JarsNotFetched(pom, f"nothing after {FETCH_TIMEOUT_S} s") from error
    if answer.returncode != 0 or not into.is_dir():
        raise JarsNotFetched(pom, (answer.stdout + answer.stderr).strip()[-400:])
