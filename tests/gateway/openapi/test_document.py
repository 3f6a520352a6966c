import json
import re
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema
import pytest

from gateway.api.hints import StateReport
from gateway.http.problems import KINDS
from gateway.openapi.document import openapi_document
from gateway.openapi.schemas import SCHEMAS
from operators.hints.hint import hint_document
from tests.gateway.api.test_hints import hint_now, tell
from tests.gateway.events_made import event_json
from tests.gateway.running import RunningGateway, agent, chatbot
from tests.parts.machine import ROOT

FILE: Final = ROOT / "docs" / "reference" / "openapi.json"
PAGE: Final = ROOT / "docs" / "reference" / "http.md"
DOCUMENT: Final[dict[str, Any]] = json.loads(json.dumps(openapi_document()))


def schema_of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def check(answer: httpx.Response) -> None:
    """Hold an answer against what the document says of its path, method and status."""
    path = next(path for path in DOCUMENT["paths"] if _matches(path, answer.request.url.path))
    operation = DOCUMENT["paths"][path][answer.request.method.lower()]
    content = operation["responses"][str(answer.status_code)].get("content", {})
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if not content:
        assert answer.content == b""
        return
    jsonschema.validate(answer.json(), content[media_type]["schema"] | {"components": DOCUMENT["components"]})


def _matches(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", ".+", template), path) is not None


def test_the_document_in_the_docs_is_the_one_that_is_served(gateway: RunningGateway) -> None:
    assert gateway.http.get("/openapi.json").json() == DOCUMENT
    assert json.loads(FILE.read_text("utf-8")) == DOCUMENT, "write it anew: python -m gateway.openapi.document"


def test_every_reference_leads_somewhere() -> None:
    found = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert found == set(SCHEMAS)


def test_every_schema_is_a_schema() -> None:
    for name in SCHEMAS:
        jsonschema.Draft202012Validator.check_schema(schema_of(name))


def test_operations_have_names_of_their_own() -> None:
    names = [each["operationId"] for methods in DOCUMENT["paths"].values() for each in methods.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_path_is_served(gateway: RunningGateway, path: str) -> None:
    concrete = path.format(
        customer_id="anna", hint_id="h1", question_id="q1", outreach_id="o1", journey="claim", pain_point_id="p1"
    )
    for method in ("get", "post", "put", "delete"):
        answer = gateway.http.request(method, concrete)
        assert (answer.status_code != 405) == (method in DOCUMENT["paths"][path])
        assert answer.status_code != 404 or answer.json()["detail"] != f"nothing at {concrete}"


def test_answers_are_as_the_document_says(gateway: RunningGateway) -> None:
    http, plain = gateway.http, httpx.Client(base_url=gateway.addresses.http)
    tell(gateway, hint_now())
    for answer in (
        http.post("/v1/track", content=event_json()),
        http.post("/v1/track", content=event_json(), headers={"Content-Type": "text/plain"}),
        http.post("/v1/track", content=b"{"),
        http.post("/v1/track", content=event_json(pad="x" * 40_000)),
        http.post("/v1/batch", content=b'{"batch":[' + event_json() + b",1]}"),
        http.post("/v1/batch", content=b'{"batch":[1,2]}'),
        http.post("/v1/identify", content=b"{}", headers={"Content-Encoding": "br"}),
        plain.post("/v1/track", content=event_json()),
        plain.get("/v1/customers/anna/next-hints", headers=chatbot()),
        plain.get("/v1/customers/anna/next-hints", headers=chatbot(), params={"surface": "x"}),
        plain.get("/v1/hints", headers=agent()),
        plain.get("/v1/hints", headers=chatbot()),
        plain.post("/v1/hints/h1/states", headers=agent(), json={"state": "used"}),
        plain.post("/v1/hints/h1/states", headers=agent(), json={"state": "dismissed"}),
        plain.post("/v1/hints/none/states", headers=agent(), json={"state": "used"}),
        plain.post("/v1/hints/h1/states", headers=agent(), json={"state": "eaten"}),
        plain.get("/live"),
        plain.get("/ready"),
        plain.get("/page.json"),
    ):
        check(answer)
    plain.close()


def test_the_schema_of_a_hint_names_what_a_hint_has() -> None:
    fields = set(hint_document(hint_now())) | {"say", "state"}
    described = set(SCHEMAS["Hint"]["properties"])
    assert described <= fields
    assert set(SCHEMAS["StateReport"]["properties"]) == set(StateReport.__struct_fields__)


def test_the_page_names_every_path_and_every_kind_of_problem() -> None:
    text = Path(PAGE).read_text("utf-8")
    for path in DOCUMENT["paths"]:
        assert path in text or (path.startswith("/v1/") and path.removeprefix("/v1/") in text)
    for kind, (status, _) in KINDS.items():
        assert f"| `{kind}` | {status} |" in text
