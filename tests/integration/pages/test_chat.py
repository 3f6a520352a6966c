"""The chat page in a real Chromium: it opens with the last interruption and speaks first when a new one comes."""

import pytest
from playwright.sync_api import Page, expect

from tests.gateway.page_house import PageHouse
from tests.parts.browser import PageWatch

pytestmark = pytest.mark.requires("redis", "chromium")


def open_chat(page: Page, house: PageHouse, customer: str) -> None:
    page.goto(house.chat_url(customer))
    expect(page.locator("#status")).to_have_text("在线")


def choose(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def until_reported(page: Page, house: PageHouse, event: str, helpful: bool | None) -> None:
    for _ in range(3_000):
        reports = [each["properties"] for each in house.reported() if each["event"] == event]
        if any(each["surface"] == "chatbot" and each.get("helpful") is helpful for each in reports):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"no {event} with helpful={helpful} in {house.reported()}")


def test_it_opens_with_the_last_interruption_and_its_fix(house: PageHouse, page: Page) -> None:
    hint = house.tell("1")
    open_chat(page, house, hint.customer_id)
    lines = page.locator("#lines .line")
    expect(lines).to_have_count(3)
    expect(lines.nth(0)).to_have_text("您好，我是小知。")
    expect(lines.nth(1)).to_contain_text("您刚才在办理保单贷款时")
    expect(lines.nth(2).get_by_role("heading")).to_have_text("人脸识别不通过怎么办")
    expect(lines.nth(2).locator("li")).to_have_count(5)
    expect(page.locator("#replies button")).to_have_text(["解决了", "没解决", "转人工"])
    until_reported(page, house, "Hint Shown", None)


def test_solved_is_told_and_the_next_thing_follows(house: PageHouse, page: Page) -> None:
    best = house.tell("1", customer_id="anna", priority=90)
    house.tell("2", customer_id="anna", priority=10, reason="payment", journey="premium_payment")
    open_chat(page, house, "anna")
    choose(page, "解决了")
    expect(page.locator("#lines")).to_contain_text("太好了！")
    expect(page.locator("#lines")).to_contain_text("您刚才办理保费缴纳时")
    expect(page.locator("#lines")).not_to_contain_text("我们的同事")
    until_reported(page, house, "Hint Used", True)
    assert house.state_of(best) == "used"


def test_not_solved_leaves_the_hint_to_the_agents(house: PageHouse, page: Page) -> None:
    hint = house.tell("1")
    open_chat(page, house, hint.customer_id)
    choose(page, "没解决")
    expect(page.locator("#replies button")).to_have_text(["转人工", "再看一遍步骤"])
    until_reported(page, house, "Hint Shown", False)
    assert house.state_of(hint) == "shown"
    choose(page, "再看一遍步骤")
    expect(page.locator("#lines .help")).to_have_count(2)
    choose(page, "转人工")
    expect(page.locator("#lines")).to_contain_text("人工客服已经看得到您的情况")
    expect(page.locator("#replies button")).to_have_count(0)


def test_it_speaks_first_when_a_hint_comes_and_only_of_this_customer(house: PageHouse, page: Page) -> None:
    open_chat(page, house, "anna")
    expect(page.locator("#lines")).to_contain_text("您目前没有未办完的业务")
    house.tell("1", customer_id="somebody-else")
    house.tell("2", customer_id="anna")
    expect(page.locator("#lines .help")).to_have_count(1)
    expect(page.locator("#lines .line").nth(2)).to_have_text("打扰一下：")


def test_it_sees_that_the_customer_is_back(house: PageHouse, page: Page) -> None:
    hint = house.tell("1")
    open_chat(page, house, hint.customer_id)
    expect(page.locator("#replies button")).to_have_count(3)
    house.retire(hint, "completed")
    expect(page.locator("#lines")).to_contain_text("看到您已经办好了")
    expect(page.locator("#replies button")).to_have_count(0)


@pytest.mark.slow
def test_by_keyboard_alone(house: PageHouse, page: Page) -> None:
    hint = house.tell("1")
    open_chat(page, house, hint.customer_id)
    solved = page.get_by_role("button", name="解决了", exact=True)
    expect(solved).to_be_visible()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(solved).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#lines")).to_contain_text("太好了！")
    assert house.state_of(hint) == "used"


@pytest.mark.slow
def test_it_goes_on_after_a_restart(house: PageHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("WebSocket connection|ERR_CONNECTION_REFUSED")
    open_chat(page, house, "anna")
    house.stop()
    expect(page.locator("#status")).to_contain_text("连接断开")
    house.tell("1", customer_id="anna")
    house.start()
    expect(page.locator("#status")).to_have_text("在线")
    expect(page.locator("#lines .help")).to_have_count(1)


@pytest.mark.slow
def test_without_a_customer_it_asks_for_one(house: PageHouse, page: Page) -> None:
    hint = house.tell("1")
    page.goto(f"{house.addresses.http}/chat#token={house.token('chatbot', 'bot')}")
    expect(page.get_by_label("机器人令牌")).to_be_hidden()
    page.get_by_label("客户号").fill(hint.customer_id)
    choose(page, "开始")
    expect(page.locator("#lines .help")).to_have_count(1)


@pytest.mark.slow
def test_in_english_said_anew(house: PageHouse, page: Page) -> None:
    hint = house.tell("1")
    open_chat(page, house, hint.customer_id)
    expect(page.locator("#replies button")).to_have_count(3)
    choose(page, "English")
    expect(page.locator("#lines .line").nth(0)).to_have_text("Hello, I am Zhi.")
    expect(page.locator("#lines .help h2")).to_have_text("When the face check does not work")
    expect(page.locator("#replies button")).to_have_text(["Solved", "Not solved", "Talk to a person"])


@pytest.mark.slow
def test_the_front_page_leads_everywhere(house: PageHouse, page: Page) -> None:
    page.goto(f"{house.addresses.http}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("客户停下来的地方，有人接得上")
    hrefs = [each.get_attribute("href") for each in page.locator(".door").all()]
    assert hrefs == ["/desk", "/outreach", "/journeys", "/chat", "/openapi.json"]
    choose(page, "English")
    expect(page.get_by_role("link", name="Agent desk")).to_be_visible()
