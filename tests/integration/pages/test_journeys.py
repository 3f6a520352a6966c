"""The journeys page in a real Chromium: real numbers, filters, pain points, languages, outages."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from operators.monitoring.journey_map import HOUR_MS
from tests.gateway.journey_events import mapped, pain_points, simulated_lines, write_points
from tests.gateway.page_house import PageHouse, now_ms, open_page_house
from tests.parts.browser import PageWatch
from tests.parts.redis_server import RedisServer

pytestmark = pytest.mark.requires("redis", "chromium")


@pytest.fixture
def house(redis_server: RedisServer) -> Iterator[PageHouse]:
    with open_page_house(redis_server) as opened:
        mapped(simulated_lines(now_ms() - 2 * HOUR_MS, customers=300, hours=2), opened.client)
        write_points(pain_points(now_ms()), opened.client, now_ms())
        yield opened


def url(house: PageHouse, journey: str = "policy_loan", role: str = "supervisor") -> str:
    return f"{house.addresses.http}/journeys?journey={journey}#token={house.token(role, 'anna')}"


def api(house: PageHouse, path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {house.token('supervisor', 'anna')}"}
    found: dict[str, Any] = httpx.get(f"{house.addresses.http}{path}", headers=headers).json()
    return found


def drawn(page: Page) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(page.locator("#flow").get_attribute("data-links") or "[]")
    return found


def test_the_flow_is_drawn_from_the_numbers_of_the_api(house: PageHouse, page: Page) -> None:
    page.goto(url(house))
    expect(page.locator("#status")).to_have_text("实时")
    expect(page.locator("#flow svg .sankey-link").first).to_be_visible()
    told = api(house, "/v1/journeys/policy_loan/map?window=1h")
    page.wait_for_function("document.querySelectorAll('#flow .sankey-link').length > 5")
    links = drawn(page)
    assert page.locator("#flow .sankey-link").count() == len(links)
    for step in told["steps"]:
        lost = max(0, step["abandoned"] - step["returned"])
        drawn_lost = [count for one, _, count, kind in links if kind == "lost" and one == step["title"]["zh"]]
        assert drawn_lost == ([lost] if lost else []), step["id"]
    entered = sum(each["started"] for each in told["steps"])
    entered += sum(move["count"] for move in told["moves"] if move["from"] == "")
    assert sum(count for one, _, count, _ in links if one == "进入") == entered > 5
    expect(page.locator(".total.started b")).to_have_text(str(told["totals"]["started"]))
    expect(page.locator(".total.completed b")).to_have_text(str(told["totals"]["completed"]))
    expect(page.locator("#steps tbody tr")).to_have_count(len(told["steps"]))
    funnel = json.loads(page.locator("#funnel").get_attribute("data-counts") or "[]")
    assert len(funnel) == len(told["steps"])
    assert page.locator("#funnel .trace").count() == 1


def test_filters_change_what_is_drawn_by_keyboard_too(house: PageHouse, page: Page) -> None:
    page.goto(url(house))
    expect(page.locator("#journey")).to_have_value("policy_loan")
    before = page.locator(".total.started b").text_content()
    page.locator("input[value='1h']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("input[value='1d']")).to_be_checked()
    day = api(house, "/v1/journeys/policy_loan/map?window=1d")["totals"]["started"]
    expect(page.locator(".total.started b")).to_have_text(str(day))
    assert str(day) != before
    page.locator("#journey").select_option("claim")
    claims = api(house, "/v1/journeys/claim/map?window=1d")["totals"]["started"]
    expect(page.locator(".total.started b")).to_have_text(str(claims))


def test_new_customers_show_by_themselves(house: PageHouse, page: Page) -> None:
    page.goto(url(house))
    expect(page.locator(".total.started b")).not_to_be_empty()
    before = int(page.locator(".total.started b").text_content() or "0")
    house.client.delete("zy:map:policy_loan")
    mapped(simulated_lines(now_ms() - HOUR_MS, customers=700, hours=1, seed=9), house.client)
    after = api(house, "/v1/journeys/policy_loan/map?window=1h")["totals"]["started"]
    assert after != before
    expect(page.locator(".total.started b")).to_have_text(str(after))


@pytest.mark.slow
def test_a_pain_point_is_assigned(house: PageHouse, page: Page) -> None:
    page.goto(url(house))
    points = page.locator("#points > li")
    expect(points).to_have_count(3)
    first = points.first
    expect(first.get_by_role("heading")).to_contain_text("短信验证")
    expect(first).to_contain_text("出错 31 %，往常 5.0 %")
    expect(first).to_contain_text("每周多流失约 64 人")
    expect(first).to_contain_text("系统交界：identity-platform → sms-gateway")
    expect(points.nth(1)).to_contain_text("渠道 app")
    expect(points.nth(2)).to_contain_text("改好了")
    first.get_by_label("谁来处理").fill("短信组")
    page.keyboard.press("Enter")
    expect(page.locator("#spoken")).to_have_text("已记下，马上生效")
    [event] = [each for each in house.reported() if each["event"] == "Pain Point Reported"]
    assert event["properties"]["assignee"] == "短信组"
    assert event["properties"]["agent_id"] == "anna"


@pytest.mark.slow
def test_operations_may_look_but_not_work(house: PageHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("403")
    page.goto(url(house, role="ops"))
    page.locator("#points > li").first.get_by_role("button", name="已改好").click()
    expect(page.locator("#spoken")).to_contain_text("没有记下")
    assert house.reported() == []


@pytest.mark.slow
def test_it_speaks_english_and_follows_the_dark(house: PageHouse, browser: Browser, page_watch: PageWatch) -> None:
    context = browser.new_context(locale="en-US", color_scheme="dark")
    page = context.new_page()
    page_watch.watch(page)
    page.goto(url(house, "claim"))
    expect(page.locator("#status")).to_have_text("Live")
    expect(page.locator("#flow-heading")).to_have_text("From entry to completion")
    expect(page.locator("#flow")).to_have_attribute("role", "img")
    assert (page.locator("#flow").get_attribute("aria-label") or "").startswith("Claim: ")
    fill = page.locator("#flow .node-rect").first.evaluate("element => getComputedStyle(element).fill")
    assert fill == "rgb(92, 195, 175)"
    page.locator("#language").click()
    expect(page.locator("#flow-heading")).to_have_text("从进入到完成")
    context.close()
    assert page_watch.complaints() == []


@pytest.mark.slow
def test_it_says_when_the_server_is_away_and_goes_on(house: PageHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("ERR_CONNECTION|Failed to load resource|ERR_EMPTY")
    page.goto(url(house))
    expect(page.locator("#status")).to_have_text("实时")
    house.stop()
    expect(page.locator("#status")).to_contain_text("连不上")
    house.start()
    expect(page.locator("#status")).to_have_text("实时")


@pytest.mark.slow
def test_without_a_token_it_asks_for_one(house: PageHouse, page: Page, page_watch: PageWatch) -> None:
    page_watch.tolerated.append("401")
    page.goto(f"{house.addresses.http}/journeys")
    expect(page.locator("#sign-words")).to_contain_text("主管或运维的令牌")
    expect(page.locator("#map")).to_be_hidden()
    page.get_by_label("令牌").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#sign-words")).to_contain_text("令牌不能用了")
    page.get_by_label("令牌").fill(house.token("supervisor", "anna"))
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("实时")
