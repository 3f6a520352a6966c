import base64
import contextlib
import gzip
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.http import request_body
from gateway.ingest.batches import BATCH_BYTES
from gateway.ingest.collector import SINGLE_TYPES
from gateway.ingest.event_validation import EVENT_BYTES
from state.redis import keys
from tests.gateway.events_made import event_json, json_values, mutated_events
from tests.gateway.fixtures import Started
from tests.gateway.running import WRITE_KEY, RunningGateway
from tests.parts.pace import slowness_since
from tests.parts.processes import until
from tests.parts.redis_server import RedisServer

ALL_TAKEN = {"success": True, "accepted": 1, "rejected": []}


def batch_json(*events: bytes, **more: object) -> bytes:
    rest = json.dumps(more).encode()[1:]
    return b'{"batch":[' + b",".join(events) + b"]" + (b"}" if rest == b"}" else b"," + rest)


@pytest.mark.parametrize("kind", SINGLE_TYPES)
def test_each_endpoint_takes_its_event(gateway: RunningGateway, kind: str) -> None:
    answer = gateway.http.post(f"/v1/{kind}", json={"userId": "c-1", "event": "Policy Viewed", "messageId": "m"})
    assert (answer.status_code, answer.json()) == (200, ALL_TAKEN)
    (entry,) = gateway.bus()
    assert entry.customer_id == "c-1"
    assert json.loads(entry.raw).get("type", "track") == kind


def test_where_all_is_kept_the_bytes_on_the_bus_are_those_that_came(started: Started, redis_url: str) -> None:
    gateway = started(redis_url, keep_properties="all")
    raw = '{ "type":"track","event":"Policy Viewed", "messageId":"m","userId":"客户-1","amount":1.50}'.encode()
    before_ms = time.time_ns() // 1_000_000
    assert gateway.http.post("/v1/track", content=b"  " + raw + b"\n").status_code == 200
    (entry,) = gateway.bus()
    assert (entry.customer_id, entry.raw) == ("客户-1", raw)
    assert before_ms <= entry.time_ms <= time.time_ns() // 1_000_000


def test_a_batch_is_answered_event_by_event(gateway: RunningGateway) -> None:
    big = event_json(messageId="big", pad="x" * EVENT_BYTES)
    raws = [event_json(messageId="a"), event_json(messageId="bad", userId=7), big, b"tru", event_json(messageId="z")]
    answer = gateway.http.post("/v1/batch", content=batch_json(*raws))
    assert answer.status_code == 200
    document = answer.json()
    assert (document["success"], document["accepted"]) == (False, 2)
    assert document["rejected"][0] == {
        "index": 1,
        "messageId": "bad",
        "status": 400,
        "kind": "wrong_type",
        "path": "$.userId",
        "found": "int",
        "expected": "str | null",
    }
    assert [(each["index"], each["status"], each["kind"]) for each in document["rejected"]] == [
        (1, 400, "wrong_type"),
        (2, 413, "too_big"),
        (3, 400, "not_json"),
    ]
    assert {json.loads(entry.raw)["messageId"] for entry in gateway.bus()} == {"a", "z"}


def test_what_the_batch_says_holds_for_its_events(gateway: RunningGateway) -> None:
    event = event_json(timestamp="2020-01-01T00:00:00Z")
    content = batch_json(event, sentAt="2020-01-01T00:00:10Z", context={"channel": "server"})
    now_ms = time.time_ns() // 1_000_000
    assert gateway.http.post("/v1/batch", content=content).json() == ALL_TAKEN
    (entry,) = gateway.bus()
    assert abs(entry.time_ms - (now_ms - 10_000)) < 5_000
    assert json.loads(entry.raw)["context"] == {"channel": "server"}


@pytest.mark.parametrize(
    ("endpoint", "content", "status", "detail"),
    [
        ("track", b"not json", 400, "$: found 'not json', expected one JSON object in UTF-8"),
        ("track", b"", 400, "$: found '', expected one JSON object in UTF-8"),
        ("track", event_json(pad="x" * 40_000), 413, "expected at most 32768 bytes an event"),
        ("track", event_json(timestamp="1970-01-01T00:00:00Z"), 400, "$.timestamp: found 1970-01-01T00:00:00+00:00"),
        ("track", event_json(timestamp="2099-01-01T00:00:00Z"), 400, "$.timestamp: found 2099-01-01T00:00:00+00:00"),
        ("track", event_json(pad="\ud83d"), 400, "\\ud83d alone at byte"),
        ("track", event_json()[:-1] + b',"pad":"\xc3"}', 400, "expected UTF-8"),
        ("identify", event_json(), 400, "$.type: found 'track', expected 'identify'"),
        ("batch", b'{"batch":[]}', 400, "$.batch: found no event, expected 1 to 2500 events"),
        (
            "batch",
            b'{"batch":[' + b"1," * 2_500 + b"1]}",
            413,
            "found 2501 events, expected at most 2500 events a batch",
        ),
        ("batch", b'{"batch":[1,2]}', 400, "none of 2 events was taken; the first: $: found int, expected object"),
        ("batch", batch_json(*[event_json(pad="x" * 40_000)] * 2), 413, "none of 2 events was taken"),
        ("batch", batch_json(*[event_json(pad="x" * 20_000)] * 30), 413, "at most 512000 bytes a request"),
        ("track", b"x" * 600_000, 413, "the request has 600000 bytes, at most 512000 bytes a request are taken"),
    ],
)
def test_what_is_refused_is_a_problem_that_says_why(
    gateway: RunningGateway, endpoint: str, content: bytes, status: int, detail: str
) -> None:
    answer = gateway.http.post(f"/v1/{endpoint}", content=content)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert detail in problem["detail"]
    assert problem["status"] == status
    assert {"path", "found", "expected"} <= problem["errors"][0].keys()
    assert gateway.bus() == []


def test_nothing_accepted_says_so_event_by_event(gateway: RunningGateway) -> None:
    problem = gateway.http.post("/v1/batch", content=batch_json(event_json(userId=7), b"1")).json()
    assert (problem["success"], problem["accepted"]) == (False, 0)
    assert [each["index"] for each in problem["rejected"]] == [0, 1]
    assert problem["errors"] == problem["rejected"]


def test_the_key_may_stand_in_the_body(gateway: RunningGateway) -> None:
    url = gateway.addresses.http
    assert httpx.post(f"{url}/v1/track", content=event_json(writeKey=WRITE_KEY)).json() == ALL_TAKEN
    assert httpx.post(f"{url}/v1/batch", content=batch_json(event_json(), writeKey=WRITE_KEY)).json() == ALL_TAKEN


@pytest.mark.parametrize("endpoint", ["track", "batch"])
@pytest.mark.parametrize("key", [None, "another"])
def test_without_a_key_nothing_is_taken(gateway: RunningGateway, endpoint: str, key: str | None) -> None:
    body = batch_json(event_json(), writeKey=key) if endpoint == "batch" else event_json(writeKey=key)
    answer = httpx.post(f"{gateway.addresses.http}/v1/{endpoint}", content=body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert answer.json()["errors"][0]["expected"].startswith("a write key as the user name of Basic auth")
    assert gateway.bus() == []


def test_a_wrong_key_in_the_header_is_not_saved_by_the_body(gateway: RunningGateway) -> None:
    content = event_json(writeKey=WRITE_KEY)
    answer = httpx.post(f"{gateway.addresses.http}/v1/track", content=content, auth=("another", ""))
    assert answer.status_code == 401


def test_a_key_is_asked_for_before_what_is_wrong_with_a_batch(gateway: RunningGateway) -> None:
    url = f"{gateway.addresses.http}/v1/batch"
    assert httpx.post(url, content=b'{"batch":[]}').status_code == 401
    assert httpx.post(url, content=b'{"batch":[],"writeKey":"tests-write-key"}').status_code == 400


def test_a_beacon_is_answered_with_nothing(gateway: RunningGateway) -> None:
    headers = {"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://shop.example"}
    content = batch_json(event_json(messageId="a"), event_json(messageId="b"), writeKey=WRITE_KEY)
    answer = httpx.post(f"{gateway.addresses.http}/v1/batch", content=content, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert len(gateway.bus()) == 2
    partly = batch_json(event_json(), b"1", writeKey=WRITE_KEY)
    assert httpx.post(f"{gateway.addresses.http}/v1/batch", content=partly, headers=headers).status_code == 200


def test_gzip_bodies(gateway: RunningGateway) -> None:
    headers = {"Content-Encoding": "gzip"}
    packed = gzip.compress(batch_json(event_json()))
    assert gateway.http.post("/v1/batch", content=packed, headers=headers).json() == ALL_TAKEN
    bomb = gzip.compress(b"\0" * 200_000_000)
    assert len(bomb) < BATCH_BYTES
    answer = gateway.http.post("/v1/batch", content=bomb, headers=headers)
    assert answer.status_code == 413
    assert "more than 512000 bytes after unpacking" in answer.json()["detail"]


def test_other_encodings_are_named(gateway: RunningGateway) -> None:
    answer = gateway.http.post("/v1/track", content=event_json(), headers={"Content-Encoding": "br"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")
    assert answer.json()["errors"] == [{"path": "Content-Encoding", "found": "br", "expected": "gzip or none"}]


def test_a_sender_that_goes_away_harms_nobody(started: Started, redis_url: str) -> None:
    gateway = started(redis_url)
    host, port = gateway.addresses.http.removeprefix("http://").split(":")
    key = base64.b64encode(f"{WRITE_KEY}:".encode())
    with socket.create_connection((host, int(port))) as connection:
        head = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %b\r\nContent-Length: 100\r\n\r\n{" % key
        connection.sendall(head)
    assert gateway.http.post("/v1/track", content=event_json()).json() == ALL_TAKEN
    until(lambda: gateway.metric("zhiyin_events_rejected_total"))
    assert gateway.metric("zhiyin_events_rejected_total") == {'kind="interrupted"': 1.0}


def test_a_body_that_takes_too_long(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_S", 0.2)
    host, port = gateway.addresses.http.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        connection.sendall(b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        answer = b"".join(iter(lambda: connection.recv(4_000), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:zhiyin:problem:too_slow" in answer


def test_a_body_without_end_is_not_read_to_its_end(gateway: RunningGateway) -> None:
    sent_bytes = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent_bytes
        while sent_bytes < 200_000_000:
            sent_bytes += 100_000
            yield b"x" * 100_000

    with contextlib.suppress(httpx.TransportError):  # the connection may be closed before the answer is seen
        assert gateway.http.post("/v1/track", content=endless()).status_code == 413
    assert sent_bytes < 50_000_000
    assert gateway.http.post("/v1/track", content=event_json()).json() == ALL_TAKEN


def test_preflight_of_a_page_elsewhere(gateway: RunningGateway) -> None:
    headers = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    answer = gateway.http.options("/v1/batch", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_only_the_origins_that_are_allowed(started: Started, redis_url: str) -> None:
    running = started(redis_url, allowed_origins=("https://shop.example",))
    preflight = {"Access-Control-Request-Method": "POST"}
    ours = running.http.options("/v1/track", headers={"Origin": "https://shop.example", **preflight})
    theirs = running.http.options("/v1/track", headers={"Origin": "https://evil.example", **preflight})
    posted = running.http.post("/v1/track", content=event_json(), headers={"Origin": "https://evil.example"})
    assert ours.headers["access-control-allow-origin"] == "https://shop.example"
    assert theirs.status_code == 400
    assert "access-control-allow-origin" not in theirs.headers
    assert "access-control-allow-origin" not in posted.headers


def test_a_full_bus_is_a_503_with_a_time_to_come_back(started: Started, redis_url: str) -> None:
    running = started(redis_url, bus_partitions=1, bus_max_events=100)
    taken = running.http.post("/v1/batch", content=batch_json(*[event_json()] * 99))
    full = running.http.post("/v1/batch", content=batch_json(*[event_json()] * 2))
    last = running.http.post("/v1/track", content=event_json())
    kept = len(running.bus())
    refusals = running.metric("zhiyin_bus_refusals_total")
    assert taken.json()["accepted"] == 99
    assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    assert full.json()["type"] == "urn:zhiyin:problem:bus_full"
    assert full.json()["detail"].startswith("the bus is full: nothing of this request was kept")
    assert (last.status_code, kept) == (200, 100)
    assert refusals == {'cause="bus_full"': 1.0}


def test_redis_gone_and_back(started: Started, redis_server: RedisServer) -> None:
    running = started(redis_server.url)
    assert running.http.post("/v1/track", content=event_json(messageId="before")).status_code == 200
    redis_server.kill()
    begun = time.monotonic()
    gone = running.http.post("/v1/track", content=event_json(messageId="lost"))
    assert time.monotonic() - begun < 5 * slowness_since(begun)
    assert (gone.status_code, gone.headers["retry-after"]) == (503, "2")
    assert gone.json()["type"] == "urn:zhiyin:problem:bus_unavailable"
    redis_server.start()
    assert running.http.post("/v1/track", content=event_json(messageId="after")).json() == ALL_TAKEN
    kept = [json.loads(entry.raw)["messageId"] for entry in running.bus()]
    assert kept == ["before", "after"]


def test_redis_that_takes_no_more_is_a_503(started: Started, redis_server: RedisServer) -> None:
    running = started(redis_server.url)
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("maxmemory", "1")
        answer = running.http.post("/v1/track", content=event_json())
        client.config_set("maxmemory", "0")
        assert client.exists(*(keys.BUS.of(number) for number in range(4))) == 0
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:zhiyin:problem:bus_unavailable"
    assert str(redis_server.port) not in answer.text


def test_what_is_counted(started: Started, redis_url: str) -> None:
    gateway = started(redis_url)
    gateway.http.post("/v1/track", content=event_json())
    gateway.http.post("/v1/batch", content=batch_json(event_json(), event_json(userId=7), b"1"))
    gateway.http.post("/v1/batch", content=b'{"batch":[]}')
    assert gateway.metric("zhiyin_events_received_total") == {'endpoint="track"': 1.0, 'endpoint="batch"': 3.0}
    assert gateway.metric("zhiyin_events_accepted_total") == {'endpoint="track"': 1.0, 'endpoint="batch"': 1.0}
    assert gateway.metric("zhiyin_events_rejected_total") == {'kind="wrong_type"': 2.0, 'kind="empty_batch"': 1.0}
    seconds = gateway.metric("zhiyin_http_request_seconds_count")
    assert seconds['endpoint="/v1/batch",status="400"'] == 1.0
    assert gateway.metric("zhiyin_gateway_info") == {'version="1.2.3"': 1.0}


posted_bodies = st.one_of(
    st.binary(max_size=300),
    json_values.map(lambda value: json.dumps(value).encode()),
    mutated_events,
    st.lists(mutated_events, max_size=4).map(lambda raws: batch_json(*raws)),
    st.dictionaries(st.sampled_from(["batch", "context", "sentAt", "writeKey"]), json_values).map(
        lambda value: json.dumps(value).encode()
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*SINGLE_TYPES, "batch"]),
    posted_bodies,
    st.sampled_from([None, "gzip", "identity", "br"]),
    st.sampled_from(["application/json", "text/plain", "", "multipart/form-data"]),
    st.booleans(),
)
def test_whatever_is_posted_gets_a_clear_answer(
    gateway: RunningGateway, endpoint: str, body: bytes, encoding: str | None, content_type: str, packed: bool
) -> None:
    headers = {"Content-Type": content_type, **({} if encoding is None else {"Content-Encoding": encoding})}
    content = gzip.compress(body) if packed else body
    answer = gateway.http.post(f"/v1/{endpoint}", content=content, headers=headers)
    assert answer.status_code in {200, 204, 400, 413, 415}
    if answer.status_code >= 400:
        assert answer.json()["errors"]
        assert answer.json()["detail"]
    elif answer.status_code == 200:
        assert answer.json()["accepted"] >= 1
