"""Writes the fixture of a checkout: ``python -m tests.integration.upgrades.write_fixture OUT [--of CHECKOUT]``.

In: a folder to write into; a checkout of Zhiyin (without it: this one). Out: ``written-by-COMMIT.tar.xz``. Refused: a
program that makes two different things of the same rest of the story: nothing could be compared with it.

Its programs play the story up to the stop. Agents claim, decline and look through the gateway. SIGTERM ends engine and
gateway, some events come in after that, and Redis writes its dump. Then the same programs go on from a copy of all
that, twice, and what they made of it is packed beside it.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.integration.upgrades import archive
from tests.integration.upgrades.going_on import go_on
from tests.integration.upgrades.outcome import different
from tests.integration.upgrades.stage import Stage
from tests.integration.upgrades.story import (
    AGENTS_ACT_AFTER,
    PHASES_AFTER,
    START_UP_MS,
    STOPPED_AFTER,
    Known,
    events_of,
    events_unread,
    instant_ms,
)
from tests.parts.machine import ROOT

_CATALOGUE: Final = Path(__file__).with_name("catalogue.yaml")
_AGENT: Final = ("agent", "desk-1")


class NotRepeatable(Exception):
    """The same program made different things of the same fixture. ``difference``: in lines."""

    def __init__(self, difference: str) -> None:
        self.difference = difference
        super().__init__(f"going on twice gave two outcomes; the story must not depend on the clock:\n{difference}")


def write_fixture(out: Path, checkout: Path) -> Path:
    """Writes the archive into ``out``; its path. Raises NotRepeatable."""
    commit = _commit(checkout)
    with tempfile.TemporaryDirectory(prefix="fixture-") as scratch:
        folder = Path(scratch) / "written"
        _play_until_stop(folder, checkout)
        archive.write(folder / "about.json", archive.About(commit, instant_ms(STOPPED_AFTER)))
        first, second = (_gone_on(folder, Path(scratch) / name, checkout) for name in ("first", "second"))
        if difference := different(first.at_once, second.at_once) + different(first.in_the_end, second.in_the_end):
            raise NotRepeatable(difference)
        archive.write(folder / "expected.json", first)
        path = out / f"{archive.PREFIX}{commit}{archive.SUFFIX}"
        archive.pack(folder, path)
    return path


def _play_until_stop(folder: Path, checkout: Path) -> None:
    """The story up to the stop; the rest of it is written beside."""
    folder.mkdir()
    shutil.copy(_CATALOGUE, folder)
    with Stage(folder, instant_ms(0) - START_UP_MS, checkout) as stage:
        for phase in range(STOPPED_AFTER + 1):
            stage.play(phase, events_of(phase))
            if phase == AGENTS_ACT_AFTER:
                _act_as_agents(stage)
        known = _known(stage)
        assert stage.engine.stop() == 0, stage.engine.log[-3000:]
        assert stage.gateway.stop() == 0, stage.gateway.log[-3000:]
        stage.put(events_unread())
        stage.client.config_set("rdbcompression", "no")  # the archive compresses it better
        stage.client.save()
    rest = [archive.Phase(number, tuple(events_of(number, known))) for number in PHASES_AFTER]
    archive.write(folder / "rest.json", rest)


def _act_as_agents(stage: Stage) -> None:
    """What agents do before the stop: hints are shown, calls claimed, one customer wants none."""
    headers = stage.token(*_AGENT)
    known = _known(stage)
    for number in range(0, 4, 2):
        for hint_id in (known.hints.get(f"told-{number}"), known.hints.get(f"hinted-{number}")):
            if hint_id is not None:
                stage.http.post(f"/v1/hints/{hint_id}/states", json={"state": "shown"}, headers=headers)
    for number in range(4):
        call = known.calls.get(f"claimed-{number}")
        if call is not None:
            stage.http.post(f"/v1/outreach/{call}/claims", headers=headers).raise_for_status()
    stage.http.put("/v1/customers/told-1/do-not-call", headers=headers).raise_for_status()
    stage.await_stillness()


def _known(stage: Stage) -> Known:
    """The open hint and call of each customer."""
    return Known(_open_ids(stage, "zy:record:"), _open_ids(stage, "zy:call:"))


def _open_ids(stage: Stage, prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    names: Any = sorted(stage.client.scan_iter(f"{prefix}*"))
    for name in names:
        record: Any = stage.client.hgetall(name)
        if record[b"state"] not in (b"ended", b"retired", b"expired", b"used", b"dismissed"):
            found[record[b"customer"].decode()] = name.decode().removeprefix(prefix)
    return found


def _gone_on(written: Path, folder: Path, checkout: Path) -> archive.Expected:
    """What the program makes of a copy."""
    folder.mkdir()
    for name in ("about.json", "rest.json", "catalogue.yaml"):
        shutil.copy(written / name, folder)
    for name in ("redis", "state"):
        shutil.copytree(written / name, folder / name)
    return go_on(folder, checkout)


def _commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write what a checkout's program leaves behind.")
    parser.add_argument("out", type=Path, help="folder for the archive")
    parser.add_argument("--of", type=Path, default=ROOT, help="checkout whose program writes it (default: this one)")
    chosen = parser.parse_args()
    write_fixture(chosen.out, chosen.of.resolve())


if __name__ == "__main__":
    main()
