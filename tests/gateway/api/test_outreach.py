"""The API of the outreach list over real Redis: pages, claims, outcomes, wishes; and what the engine is told."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gateway.ingest.collector import wall_clock_ms
from gateway.openapi.outreach_schemas import OUTREACH_SCHEMAS
from operators.outreach.call_list_entry import OUTCOMES, CallFirst, NoCall, OutreachEntry, outreach_document
from operators.records.catalogue import QuietHours
from operators.support.timestamps import iso_text
from state.outreach.writer import OutreachWriter
from state.redis.connections import connect
from tests.gateway.fixtures import Started
from tests.gateway.openapi.test_document import check
from tests.gateway.running import RunningGateway, agent, chatbot
from tests.parts.redis_server import RedisServer
from tests.state.outreach_house import make_entry

LEASE_MS = 900_000


def entry_now(name: str = "o1", **changes: object) -> OutreachEntry:
    now_ms = wall_clock_ms()
    times = {"abandoned_at_ms": now_ms - 3_600_000, "listed_at_ms": now_ms, "expires_at_ms": now_ms + 3_600_000}
    return make_entry(name, **{**times, **changes})


def put(gateway: RunningGateway, *entries: OutreachEntry) -> None:
    with connect(gateway.settings.redis_url or "") as client:
        store = OutreachWriter(client, wall_clock_ms)
        assert store.write([CallFirst(each) for each in entries]) == [True] * len(entries)


def take_back(gateway: RunningGateway, entry: OutreachEntry) -> None:
    with connect(gateway.settings.redis_url or "") as client:
        word = NoCall(entry.outreach_id, entry.customer_id, entry.journey, "returned", wall_clock_ms())
        assert OutreachWriter(client, wall_clock_ms).write([word]) == [True]


def told(gateway: RunningGateway) -> list[dict[str, Any]]:
    """The events the engine is told."""
    return [json.loads(entry.raw) for entry in gateway.bus()]


@pytest.fixture
def api(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.addresses.http, timeout=120, headers=agent()) as client:
        yield client


def claim(api: httpx.Client, name: str = "o1", **headers: str) -> httpx.Response:
    return api.post(f"/v1/outreach/{name}/claims", headers=headers)


def end(api: httpx.Client, name: str, outcome: str, **headers: str) -> httpx.Response:
    return api.post(f"/v1/outreach/{name}/outcomes", json={"outcome": outcome}, headers=headers)


def listed(api: httpx.Client, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/v1/outreach", params=query).json()["outreach"]
    return found


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_the_list_is_ranked_with_why_and_what_helps(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, entry_now("low", need=0.2), entry_now("high", need=0.9, journey="claim"))
    answer = api.get("/v1/outreach")
    assert (answer.status_code, answer.headers["content-language"], answer.headers["cache-control"]) == (
        200,
        "zh-CN",
        "no-store",
    )
    first, second = answer.json()["outreach"]
    assert (first["outreach_id"], second["outreach_id"], answer.json()["next_cursor"]) == ("high", "low", None)
    assert first["say"] == "保单贷款"
    assert first["reason"]["evidence"][0]["code"] == "face_mismatch"
    assert (first["claimed_by"], first["mine"], first["claimed_until"], first["quiet_until"]) == (
        None,
        False,
        None,
        None,
    )
    assert [each["outreach_id"] for each in listed(api, journey="claim")] == ["high"]
    assert api.get("/v1/outreach", headers={"Accept-Language": "en"}).json()["outreach"][0]["say"] == "policy loan"


def test_pages_by_cursor(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, *(entry_now(f"o{number}", need=number / 10) for number in range(5)))
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get("/v1/outreach", params={"limit": "2", **({"cursor": cursor} if cursor else {})}).json()
        found += [each["outreach_id"] for each in page["outreach"]]
        cursor = page["next_cursor"]
    assert found == ["o4", "o3", "o2", "o1", "o0"]


def _seen_twice(api: httpx.Client) -> tuple[str, httpx.Response]:
    tag = api.get("/v1/outreach").headers["etag"]
    return tag, api.get("/v1/outreach", headers={"If-None-Match": tag})


def test_who_has_seen_the_list_is_told_when_it_changes(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, entry_now())
    tag, same = _seen_twice(api)
    if same.status_code == 200:  # the minute turned over in between
        tag, same = _seen_twice(api)
    assert (same.status_code, same.content) == (304, b"")
    claim(api)
    assert api.get("/v1/outreach", headers={"If-None-Match": tag}).json()["outreach"][0]["mine"] is True


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"limit": "0"}, "limit: found '0', expected 1 to 100"),
        ({"limit": "101"}, "limit: found '101', expected 1 to 100"),
        ({"limit": "٣"}, "limit: found '٣', expected 1 to 100"),
        ({"cursor": "!"}, "cursor: found '!', expected the next_cursor of a page"),
        ({"cursor": "bm90aGluZw"}, "cursor: found 'bm90aGluZw', expected the next_cursor of a page"),
        ({"journey": "j" * 101}, "journey: found 101 characters, expected at most 100 characters"),
    ],
)
def test_pages_that_cannot_be_asked_for(api: httpx.Client, query: dict[str, str], detail: str) -> None:
    answer = api.get("/v1/outreach", params=query)
    assert kind_of(answer) == (400, "invalid")
    assert answer.json()["detail"] == detail


def test_one_agent_claims_and_the_engine_hears_of_it(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, entry_now())
    before_ms = wall_clock_ms()
    answer = claim(api)
    until = datetime.fromisoformat(answer.json()["claimed_until"])
    assert (answer.status_code, answer.json()["claimed_by"], answer.json()["renewed"]) == (200, "desk-1", False)
    assert until - datetime.fromtimestamp(before_ms / 1000, UTC) < timedelta(milliseconds=LEASE_MS + 10_000)
    assert claim(api).json()["renewed"] is True
    other = claim(api, **agent("desk-2"))
    assert kind_of(other) == (409, "taken")
    assert other.json()["until"] == api.get("/v1/outreach").json()["outreach"][0]["claimed_until"]
    (seen,) = httpx.get(f"{gateway.addresses.http}/v1/outreach", headers=agent("desk-2")).json()["outreach"]
    assert (seen["claimed_by"], seen["mine"]) == ("desk-1", False)
    events = told(gateway)
    assert {event["event"] for event in events} == {"Outreach Claimed"}
    assert events[0]["userId"] == "anna"
    assert events[0]["properties"] == {
        "outreach_id": "o1",
        "journey": "policy_loan",
        "transaction_id": "t-1",
        "agent_id": "desk-1",
    }


def test_of_agents_who_claim_at_once_one_wins(gateway: RunningGateway) -> None:
    put(gateway, entry_now())
    url = f"{gateway.addresses.http}/v1/outreach/o1/claims"
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda number: httpx.post(url, headers=agent(f"desk-{number}"), timeout=120), range(16))
        )
    assert sorted(each.status_code for each in answers) == [200] + [409] * 15


def test_a_claim_given_back_is_anybodys(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, entry_now())
    claim(api)
    path = "/v1/outreach/o1/claims"
    assert kind_of(api.delete(path, headers=agent("desk-2"))) == (409, "taken")
    assert [api.delete(path).status_code for _ in range(2)] == [204, 204]
    assert claim(api, **agent("desk-2")).status_code == 200
    assert [event["event"] for event in told(gateway)][1] == "Outreach Released"


def test_an_outcome_ends_it_and_is_told_once(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, entry_now())
    assert kind_of(end(api, "o1", "reached")) == (409, "unclaimed")
    claim(api)
    assert kind_of(end(api, "o1", "reached", **agent("desk-2"))) == (409, "taken")
    assert end(api, "o1", "reached").json() == {"outreach_id": "o1", "outcome": "reached", "changed": True}
    assert end(api, "o1", "reached").json()["changed"] is False
    assert kind_of(end(api, "o1", "declined")) == (409, "over")
    assert listed(api) == []
    assert kind_of(claim(api)) == (409, "over")
    ended = [event for event in told(gateway) if event["event"] == "Outreach Ended"]
    assert len({event["messageId"] for event in ended}) == 1
    assert ended[0]["properties"] == {
        "outreach_id": "o1",
        "journey": "policy_loan",
        "transaction_id": "t-1",
        "agent_id": "desk-1",
        "outcome": "reached",
    }


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_is_taken(gateway: RunningGateway, api: httpx.Client, outcome: str) -> None:
    put(gateway, entry_now())
    claim(api)
    assert end(api, "o1", outcome).status_code == 200
    put(gateway, entry_now("o2"))
    assert [each["outreach_id"] for each in listed(api)] == ([] if outcome == "do_not_call" else ["o2"])


def test_the_customer_came_back_during_the_call(gateway: RunningGateway, api: httpx.Client) -> None:
    entry = entry_now()
    put(gateway, entry)
    claim(api)
    take_back(gateway, entry)
    assert listed(api) == []
    assert end(api, "o1", "solved").json()["changed"] is True
    put(gateway, other := entry_now("o2"))
    take_back(gateway, other)
    over = claim(api, "o2")
    assert kind_of(over) == (409, "over")
    assert over.json()["errors"][0]["found"] == "an entry that is over (returned)"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "$: found '', expected one JSON object in UTF-8"),
        (b'{"outcome":"bored"}', "$.outcome: found 'bored', expected reached or no_answer or declined"),
        (b'{"outcome":"reached","note":"x"}', "$: found a field note, expected no field of that name"),
        (b"{}", "$: found no field outcome, expected a field outcome"),
    ],
)
def test_an_outcome_that_cannot_be_read(api: httpx.Client, body: bytes, detail: str) -> None:
    answer = api.post("/v1/outreach/o1/outcomes", content=body)
    assert answer.status_code == 400
    assert detail in answer.json()["detail"]


def test_nobody_is_called_in_the_quiet_hours(gateway: RunningGateway, api: httpx.Client) -> None:
    now = datetime.now(UTC)
    night = QuietHours("UTC", f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=2):%H:%M}")
    put(gateway, entry_now(quiet_hours=night))
    answer = claim(api)
    assert kind_of(answer) == (409, "quiet_hours")
    (entry,) = listed(api)
    assert answer.json()["until"] == entry["quiet_until"]
    assert datetime.fromisoformat(entry["quiet_until"]) > now
    assert told(gateway) == []


def test_do_not_call_holds_at_once_and_can_be_lifted(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, entry_now(customer_id="客户/1"))
    path = "/v1/customers/%E5%AE%A2%E6%88%B7%2F1/do-not-call"
    assert api.put(path).json() == {"customer_id": "客户/1", "do_not_call": True, "changed": True}
    assert api.put(path).json()["changed"] is False
    assert listed(api) == []
    assert kind_of(claim(api)) == (409, "over")
    put(gateway, entry_now("o2", customer_id="客户/1"))
    assert listed(api) == []
    assert api.delete(path).json() == {"customer_id": "客户/1", "do_not_call": False, "changed": True}
    put(gateway, entry_now("o3", customer_id="客户/1"))
    assert [each["outreach_id"] for each in listed(api)] == ["o3"]
    names = [event["event"] for event in told(gateway)]
    assert names == ["Do Not Call Set", "Do Not Call Set", "Do Not Call Lifted"]
    long = api.put(f"/v1/customers/{'c' * 257}/do-not-call")
    assert long.json()["detail"] == "customer_id: found 257 characters, expected 1 to 256 characters"


def test_the_same_key_gets_the_same_answer(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, entry_now())
    key = {"Idempotency-Key": "k-1"}
    assert [claim(api, **key).json()["renewed"] for _ in range(2)] == [False, False]
    assert len(told(gateway)) == 1
    assert kind_of(end(api, "o1", "reached", **key)) == (422, "key_reused")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/outreach"),
        ("POST", "/v1/outreach/o1/claims"),
        ("DELETE", "/v1/outreach/o1/claims"),
        ("POST", "/v1/outreach/o1/outcomes"),
        ("PUT", "/v1/customers/anna/do-not-call"),
        ("DELETE", "/v1/customers/anna/do-not-call"),
    ],
)
def test_only_agents_may(gateway: RunningGateway, method: str, path: str) -> None:
    url = f"{gateway.addresses.http}{path}"
    assert httpx.request(method, url).status_code == 401
    assert httpx.request(method, url, headers=chatbot()).status_code == 403


def test_what_is_unknown_is_not_found(api: httpx.Client) -> None:
    for answer in (claim(api, "none"), api.delete("/v1/outreach/none/claims"), end(api, "none", "reached")):
        assert kind_of(answer) == (404, "not_found")


def test_answers_are_as_the_document_says(gateway: RunningGateway, api: httpx.Client) -> None:
    put(gateway, entry_now("o1"), entry_now("o2", customer_id="bert", step_title=None, step=None))
    for answer in (
        api.get("/v1/outreach", params={"limit": "1"}),
        api.get("/v1/outreach", params={"limit": "x"}),
        end(api, "o1", "reached"),
        claim(api),
        claim(api, **agent("desk-2")),
        api.get("/v1/outreach"),
        claim(api, "none"),
        end(api, "o1", "reached"),
        end(api, "o1", "nonsense"),
        api.put("/v1/customers/anna/do-not-call"),
        api.delete("/v1/customers/anna/do-not-call"),
        api.delete("/v1/outreach/o2/claims"),
    ):
        check(answer)
    fields = set(outreach_document(entry_now())) | {"say", "mine", "claimed_by", "claimed_until", "quiet_until"}
    assert fields >= set(OUTREACH_SCHEMAS["OutreachEntry"]["properties"])


def test_claims_and_outcomes_are_counted(started: Started, redis_url: str) -> None:
    gateway = started(redis_url)
    put(gateway, entry_now())
    with httpx.Client(base_url=gateway.addresses.http, headers=agent()) as api:
        claim(api)
        claim(api, **agent("desk-2"))
        for _ in range(2):
            end(api, "o1", "no_answer")
    claims = gateway.metric("zhiyin_outreach_claims_total")
    assert {name: claims[f'result="{name}"'] for name in ("claimed", "taken")} == {"claimed": 1.0, "taken": 1.0}
    assert gateway.metric("zhiyin_outreach_outcomes_total")['outcome="no_answer"'] == 1.0


def test_redis_that_is_away_is_said_so_and_the_list_is_there_afterwards(
    started: Started, redis_server: RedisServer
) -> None:
    gateway = started(redis_server.url)
    redis_server.stop()
    with httpx.Client(base_url=gateway.addresses.http, timeout=120, headers=agent()) as api:
        for answer in (api.get("/v1/outreach"), claim(api), api.put("/v1/customers/anna/do-not-call")):
            assert kind_of(answer) == (503, "store_unavailable")
            assert answer.headers["retry-after"] == "2"
        redis_server.start()
        put(gateway, entry_now())
        assert claim(api).status_code == 200


def test_times_are_text(gateway: RunningGateway, api: httpx.Client) -> None:
    entry = entry_now()
    put(gateway, entry)
    (shown,) = listed(api)
    assert shown["abandoned_at"] == iso_text(entry.abandoned_at_ms)
    assert not [name for name in shown if name.endswith("_ms")]
