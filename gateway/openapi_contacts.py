"""The part of the OpenAPI document that is about contacts, questions and desks.

In: how an operation is laid out (``gateway.openapi``). Out: paths. Refused: nothing.
"""

from collections.abc import Callable
from typing import Any, Final

from operators.events import CUSTOMER_ID_CHARS

Operation = dict[str, Any]
Asked = Callable[[str, str, str, list[dict[str, Any]], tuple[int, ...]], Operation]

_CUSTOMER: Final = {
    "name": "customer_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": CUSTOMER_ID_CHARS},
}


def contact_paths(asked: Asked, language: dict[str, Any]) -> dict[str, Any]:
    """The paths. ``asked``: lays out a GET with a token; ``language``: the parameter that picks the wording."""
    problems = (400, 401, 403, 404, 503)
    return {
        "/v1/customers/{customer_id}/bundle": {
            "get": asked(
                "bundle", "The bundle of the contact with a customer", "Bundle", [_CUSTOMER, language], problems
            )
        },
        "/v1/bundles": {
            "get": asked(
                "deskBundles", "The bundles of the token's own desk", "DeskBundles", [language], (401, 403, 503)
            )
        },
    }
