"""The demo form with its planted problem, by keyboard, on a real set-up: the hint is on the desk before the call."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from config import load_catalogue
from operators.hints.arbitration import in_control_group
from tests.parts.machine import ROOT
from tests.parts.pace import slowness_since
from tests.zhiyin.up.house_up import HouseUp, event

pytestmark = [pytest.mark.requires("redis", "chromium"), pytest.mark.timeout(150)]

CATALOGUE = ROOT / "config" / "catalog"
DEMO = {"ZHIYIN_DEMO_PAGE": "true", "ZHIYIN_QUIET_HOURS": "false", "ZHIYIN_SPEED": "60"}
HINT_WITHIN_S = 30.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[HouseUp]:
    """Everything up as with ``--demo``, twice as fast, without simulated customers."""
    with HouseUp(tmp_path / "var", "--catalog", str(CATALOGUE), environment=DEMO) as house:
        yield house


def test_the_hint_is_on_the_desk_before_the_customer_calls(house: HouseUp, page: Page) -> None:
    customer = offered_customer()
    desk = page.context.new_page()
    desk.goto(f"{house.addresses['http']}/desk#{urlencode({'token': house.addresses['desk_token']})}")
    desk.locator("#status[data-state=live]").wait_for()
    page.goto(f"{house.addresses['http']}/demo?customer={customer}")
    page.locator("#agree").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#consent")).to_have_text("已同意")
    fill_in(page)
    for attempt in (1, 2):
        expect(page.locator("#loan .main")).to_have_text("开始识别")
        page.keyboard.press("Enter") if attempt > 1 else page.locator("#loan .main").press("Enter")
        expect(page.locator("#face-wrong")).to_contain_text(f"第 {attempt} 次")
    card = desk.locator("#cards li", has_text="人脸识别未通过")
    began = time.monotonic()
    card.wait_for()
    assert time.monotonic() - began < HINT_WITHIN_S * slowness_since(began)
    expect(card).to_contain_text("保单贷款")
    house.post(event("Contact Started", customer, channel="phone", agent_id="desk-1", conversation_id="v-1"))
    expect(card).to_be_visible()
    page.locator("#mended").press("Space")
    page.locator("#loan .main").press("Enter")
    page.locator("#code").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.type("123456")
    page.keyboard.press("Enter")
    page.locator("#loan h2", has_text="确认提交").wait_for()
    page.locator("#loan .main").press("Enter")
    page.locator("#loan h2", has_text="提交成功").wait_for()
    card.wait_for(state="detached")
    assert house.interrupt() == 0


def fill_in(page: Page) -> None:
    """Up to the face check by keyboard: the focus is on each step's heading, a Tab away from its field."""
    expect(page.locator("#step")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.locator("#amount").wait_for()
    page.keyboard.press("Enter")
    page.locator("#loan .main").press("Enter")
    expect(page.locator("#amount")).to_be_focused()
    expect(page.locator("#amount-wrong")).to_have_text("请填写。")
    page.keyboard.type("5000")
    page.keyboard.press("Enter")
    page.locator("#card").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.type("62220202001122334")
    page.keyboard.press("Enter")
    page.locator("#camera").wait_for()


def offered_customer() -> str:
    """One who is not in the control group, which never gets a hint."""
    control = load_catalogue(CATALOGUE).control_group
    return next(
        name
        for name in (f"demo-{number}" for number in range(100))
        if not in_control_group(name, control.salt, control.share)
    )
