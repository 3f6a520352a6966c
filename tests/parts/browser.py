"""A real Chromium for page tests, that fails a test on what a user would not forgive.

Playwright's synchronous API holds the thread's event loop while it is open: from a module's first page to its end.
Tests of such a module are plain functions, and what they run on a loop they run in another thread.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.parts.machine import chromium_binary

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS: Final = 150_000
"""For what a page shows: as long as a busy machine may take, and no longer than it takes."""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
LOCAL_SCHEMES: Final = frozenset({"about", "blob", "data"})

expect.set_options(timeout=PATIENCE_MS)


class PageWatch:
    """What a page did that it must not: left the machine, or logged an error.

    A test that provokes errors names them in ``tolerated`` (regular expressions searched for in the message).
    """

    def __init__(self) -> None:
        self.tolerated: list[str] = []
        self._strangers: list[str] = []
        self._errors: list[str] = []

    def watch(self, page: Page) -> None:
        """Listen to one page from now on."""
        page.on("request", lambda request: self._address(request.url))
        page.on("websocket", lambda connection: self._address(connection.url))
        page.on("pageerror", lambda error: self._errors.append(f"uncaught: {error}"))
        page.on("console", lambda message: self._console(message.type, message.text))

    def complaints(self) -> list[str]:
        """Return one line for each thing that must not be."""
        errors = [text for text in self._errors if not any(re.search(pattern, text) for pattern in self.tolerated)]
        return [f"request left the machine: {url}" for url in self._strangers] + errors

    def _address(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme not in LOCAL_SCHEMES and address.hostname not in LOOPBACK:
            self._strangers.append(url)

    def _console(self, kind: str, text: str) -> None:
        if kind == "error":
            self._errors.append(f"console: {text}")


@pytest.fixture(scope="module")
def shared_browser() -> Iterator[Browser]:
    """Chromium of the system, headless, for one module."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_binary(), args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def browser(shared_browser: Browser) -> Iterator[Browser]:
    """Chromium without a window open: what pages remember lives in their context, and that ends with the test."""
    yield shared_browser
    for context in shared_browser.contexts:
        context.close()


@pytest.fixture
def page_watch() -> PageWatch:
    """The watch over ``page``: ``page_watch.tolerated.append(...)`` for errors that a test provokes."""
    return PageWatch()


@pytest.fixture
def page(browser: Browser, page_watch: PageWatch) -> Iterator[Page]:
    """One page, zh-CN; the test fails on any request off loopback, console error or uncaught exception."""
    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    context.set_default_timeout(PATIENCE_MS)
    opened = context.new_page()
    page_watch.watch(opened)
    yield opened
    context.close()
    complaints = page_watch.complaints()
    if complaints:
        pytest.fail("the page misbehaved:\n  " + "\n  ".join(complaints), pytrace=False)
