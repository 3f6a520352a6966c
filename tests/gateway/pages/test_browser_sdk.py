"""``zhiyin.js`` in a real browser, on a site of somebody else's, against a real gateway."""

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page

from gateway.pages.browser_sdk import FILE
from tests.gateway.fixtures import Started
from tests.gateway.running import WRITE_KEY, RunningGateway
from tests.parts.browser import PageWatch
from tests.parts.processes import until

pytestmark = [pytest.mark.requires("redis", "chromium")]

CANARIES = ("canary-zhang-san", "13800138000", "310101199001011234", "canary@example.com", "6222020200112233445")
FORM = """<!doctype html><html lang=en><title>Shop</title><link rel=icon href=data:,>
<script src="{host}/zhiyin.js" data-write-key="{key}" {more} defer></script>
<form id=form novalidate>
<label>Name <input name=name required></label>
<label>Phone <input name=phone type=tel pattern="[0-9]{{11}}"></label>
<label>ID <input name=id_number maxlength=18></label>
<label>Mail <input name=mail type=email></label>
<label>Card <input name=card inputmode=numeric></label>
<label>Secret <input name=secret type=password></label>
<label>Note <textarea name=note></textarea></label>
<label>City <select name=city><option>A<option value="canary-zhang-san">B</select></label>
<button id=next>Next</button></form>
<button id=dead type=button>Nothing happens</button>
<button id=alive type=button>Something</button><p id=out></p>
<script src=/page.js></script></html>"""
PAGE_JS = """
document.getElementById("form").addEventListener("submit", (event) => {
  event.preventDefault();
  event.target.checkValidity();
});
document.getElementById("alive").addEventListener("click", () => (document.getElementById("out").textContent += "!"));
"""


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Shop:
    """Another site with the script on its page: its address, what it told the gateway."""

    def __init__(self, address: str, folder: Path, gateway: RunningGateway) -> None:
        self.address = address
        self.gateway = gateway
        self._folder = folder
        (folder / "page.js").write_text(PAGE_JS, "utf-8")
        self.write()

    def write(self, more: str = "", host: str | None = None) -> None:
        """The page anew; ``more``: attributes of the script's tag."""
        text = FORM.format(host=host or self.gateway.addresses.http, key=WRITE_KEY, more=more)
        for name in ("index.html", "other.html"):
            (self._folder / name).write_text(text, "utf-8")

    def events(self) -> list[dict[str, Any]]:
        """What the collector took, once an id, in order."""
        found: dict[str, dict[str, Any]] = {}
        for entry in self.gateway.bus():
            event = msgspec.json.decode(entry.raw)
            found.setdefault(event["messageId"], event)
        return list(found.values())

    def names(self) -> list[str]:
        """Of the tracked events."""
        return [event["event"] for event in self.events() if event["type"] == "track"]

    def until(self, *names: str) -> None:
        """Wait until all ``names`` have come."""
        until(lambda: set(names) <= set(self.names()))

    def named(self, name: str) -> list[dict[str, Any]]:
        """Properties of the events of one name."""
        return [event["properties"] for event in self.events() if event.get("event") == name]


@pytest.fixture
def gateway(started: Started, redis_url: str) -> RunningGateway:
    """One that keeps on the bus whatever it is sent, so that it can be looked at."""
    return started(redis_url, keep_properties="all")


@pytest.fixture
def shop(gateway: RunningGateway, tmp_path: Path) -> Iterator[Shop]:
    """Another site: a page with a form, and the script from the gateway."""
    handler = functools.partial(QuietFiles, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Shop(f"http://127.0.0.1:{server.server_port}/", tmp_path, gateway)
        server.shutdown()
        thread.join()


def kept(page: Page) -> list[str]:
    """The names of all that the page has stored."""
    names: list[str] = page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)].sort()")
    return names


def agree(page: Page, *deeds: str) -> None:
    """Consent, say who it is, start a loan, and do ``deeds``."""
    start = (
        "zhiyin.consent(true); zhiyin.identify('lin'); zhiyin.start('policy_loan', 't-1'); zhiyin.step('bank_card');"
    )
    page.evaluate(f"{{ {start} {' '.join(deeds)} }}")


def test_one_small_file_that_any_origin_may_load_and_keep(gateway: RunningGateway) -> None:
    answer = gateway.http.get("/zhiyin.js")
    assert (answer.status_code, answer.content) == (200, FILE.read_bytes())
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=3600, stale-while-revalidate=86400"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    again = gateway.http.get("/zhiyin.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = gateway.http.get("/zhiyin.js", headers={"Accept-Encoding": "identity"})
    assert (plain.headers.get("content-encoding"), plain.content) == (None, FILE.read_bytes())
    assert len(gzip.compress(FILE.read_bytes(), 9)) < 8 * 1024
    assert "import" not in FILE.read_text("utf-8").split()


def test_the_demo_page_is_served_only_where_it_was_asked_for(gateway: RunningGateway) -> None:
    assert gateway.http.get("/demo").status_code == 404
    assert gateway.http.get("/demo.json").status_code == 404


def test_nothing_is_sent_or_stored_before_consent(shop: Shop, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(shop.address)
    page.evaluate("zhiyin.identify('lin'); zhiyin.start('policy_loan'); zhiyin.step('bank_card'); zhiyin.track('Seen')")
    page.get_by_label("Name").fill(CANARIES[0])
    page.locator("#dead").click()
    page.evaluate("zhiyin.flush()")
    page.goto("about:blank")
    page.goto(shop.address)
    assert kept(page) == []
    assert not [url for url in asked if "/v1/" in url]
    page.evaluate("zhiyin.consent(true)")
    until(lambda: [event["type"] for event in shop.events()] == ["page"])


def test_steps_tell_a_transaction_and_end_with_it(shop: Shop, page: Page) -> None:
    page.goto(shop.address)
    agree(page, "zhiyin.fail('card_unknown'); zhiyin.stepCompleted(); zhiyin.step('face_check'); zhiyin.complete();")
    page.evaluate("zhiyin.step('after the end'); zhiyin.fail('nothing')")
    shop.until("Transaction Completed")
    loan = {"journey": "policy_loan", "transaction_id": "t-1"}
    tracked = [(each["event"], each["properties"]) for each in shop.events() if each["type"] == "track"]
    assert tracked == [
        ("Transaction Started", loan),
        ("Transaction Step Viewed", {**loan, "step": "bank_card"}),
        ("Transaction Step Failed", {**loan, "step": "bank_card", "error_code": "card_unknown"}),
        ("Transaction Step Completed", {**loan, "step": "bank_card"}),
        ("Transaction Step Viewed", {**loan, "step": "face_check"}),
        ("Transaction Completed", {**loan, "step": "face_check"}),
    ]
    assert {event["userId"] for event in shop.events() if event["type"] == "track"} == {"lin"}
    [view] = [event for event in shop.events() if event["type"] == "page"]
    assert view["properties"] == {"path": "/", "referrer": ""}
    assert view["context"]["library"] == {"name": "zhiyin.js", "version": "1"}


def test_what_is_typed_in_reaches_no_request_and_no_storage(shop: Shop, page: Page) -> None:
    bodies: list[str] = []
    page.on("request", lambda request: bodies.append(request.url + (request.post_data or "")))
    page.goto(f"{shop.address}other.html?name={CANARIES[0]}#{CANARIES[1]}")
    agree(page)
    for label, text in zip(("Name", "Phone", "ID", "Mail", "Card"), CANARIES, strict=True):
        page.get_by_label(label).fill(text)
        page.get_by_label(label).press_sequentially(text[:3])
    page.get_by_label("Secret").fill(CANARIES[0])
    page.get_by_label("Note").fill(CANARIES[0])
    page.get_by_label("City").select_option("B")
    page.locator("#next").click()
    page.evaluate("document.title = 'Dear canary-zhang-san'; zhiyin.page()")
    shop.until("Field Error", "Element Clicked")
    page.evaluate("zhiyin.track('Last')")
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    page.goto("about:blank")
    shop.until("Last")
    sent = "".join(body for body in bodies if "/v1/" in body)
    assert '"field":"phone","code":"pattern_mismatch"' in sent
    for canary in CANARIES:
        assert canary not in sent + stored, canary


def test_signs_of_struggle_are_told_by_name_count_and_time(shop: Shop, page: Page) -> None:
    page.goto(shop.address)
    agree(page)
    page.locator("#alive").click()
    page.locator("#next").click()
    page.locator("#dead").click(click_count=3, delay=20)
    shop.until("Dead Click", "Field Error")
    place = {"journey": "policy_loan", "transaction_id": "t-1", "step": "bank_card"}
    assert shop.named("Field Error") == [{**place, "field": "name", "code": "value_missing"}]
    assert [each["target"] for each in shop.named("Dead Click")] == ["dead"]
    clicked = shop.named("Element Clicked")
    assert [each["target"] for each in clicked] == ["alive", "next", "dead", "dead", "dead"]
    assert {each["control"] for each in clicked} == {"button"}
    assert all(isinstance(each["x"], int) and isinstance(each["y"], int) for each in clicked)


def test_hesitating_at_a_field_and_going_round_in_circles(shop: Shop, page: Page) -> None:
    page.clock.install()
    page.goto(shop.address)
    agree(page)
    page.get_by_label("Card").focus()
    page.clock.run_for(12_000)
    page.get_by_label("Card").press_sequentially("12")
    page.get_by_label("Card").press("Backspace")
    page.get_by_label("Name").focus()
    for _ in range(3):
        page.evaluate("zhiyin.page()")
    page.clock.run_for(1_500)
    shop.until("Field Hesitated", "Page Loop")
    [hesitated] = shop.named("Field Hesitated")
    assert 12_000 <= hesitated.pop("hesitation_ms") < 14_000
    place = {"journey": "policy_loan", "transaction_id": "t-1", "step": "bank_card"}
    counts = {"changes": 3, "deletes": 1, "refocus": 0, "left_blank": False}
    assert hesitated == {**place, "field": "card", **counts}
    assert shop.named("Page Loop") == [{**place, "target": "/"}]


@pytest.mark.slow
def test_withdrawn_consent_takes_everything_along_in_every_tab(shop: Shop, page: Page) -> None:
    page.goto(shop.address)
    other = page.context.new_page()
    other.goto(shop.address)
    agree(page)
    other.wait_for_function("zhiyin.isAllowed()")
    shop.until("Transaction Step Viewed")
    page.evaluate("zhiyin.track('Never'); zhiyin.consent(false); zhiyin.track('Never')")
    other.wait_for_function("!zhiyin.isAllowed()")
    assert (kept(page), kept(other)) == ([], [])
    page.goto("about:blank")
    other.goto("about:blank")
    assert "Never" not in shop.names()


@pytest.mark.slow
def test_where_consent_is_given_elsewhere_a_refusal_is_all_that_stays(shop: Shop, page: Page) -> None:
    shop.write('data-consent="granted" data-pages="manual"')
    page.goto(shop.address)
    page.evaluate("zhiyin.track('Seen')")
    shop.until("Seen")
    page.evaluate("zhiyin.consent(false)")
    page.reload()
    page.evaluate("zhiyin.track('Never')")
    assert kept(page) == ["zhiyin.consent"]
    assert shop.names() == ["Seen"]


@pytest.mark.slow
def test_what_cannot_be_sent_waits_through_a_reload_and_arrives_once(
    shop: Shop, page: Page, page_watch: PageWatch
) -> None:
    page_watch.tolerated.append("net::ERR_")
    page.goto(shop.address)
    agree(page)
    shop.until("Transaction Step Viewed")
    page.context.set_offline(True)
    page.evaluate("for (let n = 0; n < 700; n += 1) zhiyin.track(`Offline ${n}`)")
    page.evaluate("zhiyin.flush()")
    waiting = "Object.entries(localStorage).filter(([key]) => key.startsWith('zhiyin.queue.'))"
    count = f"{waiting}.flatMap(([, text]) => JSON.parse(text).entries).length"
    assert page.evaluate(count) == 500
    page.context.set_offline(False)
    page.reload()
    until(lambda: shop.names().count("Offline 699") == 1, 30)
    until(lambda: page.evaluate(count) == 0, 30)
    assert [name for name in shop.names() if name.startswith("Offline")] == [f"Offline {n}" for n in range(200, 700)]


@pytest.mark.slow
def test_a_collector_that_is_away_is_tried_again(
    shop: Shop, page: Page, page_watch: PageWatch, started: Started, redis_url: str
) -> None:
    page_watch.tolerated.append("net::ERR_")
    own = started(redis_url)
    port = int(own.addresses.http.rpartition(":")[2])
    shop.write(host=own.addresses.http)
    page.goto(shop.address)
    agree(page)
    shop.until("Transaction Step Viewed")
    own.stop()
    page.evaluate("zhiyin.track('While Away'); zhiyin.flush()")
    started(redis_url, http_port=port)
    shop.until("While Away")


@pytest.mark.slow
def test_what_waits_goes_with_the_page_by_beacon_and_by_fetch_where_there_is_none(shop: Shop, page: Page) -> None:
    page.goto(shop.address)
    agree(page, "zhiyin.track('By Beacon');")
    page.goto("about:blank")
    shop.until("By Beacon", "Page Hidden")
    page.goto(shop.address)
    page.evaluate("navigator.sendBeacon = () => false; zhiyin.track('By Fetch')")
    page.goto("about:blank")
    shop.until("By Fetch")


@pytest.mark.slow
def test_a_transaction_goes_on_from_page_to_page(shop: Shop, page: Page) -> None:
    page.goto(shop.address)
    agree(page)
    with page.expect_navigation():
        page.evaluate("location.assign('/other.html?policy=12345678')")
    with page.expect_navigation():
        page.evaluate("location.assign('/')")
    page.evaluate("zhiyin.fail('card_unknown')")
    shop.until("Transaction Step Failed")
    assert shop.named("Transaction Step Failed")[0]["transaction_id"] == "t-1"
    views = [event["properties"] for event in shop.events() if event["type"] == "page"]
    assert [view["path"] for view in views] == ["/", "/other.html", "/"]
    assert [view["referrer"] for view in views] == ["", shop.address, f"{shop.address}other.html"]
