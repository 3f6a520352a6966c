import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.settings.load import Settings
from gateway.http.app import build_app
from gateway.http.problems import KINDS, HttpProblem
from gateway.runtime.metrics import GatewayMetrics
from tests.gateway.running import RunningGateway


def test_a_path_that_is_none(gateway: RunningGateway) -> None:
    answer = gateway.http.get("/v2/track")
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "urn:zhiyin:problem:not_found",
        "title": "There is no such thing",
        "status": 404,
        "detail": "nothing at /v2/track",
        "errors": [],
    }


@pytest.mark.parametrize(("method", "path", "allowed"), [("PUT", "/v1/track", "POST"), ("POST", "/live", "GET")])
def test_a_method_that_is_not_taken(gateway: RunningGateway, method: str, path: str, allowed: str) -> None:
    answer = gateway.http.request(method, path)
    assert answer.status_code == 405
    assert allowed in answer.headers["allow"]
    assert answer.json()["detail"].startswith(f"found {method}, expected ")


@pytest.mark.parametrize("path", ["/live", "/nothing", "/v1/hints"])
def test_every_answer_has_the_security_headers(gateway: RunningGateway, path: str) -> None:
    headers = gateway.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["permissions-policy"] == "camera=(), geolocation=(), microphone=()"
    assert "server" not in headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "server" not in headers


async def test_a_mistake_of_ours_is_a_500_that_tells_nothing_inside(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_: Request) -> Response:
        raise ZeroDivisionError("the secret is 42")

    metrics = GatewayMetrics()
    app = build_app([Route("/broken", broken)], (), Settings(), metrics)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/broken", headers={"Origin": "https://shop.example"})
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:zhiyin:problem:internal"
    assert "42" not in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "GET /broken failed: ZeroDivisionError" in caplog.text
    assert metrics.registry.get_sample_value(
        "zhiyin_http_request_seconds_count", {"endpoint": "/broken", "status": "500"}
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_problem_has_its_status_and_text(kind: str) -> None:
    problem = HttpProblem(kind, "what, where", [{"path": "a", "found": "b", "expected": "c"}], more={"success": False})
    status, title = KINDS[kind]
    assert str(problem) == f"{status} {title}: what, where"
    assert list(problem.document()) == ["type", "title", "status", "detail", "errors", "success"]


def test_a_problem_of_no_kind_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        HttpProblem("nonsense", "")
