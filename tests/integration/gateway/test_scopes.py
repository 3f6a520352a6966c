"""A write key sends what its scope says, and the bus gets what is read: over HTTP, with a real Redis."""

import ast
import json

import httpx
import pytest

from operators.records import events
from operators.records.events import REPORTED, VOCABULARY
from tests.gateway.events_made import event_json
from tests.gateway.fixtures import Started
from tests.gateway.running import RunningGateway
from tests.parts.machine import ROOT

SCOPES = (
    "web;events=Transaction Started|page;journeys=policy_loan;origins=https://shop.example;events_per_s=1",
    "dialler;events=Outreach Ended|Do Not Call Set",
    "shop;journeys=policy_loan",
)


@pytest.fixture
def scoped(started: Started, redis_url: str) -> RunningGateway:
    return started(redis_url, write_keys=("web", "all", "dialler", "shop"), write_key_scopes=SCOPES)


def sent(running: RunningGateway, key: str, *events: bytes, origin: str | None = None) -> httpx.Response:
    body = b'{"batch":[' + b",".join(events) + b'],"writeKey":"' + key.encode() + b'"}'
    headers = {} if origin is None else {"Origin": origin}
    return httpx.post(f"{running.addresses.http}/v1/batch", content=body, headers=headers, timeout=120)


def started_event(journey: str = "policy_loan", name: str = "Transaction Started") -> bytes:
    return event_json(event=name, properties={"journey": journey, "transaction_id": "t"})


def test_what_is_outside_the_scope_is_refused_event_by_event(scoped: RunningGateway) -> None:
    answer = sent(scoped, "web", started_event(), started_event("claim"), started_event(name="Transaction Cancelled"))
    assert answer.json()["accepted"] == 1
    assert [(each["status"], each["kind"], each["path"]) for each in answer.json()["rejected"]] == [
        (403, "not_with_this_key", "$.properties.journey"),
        (403, "not_with_this_key", "$.event"),
    ]
    assert sent(scoped, "web", started_event("claim")).status_code == 403
    assert sent(scoped, "all", started_event("claim")).status_code == 200


def test_a_key_of_one_website_is_no_good_on_another(scoped: RunningGateway) -> None:
    assert sent(scoped, "web", started_event(), origin="https://shop.example").status_code == 200
    foreign = sent(scoped, "web", started_event(), origin="https://evil.example")
    assert foreign.status_code == 403
    assert foreign.json()["errors"][0]["path"] == "Origin"


def test_a_key_has_a_rate_of_its_own(scoped: RunningGateway) -> None:
    answers = [sent(scoped, "web", *[started_event()] * 5).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    refused = sent(scoped, "web", *[started_event()] * 5)
    assert 1 <= int(refused.headers["retry-after"]) <= 5
    assert sent(scoped, "all", *[started_event()] * 50).status_code == 200


def test_what_nobody_reads_does_not_reach_the_bus(scoped: RunningGateway) -> None:
    event = {"type": "track", "event": "Transaction Started", "userId": "c-1", "name": "张三"}
    properties = {"journey": "policy_loan", "phone": "13912345678"}
    assert sent(scoped, "all", json.dumps({**event, "properties": properties}).encode()).status_code == 200
    (entry,) = scoped.bus()
    assert json.loads(entry.raw)["properties"] == {"journey": "policy_loan"}
    assert "name" not in json.loads(entry.raw)


def test_nobody_erases_a_customer_with_a_write_key(scoped: RunningGateway) -> None:
    answer = sent(scoped, "all", event_json(event="Customer Erased"))
    assert answer.status_code == 403
    assert "only 'zhiyin erase' says this" in answer.json()["detail"]
    assert scoped.bus() == []


@pytest.mark.parametrize("key", ["all", "shop"])
def test_what_the_gateway_says_itself_is_not_forged_with_a_key_that_does_not_name_it(
    scoped: RunningGateway, key: str
) -> None:
    names = sorted(REPORTED)
    contact = event_json(event="Contact Started", properties={"journey": "policy_loan", "channel": "phone"})
    answer = sent(scoped, key, *(started_event(name=name) for name in names), contact).json()
    assert answer["accepted"] == 1
    assert [(each["status"], each["kind"], each["found"]) for each in answer["rejected"]] == [
        (403, "not_with_this_key", repr(name)) for name in names
    ]
    assert answer["rejected"][0]["expected"] == (
        "a key with events=Answer Rated in write_key_scopes, or the report of a desk or bot that has a token"
    )
    assert [json.loads(entry.raw)["event"] for entry in scoped.bus()] == ["Contact Started"]


def test_no_type_of_event_is_a_way_round(scoped: RunningGateway) -> None:
    for kind in ("page", "identify", "screen"):
        assert sent(scoped, "all", event_json(type=kind, event="Do Not Call Set")).status_code == 403
    as_page = event_json(type="page", event="Transaction Completed", properties={"journey": "policy_loan"})
    refused = sent(scoped, "web", as_page)
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["found"] == "'Transaction Completed'"
    assert sent(scoped, "web", event_json(type="page", properties={"journey": "policy_loan"})).status_code == 200
    assert len(scoped.bus()) == 1


def test_a_key_that_names_them_may_say_them(scoped: RunningGateway) -> None:
    answer = sent(scoped, "dialler", event_json(event="Outreach Ended"), event_json(event="Outreach Claimed"))
    assert answer.json()["accepted"] == 1
    assert [(each["index"], each["expected"]) for each in answer.json()["rejected"]] == [
        (1, "one of Do Not Call Set, Outreach Ended")
    ]


def test_all_that_the_gateway_says_is_guarded() -> None:
    """Every name of the vocabulary that a module of the gateway takes up, but for the door itself."""
    said = set()
    for path in (ROOT / "gateway").rglob("*.py"):
        if path.name != "event_validation.py":
            said |= _names_taken_up(path.read_text("utf-8"))
    assert said == REPORTED


def _names_taken_up(source: str) -> set[str]:
    taken = [
        getattr(events, alias.name, None)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == "operators.records.events"
        for alias in node.names
    ]
    return {each for each in taken if isinstance(each, str) and each in VOCABULARY}
