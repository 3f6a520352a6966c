"""Hot questions on the chat page, in a real Chromium: after the customer's own matter, with an answer and thumbs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from operators.contacts.hot_questions import HotQuestions, QuestionAsked
from state.contacts.questions import RedisQuestionWriter
from tests.gateway.page_house import PageHouse, now_ms, open_page_house
from tests.parts.redis_server import RedisServer

pytestmark = pytest.mark.requires("redis", "chromium")


@pytest.fixture
def house(redis_server: RedisServer) -> Iterator[PageHouse]:
    with open_page_house(redis_server) as opened:
        ask(opened, "policy_loan.face_check", "premium_payment.payment")
        yield opened


def ask(house: PageHouse, *names: str) -> None:
    """Everybody asks these, the first most."""
    questions = HotQuestions(house.catalogue, 3_600_000)
    for times, name in enumerate(reversed(names), 1):
        for _ in range(times):
            questions.learn("all", QuestionAsked(("all",), name, now_ms()), now_ms())
    RedisQuestionWriter(house.client, 3_600_000).write([questions.hot_list("all", now_ms())])


def open_chat(page: Page, house: PageHouse, customer: str) -> None:
    page.goto(house.chat_url(customer))
    expect(page.locator("#status")).to_have_text("在线")


def rated(page: Page, house: PageHouse) -> dict[str, object]:
    for _ in range(3_000):
        found = [each for each in house.reported() if each["event"] == "Answer Rated"]
        if found:
            return {"userId": found[0]["userId"], **found[0]["properties"]}
        page.wait_for_timeout(50)
    pytest.fail(f"no rating in {house.reported()}")


def test_without_a_matter_of_ones_own_the_hot_questions_are_offered_and_rated(house: PageHouse, page: Page) -> None:
    open_chat(page, house, "anna")
    buttons = page.locator(".questions button")
    expect(buttons).to_have_text(["保单贷款：人脸识别未通过", "保费缴纳：支付未成功"])
    buttons.nth(0).click()
    expect(page.locator("#lines .line.mine")).to_have_text("保单贷款：人脸识别未通过")
    expect(page.locator("#lines .line.help").get_by_role("heading")).to_have_text("人脸识别不通过怎么办")
    page.get_by_role("button", name="没解决").click()
    expect(page.locator("#lines")).to_contain_text("我已经记下来，会改进这条回答")
    expect(page.locator(".questions").nth(1).locator("button")).to_have_text(["保费缴纳：支付未成功"])
    assert rated(page, house) == {"userId": "anna", "question_id": "policy_loan.face_check", "solved": False}


def test_the_last_interruption_comes_first(house: PageHouse, page: Page) -> None:
    hint = house.tell("1")
    open_chat(page, house, hint.customer_id)
    expect(page.locator("#lines .line.help")).to_have_count(1)
    expect(page.locator(".questions")).to_have_count(0)
    page.get_by_role("button", name="解决了").click()
    expect(page.locator(".questions button")).to_have_count(2)


def test_by_keyboard_and_in_english(house: PageHouse, page: Page) -> None:
    open_chat(page, house, "anna")
    expect(page.locator(".questions button")).to_have_count(2)
    page.locator("#language").click()
    expect(page.locator(".questions button").nth(0)).to_have_text("Policy loan: Face check failed")
    page.locator(".questions button").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#lines .line.mine")).to_have_text("Premium payment: Payment failed")
