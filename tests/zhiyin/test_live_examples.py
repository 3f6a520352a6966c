"""The pages' examples that need a running Zhiyin run against one, page by page, in the order of the page.

A block is one of them when the line above its fence is ``<!-- live -->``. They see HTTP, WS, REDIS, KEY (a write key),
DESK and BOT (tokens), as the pages tell readers to set them. The set-up is as fast as the demo, without its customers.
"""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.documentation import exchanges
from tests.machine import ROOT
from tests.zhiyin.house_up import HouseUp, clean_environment

pytestmark = [pytest.mark.requires("redis", "curl"), pytest.mark.timeout(180)]

LIVE: Final = re.compile(
    r"^<!-- live -->\n```(?P<language>console|python)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
LOOSE: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
TIMEOUT_S: Final = 50
PAGES: Final = [page for page in sorted((ROOT / "docs").rglob("*.md")) if LIVE.search(page.read_text("utf-8"))]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseUp]:
    """One set-up for all pages: each has customers of its own."""
    state_dir = tmp_path_factory.mktemp("live") / "var"
    with HouseUp(state_dir, "--speed", "30", environment={"ZHIYIN_QUIET_HOURS": "false"}) as house:
        yield house
        assert house.interrupt() == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_live_examples_run(page: Path, house: HouseUp, tmp_path: Path) -> None:
    environment = environment_of(house, tmp_path)
    for block in LIVE.finditer(page.read_text("utf-8")):
        if block["language"] == "python":
            printed = run([sys.executable, "-c", block["text"]], environment)
            assert "Traceback" not in printed, printed
            continue
        for command, expected in exchanges(block["text"]):
            printed = run(["bash", "-c", command], environment)
            assert agrees(expected, printed), f"$ {command}\nexpected:\n{expected}\nprinted:\n{printed}"


def test_a_page_with_a_live_example_is_found() -> None:
    assert ROOT / "docs" / "tutorial.md" in PAGES


def environment_of(house: HouseUp, scratch: Path) -> dict[str, str]:
    """What readers of the pages have set, for this set-up."""
    addresses = house.addresses
    return clean_environment() | {
        "HTTP": addresses["http"],
        "WS": addresses["ws"],
        "REDIS": addresses["redis"],
        "KEY": addresses["write_key"],
        "DESK": addresses["desk_token"],
        "BOT": addresses["chatbot_token"],
        "SCRATCH": str(scratch),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }


def run(command: list[str], environment: dict[str, str]) -> str:
    """What a command prints, on either stream."""
    answer = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return answer.stdout


def agrees(expected: str, printed: str) -> bool:
    """Whether it is what the page says; ``...`` stands for anything."""
    return doctest.OutputChecker().check_output(expected.strip() + "\n", printed.strip() + "\n", LOOSE)
