"""The queue on the desk page in a real Chromium: seen by those who may, taken once, by keyboard, in both languages."""

import re

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.gateway.page_house import PageHouse, now_ms
from tests.parts.browser import PageWatch

pytestmark = pytest.mark.requires("redis", "chromium")

QUEUE = "queue:sh"


def sit_down(house: PageHouse, page: Page, desk: str = "desk-1", branch: str = "sh", **claims: object) -> Page:
    """A desk of the branch that is live."""
    page.goto(house.desk_url(subject=desk, claims={"branch": branch, **claims}))
    expect(page.locator("#status")).to_have_attribute("data-state", "live")
    return page


def queued(page: Page, name: str) -> Locator:
    return page.locator(f"[data-queued='{name}']")


def test_one_takes_the_other_loses_it_and_who_may_not_see_it_never_does(
    house: PageHouse, page: Page, browser: Browser
) -> None:
    one, other = sit_down(house, page), sit_down(house, browser.new_page(), "desk-2")
    outside = sit_down(house, browser.new_page(), "desk-3", customers={"branches": ["bj"]})
    unskilled = sit_down(house, browser.new_page(), "desk-4", skills=["loans"])
    elsewhere = sit_down(house, browser.new_page(), "desk-5", branch="bj")
    expect(one.locator("#queue")).to_be_hidden()
    house.tell("q1", QUEUE, branch="sh", skill="claims")
    house.tell("q2", QUEUE, branch="sh", reason="payment", journey="premium_payment")
    for each in (one, other):
        expect(each.locator("#queued li")).to_have_count(2)
    expect(queued(one, "q1")).to_contain_text(re.compile("人脸识别未通过.*C-••••-q1.*保单贷款 › 填写贷款金额"))
    expect(one.locator("#queue-count")).to_have_text("2")
    expect(one.locator("#announcer")).to_contain_text("队列新客户：人脸识别未通过，保单贷款")
    expect(one.locator("#empty")).to_be_hidden()
    expect(one.locator("#nobody")).to_have_text("没有分给您的客户。队列里的客户，谁先接手就归谁。")
    queued(one, "q1").get_by_role("button", name="接手").click()
    expect(one.locator("[data-hint='q1'] .card-toggle")).to_be_focused()
    expect(one.locator("[data-hint='q1'] .say")).to_be_visible()
    for each in (one, other):
        expect(queued(each, "q1")).to_have_count(0)
        expect(queued(each, "q2")).to_have_count(1)
    expect(other.locator("[data-hint]")).to_have_count(0)
    expect(unskilled.locator("#queued li")).to_have_count(1)
    for each in (outside, elsewhere):
        expect(each.locator("#queue")).to_be_hidden()
        assert "q1" not in each.content()
    one.get_by_role("button", name="已帮助").click()
    expect(one.locator("[data-hint='q1']")).to_contain_text("已记录：帮助了客户")


def test_by_keyboard_alone(house: PageHouse, page: Page) -> None:
    for number in (1, 2, 3):
        house.tell(f"q{number}", QUEUE, branch="sh", created_at_ms=now_ms() - 1_000 * number)
    sit_down(house, page)
    assert [each.get_attribute("data-queued") for each in page.locator("#queued li").all()] == ["q1", "q2", "q3"]
    page.keyboard.press("q")
    expect(queued(page, "q1").get_by_role("button")).to_be_focused()
    page.keyboard.press("Tab")
    expect(queued(page, "q2").get_by_role("button")).to_be_focused()
    page.keyboard.press("t")
    expect(page.locator("[data-hint='q2'] .card-toggle")).to_be_focused()
    page.keyboard.press("t")
    expect(page.locator("[data-hint='q1'] .card-toggle")).to_be_focused()
    expect(page.locator("#queued li")).to_have_count(1)


def test_who_comes_late_is_told_so_and_an_outage_leaves_it_there(
    house: PageHouse, page: Page, page_watch: PageWatch
) -> None:
    page_watch.tolerated.append("409|ERR_FAILED")
    sit_down(house, page)
    house.tell("q1", QUEUE, branch="sh")
    take = queued(page, "q1").get_by_role("button")
    page.route("**/claims", lambda route: route.abort())
    take.click()
    expect(page.locator("#toast")).to_have_text("暂时接不了，请稍后再试")
    expect(take).to_be_enabled()
    page.unroute("**/claims")

    def somebody_is_quicker(route: Route) -> None:
        token = house.token(subject="desk-2", claims={"branch": "sh"})
        url = f"{house.addresses.http}/v1/hints/q1/claims"
        httpx.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=120).raise_for_status()
        route.continue_()

    page.route("**/claims", somebody_is_quicker)
    take.click()
    expect(page.locator("#toast")).to_have_text("同事已接手，或已不再需要")
    expect(page.locator("#queue")).to_be_hidden()
    expect(page.locator("[data-hint]")).to_have_count(0)


def test_after_a_restart_it_is_as_it_stands(house: PageHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("WebSocket connection|ERR_CONNECTION_REFUSED")
    sit_down(house, page)
    first = house.tell("q1", QUEUE, branch="sh")
    expect(queued(page, "q1")).to_be_visible()
    house.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", re.compile("waiting|connecting"))
    house.retire(first, "completed")
    house.tell("q2", QUEUE, branch="sh")
    house.start()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(queued(page, "q2")).to_be_visible()
    expect(queued(page, "q1")).to_have_count(0)


def test_in_english_on_a_narrow_screen_and_over_by_the_clock(house: PageHouse, browser: Browser) -> None:
    page = browser.new_context(locale="en", viewport={"width": 360, "height": 740}).new_page()
    house.tell("q1", QUEUE, branch="sh", customer_id="a-customer-with-a-very-long-name-" * 4)
    house.tell("q2", QUEUE, branch="sh", expires_at_ms=now_ms() + 8_000)
    sit_down(house, page)
    expect(page.get_by_role("heading", name="In the queue")).to_be_visible()
    expect(
        queued(page, "q1").get_by_role("button", name="Take: Face check failed, customer a-cu••••me-")
    ).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(queued(page, "q2")).to_have_count(0)
