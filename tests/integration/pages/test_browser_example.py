"""The page's thirty lines for a browser run in one: what is tracked arrives when the page is left."""

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from playwright.sync_api import Page

from tests.documentation.pages import blocks
from tests.parts.machine import ROOT
from tests.parts.processes import until
from tests.zhiyin.up.house_up import QUICK, HouseUp

pytestmark = [pytest.mark.requires("redis"), pytest.mark.timeout(120)]

HOW_TO = ROOT / "docs" / "how-to" / "connect-a-website.md"
ADDRESSES = 'const HTTP = "https://events.example.com", KEY = "the-write-key";'


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Another site: its address and the folder it serves."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>Shop</title><link rel=icon href=data:,>", "utf-8")
    handler = functools.partial(QuietFiles, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()
        thread.join()


def test_what_is_tracked_arrives_when_the_page_is_left(page: Page, shop: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = shop
    with HouseUp(tmp_path / "var", "--catalog", str(QUICK)) as house:
        (folder / "track.js").write_text(example(house), "utf-8")
        page.goto(address)
        page.evaluate(
            "import('./track.js').then(({ track }) => "
            "track('lin', 'Transaction Started', { journey: 'policy_loan', transaction_id: 'loan-7' }))"
        )
        page.goto("about:blank")
        until(lambda: "zhiyin.transaction.started" in facts_of(house, "lin"))
        assert house.interrupt() == 0


def example(house: HouseUp) -> str:
    """The page's script, with this set-up's address and key."""
    [script] = [block.text for block in blocks(HOW_TO.read_text("utf-8")) if "sendBeacon" in block.text]
    assert ADDRESSES in script
    here = f"const HTTP = {json.dumps(house.addresses['http'])}, KEY = {json.dumps(house.addresses['write_key'])};"
    return script.replace(ADDRESSES, here)


def facts_of(house: HouseUp, customer_id: str) -> set[str]:
    """The types of the facts told about one customer."""
    with redis.Redis.from_url(house.addresses["redis"]) as store:
        entries: Any = store.xrange("zy:facts")
    events = [json.loads(fields[b"e"]) for _, fields in entries]
    return {event["type"] for event in events if event["subject"] == customer_id}
