"""The desk page in a real Chromium against a real gateway: live hints, keys, outages, languages."""

import re
import time

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from operators.hints.hint import Hint, NamedReason
from operators.records.facts import Evidence
from tests.gateway.page_house import PageHouse, now_ms
from tests.parts.browser import PageWatch
from tests.parts.pace import slowness_since

OUTLINE_OF_FOCUSED = """() => {
  const focused = document.activeElement;
  const outlined = focused.matches(".card-toggle") ? focused.closest(".card") : focused;
  return `${focused.tagName} ${getComputedStyle(outlined).outlineStyle}`;
}"""

pytestmark = pytest.mark.requires("redis", "chromium")


def open_desk(page: Page, house: PageHouse) -> None:
    page.goto(house.desk_url())
    expect(page.locator("#status")).to_have_attribute("data-state", "live")


def card(page: Page, hint: Hint) -> Locator:
    return page.locator(f"[data-hint='{hint.hint_id}']")


def reported(page: Page, house: PageHouse, event: str, times: int = 1) -> list[dict[str, object]]:
    """The properties of the events of that name, once there are so many."""
    found: list[dict[str, object]] = []
    for _ in range(3_000):
        found = [each["properties"] for each in house.reported() if each["event"] == event]
        if len(found) >= times:
            return found
        page.wait_for_timeout(50)
    pytest.fail(f"{event}: found {len(found)} times, expected {times}")


def test_what_the_page_noticed_is_said_in_words(house: PageHouse, page: Page) -> None:
    noticed = (
        Evidence("dead_click", "loan_amount", "submit", None, 2, 0.9),
        Evidence("page_loop", "loan_amount", "/loan", None, 1, 0.6),
        Evidence("field_hesitation", "loan_amount", None, "amount", 3, 0.5),
    )
    hint = house.tell("10847", reason="system_error", step="loan_amount", confidence=0.6, evidence=noticed)
    open_desk(page, house)
    shown = card(page, hint).locator(".evidence li")
    expect(shown).to_have_text(
        ["在填写贷款金额点击没有反应 2 次submit", "反复打开同一页面 1 次/loan", "填“amount”前停留很久 3 次"]
    )
    page.get_by_role("button", name="English").click()
    expect(shown.first).to_contain_text("2 clicks without effect at ")


def test_a_hint_appears_live_with_why_and_what_to_say(house: PageHouse, page: Page) -> None:
    open_desk(page, house)
    expect(page.locator("#empty")).to_contain_text("现在没有等待帮助的客户")
    hint = house.tell("10847")
    shown = card(page, hint)
    expect(shown).to_contain_text("人脸识别未通过")
    expect(shown).to_contain_text("很有把握")
    expect(shown.locator(".evidence li")).to_have_text(["填写贷款金额失败 3 次face_mismatch"])
    expect(shown).to_contain_text(re.compile("保单贷款 . 填写贷款金额"))
    expect(shown).to_contain_text("3 分钟前中断")
    expect(shown.locator(".who")).to_have_text("C-20••••847")
    expect(shown.locator(".who")).to_have_attribute("aria-label", "复制客户号 C-2024-10847")
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#announcer")).to_have_text("新提示：人脸识别未通过，保单贷款")
    expect(page).to_have_title("(1) 知音 坐席台")
    expect(page.locator("#today-received")).to_have_text("1")
    expect(shown.get_by_role("button", name="人脸识别未通过")).to_have_attribute("aria-expanded", "true")
    expect(shown.locator(".say")).to_contain_text("您刚才在办理保单贷款时")
    expect(shown.locator(".article li")).to_have_count(5)
    expect(shown.locator(".left")).to_have_text("剩 24 小时")
    assert reported(page, house, "Hint Shown")[0]["hint_id"] == hint.hint_id


def test_the_token_leaves_the_address_bar_and_lasts_for_the_tab(house: PageHouse, page: Page) -> None:
    open_desk(page, house)
    assert page.url == f"{house.addresses.http}/desk"
    page.reload()
    expect(page.locator("#status")).to_have_attribute("data-state", "live")
    expect(page.locator("#where")).to_have_text("desk-1")


def test_the_list_is_there_from_the_start_and_the_newest_is_open(house: PageHouse, page: Page) -> None:
    old = house.tell("1", created_at_ms=now_ms() - 60_000)
    new = house.tell("2", reason="payment", journey="premium_payment")
    open_desk(page, house)
    expect(page.locator("[data-hint]")).to_have_count(2)
    assert [each.get_attribute("data-hint") for each in page.locator("[data-hint]").all()] == ["2", "1"]
    expect(card(page, new).locator(".say")).to_be_visible()
    expect(card(page, old).locator(".say")).to_have_count(0)


def test_by_keyboard_alone(house: PageHouse, page: Page) -> None:
    one, two, three = (house.tell(str(each), created_at_ms=now_ms() - each * 1000) for each in (1, 2, 3))
    open_desk(page, house)
    page.keyboard.press("j")
    expect(card(page, two).locator(".card-toggle")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card(page, two).locator(".card-toggle")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("u")
    expect(card(page, two)).to_contain_text("已记录：帮助了客户。这条提示有用吗？")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(card(page, two).get_by_role("button", name="有用")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card(page, two)).to_have_count(0)
    expect(card(page, three).locator(".card-toggle")).to_be_focused()
    page.keyboard.press("k")
    expect(card(page, one).locator(".card-toggle")).to_be_focused()
    page.keyboard.press("d")
    expect(card(page, one)).to_contain_text("已记录：不适用。")
    assert reported(page, house, "Hint Dismissed")[0]["hint_id"] == "1"
    used = reported(page, house, "Hint Used")
    assert [each.get("helpful") for each in used] == [None, True]
    assert house.state_of(two) == "used"
    expect(page.locator("#today-used")).to_have_text("1")


def test_who_finds_another_reason_names_it(house: PageHouse, page: Page) -> None:
    others = tuple(NamedReason(code, house.catalogue.reasons[code].title) for code in ("sms_code", "system_error"))
    hint = house.tell("1", other_reasons=others)
    open_desk(page, house)
    page.keyboard.press("j")
    page.keyboard.press("d")
    card(page, hint).get_by_role("button", name="判断错").click()
    expect(card(page, hint)).to_contain_text("实际是什么原因？")
    first, second, neither = card(page, hint).locator(".asked button").all()
    expect(first).to_be_focused()
    expect(second).to_have_text(others[1].title.zh)
    expect(neither).to_have_text("都不是")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(card(page, hint)).to_have_count(0)
    bare, named = reported(page, house, "Hint Dismissed", 2)
    assert (bare.get("helpful"), bare.get("reason")) == (None, None)
    assert (named["helpful"], named["reason"], named["journey"]) == (False, "system_error", "policy_loan")


def test_the_focus_is_always_visible(house: PageHouse, page: Page) -> None:
    house.tell("1")
    open_desk(page, house)
    styles = []
    for _ in range(8):
        page.keyboard.press("Tab")
        styles.append(page.evaluate(OUTLINE_OF_FOCUSED))
    assert styles == [
        "A solid",
        "A solid",
        "A solid",
        "BUTTON solid",
        "BUTTON solid",
        "BUTTON solid",
        "BUTTON solid",
        "BUTTON solid",
    ]


@pytest.mark.slow
def test_a_customer_who_comes_back_is_said_so_and_goes(house: PageHouse, page: Page) -> None:
    hint = house.tell("1")
    house.tell("2")
    open_desk(page, house)
    house.retire(hint, "completed")
    expect(card(page, hint)).to_contain_text("客户已回来完成")
    expect(card(page, hint)).to_have_count(0)
    expect(page.locator("#today-back")).to_have_text("1")
    expect(page.locator("#count")).to_have_text("1")


@pytest.mark.slow
def test_a_hint_expires_by_the_clock(house: PageHouse, page: Page) -> None:
    began = time.monotonic()
    open_desk(page, house)
    lasts_ms = round(3_000 * slowness_since(began))
    hint = house.tell("1", expires_at_ms=now_ms() + lasts_ms)
    expect(card(page, hint)).to_contain_text("提示已过期")


@pytest.mark.slow
def test_another_surface_was_quicker(house: PageHouse, page: Page, browser: Browser) -> None:
    hint = house.tell("1")
    open_desk(page, house)
    other = browser.new_context(locale="en").new_page()
    other.goto(house.desk_url())
    other.get_by_role("button", name="Helped").click()
    expect(card(page, hint)).to_contain_text("已帮助客户")


@pytest.mark.slow
def test_it_reconnects_after_a_restart_and_misses_nothing(house: PageHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("WebSocket connection|ERR_CONNECTION_REFUSED")
    hint = house.tell("1")
    open_desk(page, house)
    house.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", re.compile("waiting|connecting"))
    expect(page.locator("#banner")).to_contain_text(re.compile(r"连接断开，下面是 \d\d:\d\d:\d\d 的内容"))
    expect(page.locator("body")).to_have_class(re.compile("is-stale"))
    card(page, hint).get_by_role("button", name="已帮助").click()
    missed = house.tell("2")
    house.start()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#status")).to_have_attribute("data-state", "live")
    expect(card(page, missed)).to_be_visible()
    expect(page.locator("#banner")).to_be_hidden()
    assert reported(page, house, "Hint Used")[0]["hint_id"] == hint.hint_id


@pytest.mark.slow
def test_a_store_that_is_away_is_shown_plainly_and_catches_up(house: PageHouse, page: Page) -> None:
    house.tell("1")
    open_desk(page, house)
    house.redis.stop()
    expect(page.locator("#status")).to_have_attribute("data-state", "stale")
    expect(page.locator("#status")).to_contain_text(re.compile(r"停在 \d\d:\d\d:\d\d"))
    expect(page.locator("#banner")).to_contain_text("服务器暂时读不到新提示")
    house.redis.start()
    expect(page.locator("#status")).to_have_attribute("data-state", "live")
    expect(card(page, house.tell("2"))).to_be_visible()


@pytest.mark.slow
def test_an_emptied_store_makes_the_desk_reload(house: PageHouse, page: Page) -> None:
    gone = house.tell("1")
    open_desk(page, house)
    house.client.flushall()
    new = house.tell("2")
    expect(card(page, new)).to_be_visible()
    expect(card(page, gone)).to_have_count(0)


@pytest.mark.slow
def test_a_token_that_is_over_asks_for_another(house: PageHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("401")
    page.goto(house.desk_url(lifetime_s=-5))
    expect(page.locator("#sign-in")).to_contain_text("令牌不能用了")
    expect(page.locator("#token")).to_be_focused()
    page.locator("#token").fill(f" {house.token()}\n")
    page.get_by_role("button", name="进入").click()
    expect(page.locator("#status")).to_have_attribute("data-state", "live")


@pytest.mark.slow
def test_without_a_token_it_asks_for_one(house: PageHouse, page: Page) -> None:
    page.goto(f"{house.addresses.http}/desk")
    expect(page.locator("#sign-in")).to_contain_text("请粘贴您的坐席令牌")
    expect(page.locator("#desk")).to_be_hidden()


@pytest.mark.slow
def test_two_languages_remembered(house: PageHouse, page: Page, browser: Browser) -> None:
    house.tell("1")
    open_desk(page, house)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Customers who need a hand")).to_be_visible()
    expect(page.locator(".card")).to_contain_text("Face check failed")
    expect(page.locator(".say")).to_contain_text("Did the face check")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.locator(".card")).to_contain_text("Face check failed")
    english = browser.new_context(locale="en-GB").new_page()
    english.goto(house.desk_url())
    expect(english.get_by_role("button", name="Does not fit")).to_be_visible()


@pytest.mark.slow
def test_nothing_overflows_on_a_narrow_screen(house: PageHouse, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    hint = house.tell("1", customer_id="a-customer-with-a-very-long-name-" * 4)
    open_desk(page, house)
    card(page, hint).locator(".card-toggle").click()
    expect(page.locator(".say")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
def test_text_of_a_hint_is_never_markup(house: PageHouse, page: Page) -> None:
    evil = "<img src=x onerror=alert(1)>"
    hint = house.tell("1", customer_id=evil, step="loan_amount")
    open_desk(page, house)
    expect(card(page, hint).locator(".who")).to_have_attribute("title", evil)
    assert page.locator(".card img").count() == 0
