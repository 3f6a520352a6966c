"""Every page by keyboard and screen reader: names, order, live regions, contrast; zh-CN and en, light and dark."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.gateway.page_house import PageHouse, open_page_house
from tests.parts.browser import PATIENCE_MS, PageWatch
from tests.parts.redis_server import RedisServer

pytestmark = [pytest.mark.requires("redis", "chromium"), pytest.mark.timeout(180)]

PAGES = {
    "index": ("nav a",),
    "desk": ("#status[data-state=live]", "#queued li", "#cards li"),
    "sign-in": ("#token",),
    # The answers to choose from come when the chatbot has said all it has to say.
    "chat": ("#replies button",),
    "demo": ("#step",),
}
"""What is there when a page is ready: nothing more comes by itself."""
LOOKS: tuple[tuple[str, Literal["light", "dark"]], ...] = (("zh-CN", "light"), ("en-US", "dark"))
LEAST_CONTRAST = 4.5
"""Of text against what is behind it (WCAG 2.2, success criterion 1.4.3)."""

CONTRAST = """
(least) => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    const isSeen = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!text || !isSeen || element.closest("noscript, .off-screen, .skip")) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < least) poor.push(`${text.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return poor;
}
"""
BROKEN_REFERENCES = """
() => {
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  const doubles = ids.filter((id, index) => ids.indexOf(id) !== index);
  const named = ["for", "aria-labelledby", "aria-describedby", "aria-controls"].flatMap((name) =>
    [...document.querySelectorAll(`[${name}]`)].flatMap((element) => element.getAttribute(name).split(/\\s+/)));
  const nowhere = named.filter((id) => !ids.includes(id));
  return [...doubles.map((id) => `twice: ${id}`), ...nowhere.map((id) => `nowhere: ${id}`)];
}
"""
REACHABLE = """
() => [...document.querySelectorAll("a[href], button, input, textarea, select, [tabindex='0']")]
  .filter((element) => element.checkVisibility() && !element.disabled && element.tabIndex >= 0)
  .filter((element) => element.type !== "radio" || element === document.querySelector(`[name="${element.name}"]`))
  .map((element, index) => (element.dataset.order = String(index)))
"""


@pytest.fixture
def house(redis_server: RedisServer) -> Iterator[PageHouse]:
    with open_page_house(redis_server, demo_page=True) as opened:
        yield opened


def show(house: PageHouse, page: Page, name: str) -> None:
    """Open a page with something on it, and wait until it is there."""
    addresses = {
        "index": house.addresses.http,
        "desk": house.desk_url(),
        "sign-in": f"{house.addresses.http}/desk",
        "chat": house.chat_url("C-2024-mei"),
        "demo": f"{house.addresses.http}/demo?customer=mei",
    }
    page.goto(addresses[name])
    for part in PAGES[name]:
        page.locator(part).first.wait_for()
    page.wait_for_load_state("networkidle")


def nodes(page: Page) -> list[dict[str, Any]]:
    """The tree that a screen reader gets."""
    session = page.context.new_cdp_session(page)
    found: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    return [node for node in found if not node.get("ignored")]


def unnamed(page: Page) -> list[str]:
    """Roles of what can be focused and has no name."""
    wrong = []
    for node in nodes(page):
        properties = {each["name"]: each["value"].get("value") for each in node.get("properties", ())}
        role = node["role"]["value"]
        if properties.get("focusable") and role not in ("RootWebArea", "generic") and not node["name"].get("value"):
            wrong.append(role)
    return wrong


def test_names_references_order_and_contrast(house: PageHouse, browser: Browser) -> None:
    for name in ("mei", "lin"):
        house.tell(name)
    house.tell("anybody", "queue:general")
    for locale, scheme in LOOKS:
        context = browser.new_context(locale=locale, color_scheme=scheme, timezone_id="Asia/Shanghai")
        context.set_default_timeout(PATIENCE_MS)
        for name in PAGES:
            page, watch = context.new_page(), PageWatch()
            watch.watch(page)
            show(house, page, name)
            where = f"{name}, {locale}, {scheme}"
            assert page.evaluate("document.documentElement.lang") == locale.partition("-US")[0], where
            assert (unnamed(page), page.evaluate(BROKEN_REFERENCES)) == ([], []), where
            assert page.evaluate(CONTRAST, LEAST_CONTRAST) == [], where
            assert by_tab(page) == page.evaluate(REACHABLE), where
            assert watch.complaints() == [], where
            page.close()
        context.close()


def by_tab(page: Page) -> list[str]:
    """What Tab comes to, in order: each thing that can be reached, once, as it stands on the page."""
    expected: list[str] = page.evaluate(REACHABLE)
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    reached: list[str] = []
    for _ in expected:
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("(({ dataset, outerHTML }) => dataset.order ?? outerHTML)(document.activeElement)")
        )
    return reached


def test_what_happens_is_said_aloud(house: PageHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("WebSocket connection to")
    page.goto(house.desk_url())
    page.locator("#status[data-state=live]").wait_for()
    live = {"announcer": "polite", "toast": "status"}
    assert page.locator("#announcer").get_attribute("aria-live") == live["announcer"]
    assert page.locator("#toast").get_attribute("role") == live["toast"]
    hint = house.tell("mei")
    page.locator("#announcer", has_text="人脸识别未通过").wait_for(state="attached")
    house.retire(hint, "completed")
    page.locator("#announcer", has_text="客户已回来完成").wait_for(state="attached")
    house.stop()
    page.locator("#banner").wait_for()
    assert page.locator("body.is-stale").count() == 1
    page.locator("#announcer", has_text="连接有问题").wait_for(state="attached")
