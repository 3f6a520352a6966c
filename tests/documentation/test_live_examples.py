"""The pages' examples that need a running Zhiyin run against one, page by page, in the order of the page.

A block is one of them when the line above its fence is ``<!-- live -->``. They see HTTP, WS, REDIS, KEY (a write key),
DESK and BOT (tokens), as the pages tell readers to set them. The set-up is as fast as the demo, without its customers.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.documentation.examples import agrees, run
from tests.documentation.pages import exchanges
from tests.parts.machine import ROOT
from tests.zhiyin.up.house_up import HouseUp, clean_environment

pytestmark = [pytest.mark.requires("redis", "curl"), pytest.mark.timeout(180)]

LIVE: Final = re.compile(
    r"^<!-- live -->\n```(?P<language>console|python)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
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
    environment = environment_of(house)
    for block in LIVE.finditer(page.read_text("utf-8")):
        if block["language"] == "python":
            _, printed = run([sys.executable, "-c", block["text"]], environment, tmp_path)
            assert "Traceback" not in printed, printed
            continue
        for command, expected in exchanges(block["text"]):
            _, printed = run(["bash", "-c", command], environment, tmp_path)
            assert agrees(expected, printed), f"$ {command}\nexpected:\n{expected}\nprinted:\n{printed}"


def test_a_page_with_a_live_example_is_found() -> None:
    assert ROOT / "docs" / "tutorial.md" in PAGES


def environment_of(house: HouseUp) -> dict[str, str]:
    """What readers of the pages have set, for this set-up."""
    addresses = house.addresses
    return clean_environment() | {
        "HTTP": addresses["http"],
        "WS": addresses["ws"],
        "REDIS": addresses["redis"],
        "KEY": addresses["write_key"],
        "DESK": addresses["desk_token"],
        "BOT": addresses["chatbot_token"],
    }
