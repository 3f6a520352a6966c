"""The OpenAPI 3.1 document of the HTTP interface, built from the tables the code itself uses.

In: nothing. Out: ``openapi_document()``, and ``GET /openapi.json``. ``docs/reference/openapi.json``
is the same document (``python -m gateway.openapi.document > docs/reference/openapi.json``); a test keeps
them the same and holds real answers against it.
"""

import sys
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.api.outreach_requests import MOST, USUAL
from gateway.http.problems import KINDS, MEDIA_TYPE
from gateway.ingest.collector import SINGLE_TYPES
from gateway.openapi.contact_paths import contact_paths
from gateway.openapi.journey_schemas import journey_paths
from gateway.openapi.openapi_types import Operation
from gateway.openapi.schemas import SCHEMAS, ref
from operators.records.events import CUSTOMER_ID_CHARS

SECURITY_SCHEMES: Final = {
    "writeKey": {"type": "http", "scheme": "basic", "description": "the write key as user name, no password"},
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "of a desk or a chatbot"},
}
_LANGUAGE: Final = {
    "name": "Accept-Language",
    "in": "header",
    "schema": {"type": "string"},
    "description": "picks the language of `say`: zh-CN first, en",
}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_IF_CHANGED: Final = {
    "name": "If-None-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "the `ETag` of what is known already",
}
_WRITES: Final = (400, 401, 403, 404, 408, 409, 413, 415, 422, 503)


def openapi_document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Zhiyin gateway",
            "version": "1",
            "description": "Events in (Segment-shaped), hints out. Errors are RFC 9457 problem documents.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            **_collector_paths(),
            **_hint_paths(),
            **contact_paths(_operation, _LANGUAGE),
            **_outreach_paths(),
            **journey_paths(_operation),
            **_other_paths(),
        },
        "components": {"schemas": SCHEMAS, "securitySchemes": SECURITY_SCHEMES},
    }


def openapi_route() -> Route:
    """``GET /openapi.json``."""
    body = msgspec.json.encode(openapi_document())

    async def answer(_: Request) -> Response:
        return Response(body, media_type="application/json")

    return Route("/openapi.json", answer, methods=["GET"])


def _collector_paths() -> dict[str, Any]:
    singles = {f"/v1/{kind}": {"post": _collect(f"Take one `{kind}` event", kind, "Event")} for kind in SINGLE_TYPES}
    return {**singles, "/v1/batch": {"post": _collect("Take up to 2,500 events", "batch", "Batch")}}


def _collect(summary: str, operation_id: str, body: str) -> Operation:
    content = {"schema": ref(body)}
    return {
        "operationId": operation_id,
        "summary": summary,
        "security": [{"writeKey": []}, {}],
        "requestBody": {"required": True, "content": {"application/json": content, "text/plain": content}},
        "responses": {
            "200": _answer("taken, and kept; `rejected` lists what was not", "Taken"),
            "204": {"description": "everything was taken (a text/plain beacon)"},
            **_problems(400, 401, 408, 413, 415, 503),
        },
    }


def _hint_paths() -> dict[str, Any]:
    customer = _in_path("customer_id", {"type": "string", "minLength": 1, "maxLength": CUSTOMER_ID_CHARS})
    surface = {
        "name": "surface",
        "in": "query",
        "schema": {"enum": ["chatbot", "desk"], "default": "chatbot"},
        "description": "where it would be said",
    }
    return {
        "/v1/customers/{customer_id}/next-hints": {
            "get": _operation("nextHints", "A customer's open hints", "NextHints", [customer, surface, _LANGUAGE])
        },
        "/v1/hints": {
            "get": _operation("deskHints", "The open hints of the token's own desk", "DeskHints", [_LANGUAGE])
        },
        "/v1/hints/{hint_id}/states": {
            "post": {
                **_operation(
                    "reportState",
                    "Say what became of a hint",
                    "StateChange",
                    [_in_path("hint_id", {"type": "string"}), _KEY],
                    _WRITES,
                ),
                "requestBody": {"required": True, "content": {"application/json": {"schema": ref("StateReport")}}},
            }
        },
    }


def _outreach_paths() -> dict[str, Any]:
    entry = _in_path("outreach_id", {"type": "string"})
    customer = _in_path("customer_id", {"type": "string", "minLength": 1, "maxLength": CUSTOMER_ID_CHARS})
    page = [
        {"name": "journey", "in": "query", "schema": {"type": "string"}, "description": "of this journey only"},
        {
            "name": "limit",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
        },
        {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "`next_cursor` of a page"},
    ]
    listed = _operation("listOutreach", "Whom to call first", "OutreachPage", [*page, _IF_CHANGED, _LANGUAGE])
    listed["responses"]["304"] = {"description": "the list is as `If-None-Match` says"}
    released = _operation(
        "releaseOutreach", "Give one's claim back", "OutreachClaim", [entry], (401, 403, 404, 409, 503)
    )
    released["responses"].pop("200")
    released["responses"]["204"] = {"description": "nobody holds it now, or another agent's turn has come"}
    return {
        "/v1/outreach": {"get": listed},
        "/v1/outreach/{outreach_id}/claims": {
            "post": _operation(
                "claimOutreach", "Claim a customer, or renew the claim", "OutreachClaim", [entry, _KEY], _WRITES
            ),
            "delete": released,
        },
        "/v1/outreach/{outreach_id}/outcomes": {
            "post": {
                **_operation("endOutreach", "Say what came of the call", "OutreachOutcome", [entry, _KEY], _WRITES),
                "requestBody": {"required": True, "content": {"application/json": {"schema": ref("OutcomeReport")}}},
            }
        },
        "/v1/customers/{customer_id}/do-not-call": {
            "put": _operation("setDoNotCall", "No calls to this customer", "DoNotCall", [customer, _KEY], _WRITES),
            "delete": _operation("liftDoNotCall", "Calls are welcome again", "DoNotCall", [customer, _KEY], _WRITES),
        },
    }


def _other_paths() -> dict[str, Any]:
    ready = _open("ready", "Whether every dependency answers", "Ready")
    ready["responses"]["503"] = _answer("at least one does not", "Ready")
    document = _open("openapi", "This document", None)
    return {
        "/live": {"get": _open("live", "Whether the process turns", "Live")},
        "/ready": {"get": ready},
        "/openapi.json": {"get": document},
        "/page.json": {"get": _open("pageSettings", "What a page needs to open its websocket", "PageSettings")},
    }


def _operation(
    operation_id: str,
    summary: str,
    answer: str,
    parameters: list[dict[str, Any]],
    problems: tuple[int, ...] = (400, 401, 403, 503),
) -> Operation:
    return {
        "operationId": operation_id,
        "summary": summary,
        "security": [{"token": []}],
        "parameters": parameters,
        "responses": {"200": _answer(summary, answer), **_problems(*problems)},
    }


def _open(operation_id: str, summary: str, answer: str | None) -> Operation:
    schema: dict[str, Any] = {"type": "object"} if answer is None else ref(answer)
    content = {"application/json": {"schema": schema}}
    return {
        "operationId": operation_id,
        "summary": summary,
        "security": [{}],
        "responses": {"200": {"description": summary, "content": content}},
    }


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _answer(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    titles = "; ".join(title for code, title in KINDS.values() if code == status)
    answer: dict[str, Any] = {"description": titles, "content": {MEDIA_TYPE: {"schema": ref("Problem")}}}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return answer


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(openapi_document()), indent=2) + b"\n")
