import json
import time

import httpx
import pytest

from gateway.auth.tokens import AGENT, issue_token
from gateway.ingest.collector import wall_clock_ms
from operators.hints.hint import Hint
from operators.records.catalogue import Words
from state.hints.writer import RedisHintWriter
from state.redis.connections import connect
from tests.gateway.fixtures import Started
from tests.gateway.running import SECRET, RunningGateway, agent, chatbot
from tests.parts.redis_server import RedisServer
from tests.state.houses import make_hint

LOOK_UP = "/v1/customers/anna/next-hints"


def hint_now(name: str = "h1", **changes: object) -> Hint:
    now_ms = wall_clock_ms()
    times = {"created_at_ms": now_ms, "expires_at_ms": now_ms + 60_000, "speak_after_ms": now_ms}
    text = Words(zh="换一种方式刷脸", en="Try the face check another way")
    return make_hint(name, **{"text": text, **times, **changes})


def tell(gateway: RunningGateway, hint: Hint, desk_id: str = "desk-1") -> None:
    with connect(gateway.settings.redis_url or "") as client:
        assert RedisHintWriter(client, wall_clock_ms).place(hint, desk_id)


def test_a_bot_looks_up_the_next_hints(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, hint_now("low", priority=10))
    tell(gateway, hint_now("high", priority=90))
    tell(gateway, hint_now("desk-only", surfaces=("desk",)))
    answer = api.get(LOOK_UP, headers=chatbot())
    assert answer.status_code == 200
    assert (answer.headers["content-language"], answer.headers["cache-control"]) == ("zh-CN", "no-store")
    document = answer.json()
    assert (document["customer_id"], document["surface"]) == ("anna", "chatbot")
    assert [(hint["hint_id"], hint["state"]) for hint in document["hints"]] == [("high", "created"), ("low", "created")]
    assert document["hints"][0]["say"] == "换一种方式刷脸"


def test_the_wording_follows_the_language_asked_for(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, hint_now())
    answer = api.get(LOOK_UP, headers=chatbot() | {"Accept-Language": "en-GB, zh;q=0.5"})
    (hint,) = answer.json()["hints"]
    assert (answer.headers["content-language"], answer.headers["vary"].split(",")[0]) == ("en", "Accept-Language")
    assert hint["say"] == "Try the face check another way"
    assert hint["text"]["zh"] == "换一种方式刷脸"


def test_an_agent_may_look_up_what_the_desk_would_say(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, hint_now("h1", surfaces=("desk",)))
    answer = api.get(LOOK_UP, params={"surface": "desk"}, headers=agent())
    assert [hint["hint_id"] for hint in answer.json()["hints"]] == ["h1"]


@pytest.mark.parametrize("customer_id", ["a/b", "客户 1", "50%", "..", "a?b#c"])
def test_any_customer_id_can_be_asked_for(gateway: RunningGateway, api: httpx.Client, customer_id: str) -> None:
    tell(gateway, hint_now(customer_id=customer_id))
    path = "".join(f"%{byte:02X}" for byte in customer_id.encode())
    document = api.get(f"/v1/customers/{path}/next-hints", headers=chatbot()).json()
    assert (document["customer_id"], len(document["hints"])) == (customer_id, 1)


def test_a_customer_nobody_knows_has_no_hints(api: httpx.Client) -> None:
    assert api.get(LOOK_UP, headers=chatbot()).json()["hints"] == []


def test_a_look_up_that_asks_for_too_much(api: httpx.Client) -> None:
    answer = api.get(f"/v1/customers/{'c' * 257}/next-hints", params={"surface": "tv"}, headers=chatbot())
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"path": "customer_id", "found": "257 characters", "expected": "1 to 256 characters"},
        {"path": "surface", "found": "'tv'", "expected": "desk or chatbot"},
    ]


def test_a_desk_reads_its_own_hints_and_where_to_go_on(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, hint_now("mine"))
    tell(gateway, hint_now("theirs", customer_id="bert"), desk_id="desk-2")
    document = api.get("/v1/hints", headers=agent()).json()
    assert [hint["hint_id"] for hint in document["hints"]] == ["mine"]
    assert document["offset"] == 1
    assert document["epoch"]
    assert document["hints"][0]["say"] == "换一种方式刷脸"


@pytest.mark.parametrize(
    ("path", "headers", "status", "found"),
    [
        (LOOK_UP, {}, 401, "none"),
        (LOOK_UP, {"Authorization": "Basic abc"}, 401, "the scheme 'Basic'"),
        (LOOK_UP, {"Authorization": "Bearer abc"}, 401, "token: not a JSON Web Token of ours"),
        (
            LOOK_UP,
            {"Authorization": f"Bearer {issue_token('x' * 32, 'd', AGENT, 60, 9_999_999_999)}"},
            401,
            "signature",
        ),
        (LOOK_UP, {"Authorization": f"Bearer {issue_token(SECRET, 'd', AGENT, 60, 1_000)}"}, 401, "token expired"),
        (LOOK_UP, {"Authorization": f"Bearer {issue_token(SECRET, 'd', 'admin', 60, 9_999_999_999)}"}, 403, "'admin'"),
        ("/v1/hints", chatbot(), 403, "a token with role 'chatbot'"),
    ],
)
def test_who_may_not_ask(api: httpx.Client, path: str, headers: dict[str, str], status: int, found: str) -> None:
    answer = api.get(path, headers=headers)
    assert answer.status_code == status
    assert found in answer.json()["errors"][0]["found"]
    assert ("www-authenticate" in answer.headers) == (status == 401)


def report(api: httpx.Client, hint_id: str, headers: dict[str, str], **body: object) -> httpx.Response:
    return api.post(f"/v1/hints/{hint_id}/states", json=body, headers=headers)


def test_a_report_changes_the_state_and_tells_the_engine(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, hint_now())
    answer = report(api, "h1", agent(), state="used", helpful=True)
    assert (answer.status_code, answer.json()) == (200, {"hint_id": "h1", "state": "used", "changed": True})
    again = report(api, "h1", agent(), state="used", helpful=True)
    assert again.json() == {"hint_id": "h1", "state": "used", "changed": False}
    assert api.get(LOOK_UP, headers=chatbot()).json()["hints"] == []
    events = [json.loads(entry.raw) for entry in gateway.bus()]
    assert {event["messageId"] for event in events} == {events[0]["messageId"]}
    assert (events[0]["event"], events[0]["userId"]) == ("Hint Used", "anna")
    assert events[0]["properties"]["hint_id"] == "h1"
    assert events[0]["properties"]["helpful"] is True


def test_reports_that_change_nothing(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, hint_now())
    unknown = report(api, "nobody", agent(), state="used")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:zhiyin:problem:not_found")
    report(api, "h1", agent(), state="dismissed")
    over = report(api, "h1", agent(), state="used")
    assert (over.status_code, over.json()["type"]) == (409, "urn:zhiyin:problem:conflict")
    assert over.json()["errors"][0]["found"] == "a hint that is dismissed"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "$: found '', expected one JSON object in UTF-8"),
        (b"[]", "$: found array, expected object"),
        (b'{"state":"eaten"}', "$.state: found 'eaten', expected shown, used or dismissed"),
        (b'{"state":"used","helpful":1}', "$.helpful: found int, expected bool | null"),
        (b'{"state":"used","stat":1}', "$: found a field stat, expected no field of that name"),
        (b"{}", "$: found no field state, expected a field state"),
        (b"[" * 4_000, "$: found"),
    ],
)
def test_a_report_that_cannot_be_read(api: httpx.Client, body: bytes, text: str) -> None:
    answer = api.post("/v1/hints/h1/states", content=body, headers=agent())
    assert answer.status_code == 400
    assert text in answer.json()["detail"]


def test_a_report_with_the_same_key_is_answered_once(gateway: RunningGateway, api: httpx.Client) -> None:
    tell(gateway, hint_now())
    headers = agent() | {"Idempotency-Key": "k-1"}
    answers = [report(api, "h1", headers, state="used").json() for _ in range(2)]
    assert answers == [{"hint_id": "h1", "state": "used", "changed": True}] * 2
    assert len(gateway.bus()) == 1
    other = report(api, "h1", headers, state="dismissed")
    assert (other.status_code, other.json()["type"]) == (422, "urn:zhiyin:problem:key_reused")
    long = report(api, "h1", agent() | {"Idempotency-Key": "k" * 256}, state="used")
    assert long.json()["detail"] == "Idempotency-Key: found 256 characters, expected 1 to 255 characters"


def test_the_api_says_that_redis_is_away_and_comes_back(started: Started, redis_server: RedisServer) -> None:
    gateway = started(redis_server.url)
    redis_server.stop()
    with httpx.Client(base_url=gateway.addresses.http, timeout=120) as api:
        for answer in (
            api.get(LOOK_UP, headers=chatbot()),
            api.get("/v1/hints", headers=agent()),
            report(api, "h1", agent() | {"Idempotency-Key": "k"}, state="used"),
        ):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert answer.json()["type"] == "urn:zhiyin:problem:store_unavailable"
            assert answer.json()["detail"] == "the store does not answer now: ask again later"
        assert api.get("/live").json() == {"status": "live"}
        unready = api.get("/ready")
        assert unready.status_code == 503
        assert unready.json()["dependencies"]["redis"]["ok"] is False
        redis_server.start()
        tell(gateway, hint_now())
        assert report(api, "h1", agent() | {"Idempotency-Key": "k"}, state="used").status_code == 200
        assert api.get("/ready").json()["status"] == "ready"


def test_redis_that_hangs_is_not_ready(started: Started, redis_server: RedisServer) -> None:
    gateway = started(redis_server.url)
    with connect(redis_server.url) as client:
        client.execute_command("CLIENT", "PAUSE", 6_000, "ALL")
    begun = time.monotonic()
    answer = gateway.http.get("/ready")
    assert time.monotonic() - begun < 5.0, "it waited for Redis"
    assert answer.status_code == 503
    assert answer.json()["dependencies"]["redis"] == {"ok": False, "error": "no answer within 1 s"}


def test_reports_are_counted(started: Started, redis_url: str) -> None:
    gateway = started(redis_url)
    tell(gateway, hint_now())
    with httpx.Client(base_url=gateway.addresses.http) as api:
        for _ in range(2):
            report(api, "h1", agent(), state="used")
    assert gateway.metric("zhiyin_hint_feedback_total") == {
        'changed="yes",state="used"': 1.0,
        'changed="no",state="used"': 1.0,
    }
