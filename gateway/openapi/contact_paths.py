"""The part of the OpenAPI document that is about contacts, questions and desks.

In: how an operation is laid out (``gateway.openapi.document``). Out: paths. Refused: nothing.
"""

from typing import Any, Final

from gateway.openapi.openapi_types import Operation, OperationBuilder
from operators.records.events import CUSTOMER_ID_CHARS

_CUSTOMER: Final = {
    "name": "customer_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": CUSTOMER_ID_CHARS},
}


_HINT: Final = {"name": "hint_id", "in": "path", "required": True, "schema": {"type": "string"}}


def _rating(build_operation: OperationBuilder) -> Operation:
    question = {"name": "question_id", "in": "path", "required": True, "schema": {"type": "string"}}
    problems = (400, 401, 403, 408, 413, 503)
    operation = build_operation("rateAnswer", "Say whether an answer helped a customer", "Rating", [question], problems)
    del operation["responses"]["200"]
    operation["responses"]["204"] = {"description": "on the bus"}
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Rating"}}}
    return {**operation, "requestBody": {"required": True, "content": body}}


def contact_paths(build_operation: OperationBuilder, language: dict[str, Any]) -> dict[str, Any]:
    """The paths. ``build_operation``: lays out a GET with a token; ``language``: the parameter for the wording."""
    problems = (400, 401, 403, 404, 409, 503)
    return {
        "/v1/customers/{customer_id}/bundle": {
            "get": build_operation(
                "bundle", "The bundle of the contact with a customer", "Bundle", [_CUSTOMER, language], problems
            )
        },
        "/v1/customers/{customer_id}/hot-questions": {
            "get": build_operation(
                "hotQuestions",
                "What customers like this one ask",
                "HotQuestions",
                [_CUSTOMER, language],
                (400, 401, 403, 503),
            )
        },
        "/v1/questions/{question_id}/ratings": {"post": _rating(build_operation)},
        "/v1/queue": {
            "get": build_operation(
                "queue", "The hints that wait for a desk of the token's branch", "Queue", [language], (401, 403, 503)
            )
        },
        "/v1/hints/{hint_id}/claims": {
            "post": build_operation("claim", "Take a hint from the queue", "Claimed", [_HINT], problems)
        },
        "/v1/desks": {"get": build_operation("desks", "Who is on line", "Desks", [], (401, 403, 503))},
        "/v1/bundles": {
            "get": build_operation(
                "deskBundles", "The bundles of the token's own desk", "DeskBundles", [language], (401, 403, 503)
            )
        },
    }
