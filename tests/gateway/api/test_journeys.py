"""Journeys over HTTP: real maps of simulated customers, pain points, reports, and what is refused."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest

from gateway.ingest.collector import wall_clock_ms
from gateway.openapi.document import openapi_document
from operators.monitoring.journey_map import DAY_MS, HOUR_MS
from state.redis.connections import connect
from tests.gateway.journey_events import mapped, pain_points, simulated_lines, write_points
from tests.gateway.running import RunningGateway, agent, bearer

DOCUMENT = openapi_document()
SUPERVISOR = bearer("anna", "supervisor")


@pytest.fixture
def api(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.addresses.http, timeout=120, headers=SUPERVISOR) as client:
        yield client


@pytest.fixture
def lines(gateway: RunningGateway) -> list[bytes]:
    """Two hours of customers up to now, mapped."""
    found = simulated_lines(wall_clock_ms() - 2 * HOUR_MS, customers=250, hours=2)
    with connect(gateway.settings.redis_url or "") as client:
        mapped(found, client)
    return found


def put_points(gateway: RunningGateway) -> list[str]:
    now_ms = wall_clock_ms()
    points = pain_points(now_ms)
    with connect(gateway.settings.redis_url or "") as client:
        write_points(points, client, now_ms)
    return [point.id for point in points]


def is_as_documented(answer: httpx.Response, schema: str) -> None:
    reference = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    jsonschema.validate(answer.json(), reference)


def begun(lines: list[bytes], journey: str, since_ms: float = 0) -> int:
    """Transactions by brute force: their first event is at or after ``since_ms``."""
    found: dict[str, float] = {}
    for line in lines:
        event: dict[str, Any] = msgspec.json.decode(line)
        properties = event.get("properties", {})
        if properties.get("journey") == journey and "transaction_id" in properties:
            at_ms = msgspec.convert(event["timestamp"], type=datetime).timestamp() * 1000
            found.setdefault(properties["transaction_id"], at_ms)
    return sum(at_ms >= since_ms for at_ms in found.values())


def test_nothing_has_begun_yet(api: httpx.Client) -> None:
    assert api.get("/v1/journeys").json() == {"journeys": []}
    assert api.get("/v1/pain-points").json() == {"pain_points": []}
    answer = api.get("/v1/journeys/claim/map")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:zhiyin:problem:not_found")
    assert "nobody has begun one" in answer.json()["detail"]


def test_a_map_counts_what_happened(api: httpx.Client, lines: list[bytes]) -> None:
    journeys = api.get("/v1/journeys")
    is_as_documented(journeys, "Journeys")
    assert "policy_loan" in [each["journey"] for each in journeys.json()["journeys"]]
    day = api.get("/v1/journeys/policy_loan/map", params={"window": "1d"})
    is_as_documented(day, "JourneyMap")
    document = day.json()
    assert document["totals"]["started"] == begun(lines, "policy_loan") > 10
    assert sum(document["series"]["started"]) == document["totals"]["started"]
    assert len(document["series"]["started"]) == 24
    assert document["satisfaction"]["surveys"] > 5
    dwell = document["steps"][0]["dwell"]
    assert 0 < dwell["p50_s"] <= dwell["p90_s"] <= dwell["p99_s"]
    hour = api.get("/v1/journeys/policy_loan/map").json()
    assert hour["window"] == "1h"
    since_ms = msgspec.convert(hour["since"], type=datetime).timestamp() * 1000
    assert hour["totals"]["started"] == begun(lines, "policy_loan", since_ms)


@pytest.mark.usefixtures("lines")
def test_a_part_of_the_customers(api: httpx.Client) -> None:
    whole, web, app = (
        api.get("/v1/journeys/claim/map", params={"window": "28d", "channel": channel}).json()
        for channel in ("", "web", "app")
    )
    assert whole["channels"] == ["web"]
    assert web["totals"] == whole["totals"]
    assert app["totals"]["started"] == 0
    assert app["steps"][0]["loss"] == {"share": None, "low": None, "high": None, "of": 0}


def test_pain_points_are_ranked_and_filtered(gateway: RunningGateway, api: httpx.Client) -> None:
    put_points(gateway)
    answer = api.get("/v1/pain-points")
    is_as_documented(answer, "PainPoints")
    found = answer.json()["pain_points"]
    assert [each["step"] for each in found] == ["sms_code", "id_photo", "treatment"]
    assert found[0]["lost_a_week"] == 64.0
    assert found[0]["boundary"]["kind"] == "system"
    assert found[2]["fix"]["verdict"] == "worked"
    assert found[2]["fix"]["high"] < 0
    assert len(api.get("/v1/pain-points", params={"journey": "claim"}).json()["pain_points"]) == 1
    assert len(api.get("/v1/pain-points", params={"state": "verified"}).json()["pain_points"]) == 1


def test_a_report_goes_to_the_engine(gateway: RunningGateway, api: httpx.Client) -> None:
    waits, *_ = put_points(gateway)
    answer = api.post(f"/v1/pain-points/{waits}/states", json={"state": "assigned", "assignee": "SMS team"})
    assert answer.status_code == 202
    assert answer.json() == {"id": waits, "state": "assigned", "was": "open"}
    [entry] = gateway.bus()
    event = msgspec.json.decode(entry.raw)
    assert event["event"] == "Pain Point Reported"
    assert event["properties"] == {
        "journey": "policy_loan",
        "pain_point_id": waits,
        "pain_point_state": "assigned",
        "assignee": "SMS team",
        "agent_id": "anna",
    }


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/journeys/claim/map?window=2h", "window: found '2h', expected one of 5m, 1h, 1d, 28d"),
        ("/v1/pain-points?state=broken", "state: found 'broken', expected one of open, assigned"),
    ],
)
def test_what_there_is_not(api: httpx.Client, path: str, says: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "expected one JSON object"),
        (b'{"state": "verified"}', 400, "$.state: found 'verified', expected assigned, fixed or dismissed"),
        (b'{"state": "assigned"}', 400, "$.assignee: found none, expected who takes it"),
        (b'{"state": "fixed"}', 409, "found a pain point that is verified, expected one that is assigned or open"),
    ],
)
def test_reports_that_do_not_fit(
    gateway: RunningGateway, api: httpx.Client, body: bytes, status: int, says: str
) -> None:
    *_, proved = put_points(gateway)
    answer = api.post(f"/v1/pain-points/{proved}/states", content=body)
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert gateway.bus() == []


def test_a_pain_point_nobody_knows(api: httpx.Client) -> None:
    answer = api.post("/v1/pain-points/nope/states", json={"state": "fixed"})
    assert answer.status_code == 404
    assert "pain_point_id: found 'nope', expected one that GET /v1/pain-points lists" in answer.json()["detail"]


def test_who_may_look_and_who_may_work(gateway: RunningGateway, api: httpx.Client) -> None:
    waits, *_ = put_points(gateway)
    for path in ("/v1/journeys", "/v1/journeys/claim/map", "/v1/pain-points"):
        assert api.get(path, headers=agent()).status_code == 403
        assert api.get(path, headers=bearer("o", "ops")).status_code in (200, 404)
    report = {"state": "fixed"}
    assert api.post(f"/v1/pain-points/{waits}/states", json=report, headers=bearer("o", "ops")).status_code == 403
    assert api.post(f"/v1/pain-points/{waits}/states", json=report, headers=bearer("o", "admin")).status_code == 202


def test_the_charts_come_from_here_and_are_kept(gateway: RunningGateway) -> None:
    with httpx.Client(base_url=gateway.addresses.http, timeout=120) as client:
        found = client.get("/plotly.js")
        assert found.headers["content-encoding"] == "gzip"
        assert b"plotly.js v" in found.content[:200]
        tag = found.headers["etag"]
        assert client.get("/plotly.js", headers={"If-None-Match": tag}).status_code == 304
        plain = client.get("/plotly.js", headers={"Accept-Encoding": "identity"})
        assert plain.content == found.content
        assert "max-age" in plain.headers["cache-control"]


def test_what_is_older_than_a_window_is_not_in_it(gateway: RunningGateway, api: httpx.Client) -> None:
    now_ms = wall_clock_ms()
    old = simulated_lines(now_ms - 3 * DAY_MS, customers=60, hours=1, seed=1)
    new = simulated_lines(now_ms - HOUR_MS, customers=60, hours=1, seed=2)
    with connect(gateway.settings.redis_url or "") as client:
        mapped([*old, *new], client)
    month = api.get("/v1/journeys/renewal/map", params={"window": "28d"}).json()
    day = api.get("/v1/journeys/renewal/map", params={"window": "1d"}).json()
    assert month["totals"]["started"] == begun([*old, *new], "renewal")
    assert day["totals"]["started"] == begun(new, "renewal")
