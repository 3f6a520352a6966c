"""The shapes of contacts, questions and desks, for the OpenAPI document. Data only."""

from typing import Any, Final

Schema = dict[str, Any]

_TIME: Final = {"type": "string", "format": "date-time"}
_TEXT: Final = {"type": "string"}
_OR_NONE: Final = {"type": ["string", "null"]}
_WORDS: Final = {"type": "object", "required": ["zh", "en"], "properties": {"zh": _TEXT, "en": _TEXT}}


def _record(properties: Schema) -> Schema:
    return {"type": "object", "required": [*properties], "properties": properties}


CONTACT_SCHEMAS: Final[Schema] = {
    "Need": _record(
        {
            "code": _TEXT,
            "title": _WORDS,
            "text": _WORDS,
            "say": {"type": "string", "description": "`text` in the language that Accept-Language picked"},
            "article": {"type": "object"},
            "priority": {"type": "integer", "minimum": 0, "maximum": 100},
            "policies": {"type": "array", "items": _TEXT, "description": "ids of the policies it is about"},
        }
    ),
    "Bundle": _record(
        {
            "bundle_id": _TEXT,
            "customer_id": _TEXT,
            "agent_id": {**_OR_NONE, "description": "the desk in contact"},
            "channel": {**_OR_NONE, "description": "phone, counter or chat"},
            "conversation_id": _OR_NONE,
            "at": _TIME,
            "expires_at": _TIME,
            "interruption": {
                "type": ["object", "null"],
                "description": "the open break-off, as its hint says it; null: none",
            },
            "needs": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Need"},
                "description": "the most important first",
            },
            "more": {"type": "integer", "minimum": 0, "description": "how many needs there are beyond these"},
            "branch": _OR_NONE,
            "region": _OR_NONE,
        }
    ),
    "DeskBundles": _record(
        {"bundles": {"type": "array", "items": {"$ref": "#/components/schemas/Bundle"}, "description": "newest first"}}
    ),
}
