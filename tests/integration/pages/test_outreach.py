"""The outreach page in a real Chromium against a real gateway: the list live, claims, outcomes, keys, outages."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from config import load_catalogue
from operators.outreach.call_list_entry import CallFirst, NoCall, OutreachEntry, entry_of
from operators.records.catalogue import Catalogue, QuietHours
from state.outreach.writer import OutreachWriter
from state.redis import keys
from tests.gateway.page_house import CATALOGUE, HOUR_MS, PageHouse, catalogue_hint, now_ms, open_page_house
from tests.parts.browser import PageWatch
from tests.parts.redis_server import RedisServer

LEASE_MS = 900_000

pytestmark = pytest.mark.requires("redis", "chromium")


class ListHouse:
    """A page house with an outreach list."""

    def __init__(self, pages: PageHouse, catalogue: Catalogue) -> None:
        self.pages = pages
        self._catalogue = catalogue
        self._store = OutreachWriter(pages.client, now_ms)

    def put(self, name: str, hint: dict[str, Any] | None = None, **changes: object) -> OutreachEntry:
        """Put one more customer on the list, in the words of the real catalogue."""
        told = catalogue_hint(self._catalogue, name, {"abandoned_at_ms": now_ms() - HOUR_MS, **(hint or {})})
        entry = entry_of(told, now_ms(), now_ms() + 20 * HOUR_MS, 0, LEASE_MS, None)
        entry = msgspec.structs.replace(entry, outreach_id=name, **changes)
        assert self._store.write([CallFirst(entry)]) == [True]
        return entry

    def take_back(self, entry: OutreachEntry) -> None:
        """The customer is back."""
        word = NoCall(entry.outreach_id, entry.customer_id, entry.journey, "returned", now_ms())
        assert self._store.write([word]) == [True]

    def url(self, desk: str = "desk-1") -> str:
        return f"{self.pages.addresses.http}/outreach#token={self.pages.token(subject=desk)}"

    def noted(self, name: str) -> str:
        """The outcome noted of an entry."""
        found = self.pages.client.hget(keys.OUTREACH_RECORD.of(name), "outcome")
        return found.decode() if isinstance(found, bytes) else ""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(CATALOGUE)


@pytest.fixture
def house(redis_server: RedisServer, catalogue: Catalogue) -> Iterator[ListHouse]:
    with open_page_house(redis_server) as opened:
        yield ListHouse(opened, catalogue)


def open_list(page: Page, house: ListHouse) -> None:
    page.goto(house.url())
    expect(page.locator("#status")).to_have_attribute("data-state", "live")


def card(page: Page, name: str) -> Locator:
    return page.locator(f"[data-outreach='{name}']")


def names(page: Page) -> list[str | None]:
    return [each.get_attribute("data-outreach") for each in page.locator("[data-outreach]").all()]


def test_the_list_is_ranked_live_and_says_why(house: ListHouse, page: Page) -> None:
    open_list(page, house)
    expect(page.locator("#empty")).to_contain_text("现在没有需要致电的客户")
    house.put("low", need=0.31)
    house.put("high", need=0.82, tries=1)
    expect(page.locator("[data-outreach]")).to_have_count(2)
    assert names(page) == ["high", "low"]
    shown = card(page, "high")
    expect(shown).to_contain_text("人脸识别未通过")
    expect(shown).to_contain_text("需要帮助 82%")
    expect(shown).to_contain_text("已打 1 次没接通")
    expect(shown).to_contain_text("1 小时前中断")
    expect(shown.locator(".who-id")).to_have_text("C-20••••igh")
    expect(shown.locator(".evidence li")).to_have_text(["填写贷款金额失败 3 次face_mismatch"])
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#announcer")).to_have_text(re.compile(r"名单新增 \d 位客户"))
    expect(page).to_have_title("(2) 知音 先致电")
    expect(page.locator("#now-waiting")).to_have_text("2")


def test_by_keyboard_from_claim_to_outcome(house: ListHouse, page: Page) -> None:
    house.put("one", need=0.9)
    house.put("two", need=0.5)
    open_list(page, house)
    expect(page.locator("[data-outreach]")).to_have_count(2)
    page.keyboard.press("j")
    expect(card(page, "two").locator(".card-toggle")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("a")
    expect(card(page, "one").locator(".claim-note")).to_contain_text(re.compile(r"我正在致电认领剩 1[45]:\d\d"))
    expect(card(page, "one").locator(".who-id")).to_have_text("C-2024-one")
    expect(card(page, "one").locator(".say")).to_contain_text("您刚才在办理保单贷款时")
    expect(card(page, "one").locator(".card-toggle")).to_be_focused()
    expect(page.locator("#now-mine")).to_have_text("1")
    page.keyboard.press("5")
    expect(page.locator("#toast")).to_have_text("已记录：已解决")
    expect(card(page, "one")).to_have_count(0)
    expect(card(page, "two").locator(".card-toggle")).to_be_focused()
    assert house.noted("one") == "solved"
    events = house.pages.reported()
    assert [each["event"] for each in events] == ["Outreach Claimed", "Outreach Ended"]
    assert events[1]["properties"]["outcome"] == "solved"


def test_a_claim_is_given_back_and_extended(house: ListHouse, page: Page) -> None:
    house.put("one")
    open_list(page, house)
    card(page, "one").get_by_role("button", name="认领并致电").click()
    expect(page.locator("#now-mine")).to_have_text("1")
    house.pages.client.hset(keys.OUTREACH_RECORD.of("one"), "claimed_until_ms", str(now_ms() + 60_000))
    house.pages.client.incr(keys.OUTREACH_VERSION.of())
    expect(card(page, "one").locator(".lease.is-short")).to_contain_text(re.compile(r"认领剩 0:\d\d"))
    card(page, "one").get_by_role("button", name="延长").click()
    expect(card(page, "one").locator(".lease")).to_contain_text(re.compile(r"1[45]:\d\d"))
    page.keyboard.press("x")
    expect(card(page, "one").get_by_role("button", name="认领并致电")).to_be_visible()
    expect(page.locator("#toast")).to_have_text("已放回名单")
    expect(page.locator("#now-waiting")).to_have_text("1")


def test_a_lease_that_runs_out_is_said_and_the_outcome_still_counts(house: ListHouse, page: Page) -> None:
    house.put("one")
    open_list(page, house)
    card(page, "one").get_by_role("button", name="认领并致电").click()
    expect(page.locator("#now-mine")).to_have_text("1")
    house.pages.client.hset(keys.OUTREACH_RECORD.of("one"), "claimed_until_ms", str(now_ms() + 1_500))
    house.pages.client.incr(keys.OUTREACH_VERSION.of())
    expect(card(page, "one")).to_contain_text("认领已到期，可重新认领，也可记录结果")
    expect(card(page, "one").get_by_role("button", name="认领并致电")).to_be_visible()
    card(page, "one").get_by_role("button", name="没接通").click()
    expect(card(page, "one")).to_have_count(0)
    assert house.noted("one") == "no_answer"


def test_two_desks_see_one_another(house: ListHouse, page: Page, browser: Browser) -> None:
    house.put("one")
    open_list(page, house)
    other = browser.new_context(locale="en").new_page()
    other.goto(house.url("desk-2"))
    other.get_by_role("button", name="Claim and call").click()
    expect(card(page, "one").locator(".claim-note")).to_contain_text("desk-2 正在致电")
    expect(card(page, "one").get_by_role("button", name="认领并致电")).to_have_count(0)
    expect(page.locator("#now-called")).to_have_text("1")
    page.keyboard.press("a")
    page.keyboard.press("1")
    other.keyboard.press("2")
    expect(card(page, "one")).to_have_count(0)
    assert house.noted("one") == "no_answer"


def test_who_was_quicker_is_said(house: ListHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("409")
    house.put("one")
    open_list(page, house)
    page.route("**/v1/outreach?*", lambda route: route.abort())
    page_watch.tolerated.append("ERR_FAILED")
    fields: dict[Any, Any] = {"claimed_by": "desk-2", "claimed_until_ms": str(now_ms() + LEASE_MS)}
    house.pages.client.hset(keys.OUTREACH_RECORD.of("one"), mapping=fields)
    card(page, "one").get_by_role("button", name="认领并致电").click()
    expect(page.locator("#toast")).to_have_text("同事刚刚认领了这位客户")


@pytest.mark.slow
def test_do_not_call_is_asked_twice(house: ListHouse, page: Page) -> None:
    house.put("one")
    open_list(page, house)
    page.keyboard.press("a")
    expect(page.locator("#now-mine")).to_have_text("1")
    page.keyboard.press("4")
    expect(card(page, "one").get_by_role("button", name="再按一次：永不再打")).to_be_visible()
    assert house.noted("one") == ""
    page.keyboard.press("4")
    expect(card(page, "one")).to_have_count(0)
    assert house.noted("one") == "do_not_call"


@pytest.mark.slow
def test_the_customer_comes_back_during_the_call(house: ListHouse, page: Page) -> None:
    mine, free = house.put("mine"), house.put("free")
    open_list(page, house)
    card(page, "mine").get_by_role("button", name="认领并致电").click()
    expect(page.locator("#now-mine")).to_have_text("1")
    house.take_back(mine)
    house.take_back(free)
    expect(card(page, "free")).to_have_count(0)
    expect(card(page, "mine")).to_contain_text("客户已离开名单")
    card(page, "mine").get_by_role("button", name="已联系上").click()
    expect(card(page, "mine")).to_have_count(0)
    assert house.noted("mine") == "reached"


@pytest.mark.slow
def test_one_journey_of_several(house: ListHouse, page: Page) -> None:
    house.put("loan")
    house.put("claim", {"journey": "claim"})
    open_list(page, house)
    expect(page.locator("#journey option")).to_have_count(3)
    page.locator("#journey").select_option(label="理赔申请")
    expect(card(page, "loan")).to_have_count(0)
    assert page.url.endswith("/outreach?journey=claim")
    page.reload()
    expect(page.locator("[data-outreach]")).to_have_count(1)
    expect(page.locator("#journey")).to_have_value("claim")
    page.locator("#journey").select_option(label="全部业务")
    expect(page.locator("[data-outreach]")).to_have_count(2)


@pytest.mark.slow
def test_at_night_nobody_is_called(house: ListHouse, page: Page) -> None:
    now = datetime.now(UTC)
    night = QuietHours("UTC", f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=2):%H:%M}")
    house.put("one", quiet_hours=night)
    open_list(page, house)
    expect(page.locator("#night")).to_contain_text(re.compile(r"现在是免打扰时段，\d\d:\d\d 之后才能致电"))
    expect(card(page, "one").get_by_role("button", name="认领并致电")).to_be_disabled()
    page.keyboard.press("a")
    expect(page.locator("#now-mine")).to_have_text("0")


@pytest.mark.slow
def test_an_outage_is_shown_plainly_and_ends_by_itself(house: ListHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("ERR_CONNECTION_REFUSED|Failed to fetch")
    house.put("one")
    open_list(page, house)
    house.pages.stop()
    expect(page.locator("#banner")).to_contain_text(re.compile(r"连接断开，下面是 \d\d:\d\d:\d\d 的名单"))
    expect(page.locator("#status")).to_have_attribute("data-state", "waiting")
    expect(page.locator("body")).to_have_class(re.compile("is-stale"))
    expect(card(page, "one")).to_be_visible()
    house.pages.start()
    house.put("two")
    # It comes back by itself too: the button may be gone by now, and does no harm.
    page.locator("#retry").dispatch_event("click")
    expect(card(page, "two")).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()


@pytest.mark.slow
def test_a_store_that_is_away_is_waited_for(house: ListHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("503")
    house.put("one")
    open_list(page, house)
    house.pages.redis.stop()
    expect(page.locator("#banner")).to_be_visible()
    house.pages.redis.start()
    expect(page.locator("#status")).to_have_attribute("data-state", "live")


@pytest.mark.slow
def test_a_token_that_is_over_asks_for_another(house: ListHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("401")
    page.goto(f"{house.pages.addresses.http}/outreach#token={house.pages.token(lifetime_s=-5)}")
    expect(page.locator("#sign-in")).to_contain_text("令牌不能用了")
    page.locator("#token").fill(house.pages.token())
    page.get_by_role("button", name="进入").click()
    expect(page.locator("#status")).to_have_attribute("data-state", "live")


@pytest.mark.slow
def test_it_speaks_english_and_fits_a_narrow_screen(house: ListHouse, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    house.put("one", customer_id="a-customer-with-a-very-long-name-" * 4)
    open_list(page, house)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Customers to call first")).to_be_visible()
    card(page, "one").get_by_role("button", name="Claim and call").click()
    expect(card(page, "one").get_by_role("button", name="Wrong person")).to_be_visible()
    expect(card(page, "one").locator(".say")).to_contain_text("Did the face check")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
def test_every_control_has_a_name_and_the_focus_survives_a_look(house: ListHouse, page: Page) -> None:
    house.put("one")
    open_list(page, house)
    page.keyboard.press("a")
    expect(page.locator("#now-mine")).to_have_text("1")
    release = card(page, "one").get_by_role("button", name="放回名单")
    release.focus()
    house.put("above", need=0.99)
    expect(page.locator("[data-outreach]")).to_have_count(2)
    assert names(page) == ["above", "one"]
    expect(release).to_be_focused()
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, a')].filter(each => each.checkVisibility() &&"
        " !each.textContent.trim() && !each.getAttribute('aria-label')).length"
    )
    assert unnamed == 0


@pytest.mark.slow
def test_text_of_an_entry_is_never_markup(house: ListHouse, page: Page) -> None:
    house.put("one", customer_id="<img src=x onerror=alert(1)>")
    open_list(page, house)
    expect(card(page, "one").locator(".who")).to_have_attribute("title", "<img src=x onerror=alert(1)>")
    assert page.locator(".card img").count() == 0
