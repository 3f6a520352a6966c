"""Bundles on the desk page, in a real Chromium: on top, by keyboard, in both languages, gone with the contact."""

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from operators.contacts.bundle import Bundle, BundleChanged, BundleEnd
from operators.contacts.needs import NeedRules
from operators.hints.hint import Hint
from operators.records.policies import Policy
from state.contacts.bundles import RedisBundleWriter
from tests.gateway.page_house import PageHouse, catalogue_hint, now_ms

pytestmark = pytest.mark.requires("redis", "chromium")


def tell(house: PageHouse, name: str = "b1", customer: str = "C-2024-10847", **changes: object) -> Bundle:
    """Tell desk-1 of a contact with everything there is, worded by the real catalogue."""
    rules = NeedRules(house.catalogue)
    policies = [
        Policy("P-881", unclaimed_benefit=True, has_beneficiary=False),
        Policy("P-902", claim_documents_missing=2, has_beneficiary=False),
    ]
    at_ms = now_ms()
    bundle = Bundle(
        bundle_id=name,
        customer_id=customer,
        agent_id="desk-1",
        channel="phone",
        conversation_id="k1",
        at_ms=at_ms,
        expires_at_ms=at_ms + 3_600_000,
        interruption=catalogue_hint(house.catalogue, "10847", {}),
        struggling=None,
        needs=rules.needs(policies, "phone", at_ms).found,
        more=1,
        branch=None,
        region=None,
        failures={},
    )
    bundle = msgspec.structs.replace(bundle, **changes)
    assert RedisBundleWriter(house.client, now_ms, 60_000).write([bundle]) == [True]
    return bundle


def end(house: PageHouse, bundle: Bundle) -> None:
    told = BundleEnd(bundle.bundle_id, bundle.customer_id, bundle.agent_id, now_ms())
    assert RedisBundleWriter(house.client, now_ms, 60_000).write([told]) == [True]


def change(house: PageHouse, bundle: Bundle, cause: str, hint: Hint | None) -> None:
    told = BundleChanged(bundle.bundle_id, bundle.customer_id, "desk-1", cause, now_ms(), hint)
    assert RedisBundleWriter(house.client, now_ms, 60_000).write([told]) == [True]


def open_desk(page: Page, house: PageHouse) -> None:
    page.goto(house.desk_url())
    expect(page.locator("#status")).to_have_attribute("data-state", "live")


def test_the_bundle_comes_live_on_top_and_goes_with_the_contact(house: PageHouse, page: Page) -> None:
    open_desk(page, house)
    expect(page.locator("#contacts")).to_be_hidden()
    bundle = tell(house)
    shown = page.locator(".bundle")
    expect(shown.get_by_role("heading", level=2)).to_have_text("电话 C-20••••847")
    expect(shown.locator(".matter-title")).to_have_text(
        ["人脸识别未通过", "理赔资料待补充", "有未领取的生存金或红利", "未指定受益人"]
    )
    expect(shown.locator(".matter-where")).to_have_text(
        ["保单贷款 › 填写贷款金额", "保单 P-902", "保单 P-881", "保单 P-881, P-902"]
    )
    expect(shown.locator("details").nth(0)).to_have_attribute("open", "")
    expect(shown.locator(".say").nth(0)).to_contain_text("您刚才在办理保单贷款时")
    expect(shown).to_contain_text("另有 1 项，可稍后再办")
    expect(page.locator("#announcer")).to_have_text("电话接入：4 件事可一并办理，先是人脸识别未通过")
    assert page.locator("#contacts").evaluate("each => each.offsetTop < document.getElementById('hints').offsetTop")
    end(house, bundle)
    expect(page.locator("#contacts")).to_be_hidden()
    expect(page.locator("#announcer")).to_have_text("联系已结束")


def test_who_struggles_meanwhile_is_shown_on_top_until_it_is_over_also_after_a_reload(
    house: PageHouse, page: Page
) -> None:
    open_desk(page, house)
    bundle = tell(house, interruption=None)
    first = page.locator(".bundle li").first
    expect(first).to_have_attribute("data-kind", "need")
    first.locator("summary").click()
    change(house, bundle, "f1", catalogue_hint(house.catalogue, "10847", {}))
    expect(first).to_have_attribute("data-kind", "struggling")
    expect(first).to_contain_text("此刻遇到困难")
    expect(first.locator(".say")).to_be_visible()
    expect(page.locator("#announcer")).to_contain_text("客户此刻遇到困难：人脸识别未通过")
    page.reload()
    expect(first).to_have_attribute("data-kind", "struggling")
    change(house, bundle, "f2", None)
    expect(first).to_have_attribute("data-kind", "need")
    expect(page.locator("#announcer")).to_contain_text("客户的困难已解除")


def test_by_keyboard_in_english_and_still_there_after_a_reload(house: PageHouse, page: Page) -> None:
    tell(house)
    open_desk(page, house)
    page.locator("#language").click()
    expect(page.locator("#contacts-heading")).to_have_text("In contact now")
    page.keyboard.press("b")
    first = page.locator(".bundle summary").nth(0)
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".bundle details").nth(0)).not_to_have_attribute("open", "")
    page.keyboard.press("Tab")
    expect(page.locator(".bundle summary").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".bundle .say").nth(1)).to_contain_text("Your claim is waiting for papers")
    page.locator("#language").click()
    expect(page.locator(".bundle details").nth(1)).to_have_attribute("open", "")
    page.reload()
    expect(page.locator(".bundle summary")).to_have_count(4)


def test_a_transfer_and_a_second_customer(house: PageHouse, page: Page) -> None:
    open_desk(page, house)
    first = tell(house)
    tell(house, "b2", "C-2024-20011", channel="counter", interruption=None, needs=(), more=0)
    expect(page.locator(".bundle h2")).to_have_text(["柜面 C-20••••011", "电话 C-20••••847"])
    expect(page.locator(".bundle").nth(0)).to_contain_text("没有中断的业务，也没有待办事项")
    end(house, first)
    expect(page.locator(".bundle h2")).to_have_text(["柜面 C-20••••011"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_and_contrast_hold_in_light_and_dark(house: PageHouse, browser: Browser, scheme: str) -> None:
    tell(house)
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", locale="zh-CN")
    page = context.new_page()
    open_desk(page, house)
    expect(page.locator(".bundle")).to_have_count(1)
    names = page.locator(".bundle button").evaluate_all("all => all.map(e => e.ariaLabel || e.textContent.trim())")
    assert all(names)
    assert page.locator("article.bundle").get_attribute("aria-labelledby") == "bundle-b1"
    context.close()
