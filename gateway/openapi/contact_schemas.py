"""The shapes of contacts, questions and desks, for the OpenAPI document. Data only."""

from typing import Final

from gateway.openapi.openapi_types import Schema

_TIME: Final = {"type": "string", "format": "date-time"}
_TEXT: Final = {"type": "string"}
_OR_NONE: Final = {"type": ["string", "null"]}
_BOTH_LANGUAGES: Final = {"type": "object", "required": ["zh", "en"], "properties": {"zh": _TEXT, "en": _TEXT}}


def _record(properties: Schema) -> Schema:
    return {"type": "object", "required": [*properties], "properties": properties}


CONTACT_SCHEMAS: Final[Schema] = {
    "Need": _record(
        {
            "code": _TEXT,
            "title": _BOTH_LANGUAGES,
            "text": _BOTH_LANGUAGES,
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
            "struggling": {
                "type": ["object", "null"],
                "description": "what goes wrong in a transaction under way, in the shape of a hint; null: nothing",
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
    "HotQuestion": _record(
        {
            "question_id": _TEXT,
            "journey": _TEXT,
            "reason": _TEXT,
            "title": _BOTH_LANGUAGES,
            "text": _BOTH_LANGUAGES,
            "say": {"type": "string", "description": "`text` in the language that Accept-Language picked"},
            "article": {"type": "object"},
            "score": {"type": "number", "description": "how hot: asked, and how often the answer helped"},
            "helped": {"type": ["number", "null"], "description": "share of ratings that say so; null: none"},
        }
    ),
    "HotQuestions": _record(
        {
            "customer_id": _TEXT,
            "group": {"type": "string", "description": "whose questions: group:NAME, journey:NAME or all"},
            "questions": {"type": "array", "items": {"$ref": "#/components/schemas/HotQuestion"}, "maxItems": 5},
            "at": {"type": ["string", "null"], "format": "date-time"},
        }
    ),
    "Rating": {**_record({"customer_id": _TEXT, "solved": {"type": "boolean"}}), "additionalProperties": False},
    "Queue": _record(
        {
            "queue": {"type": "string", "description": "queue:BRANCH or queue:general"},
            "epoch": _TEXT,
            "offset": {"type": "integer", "description": "where to go on in channel `queue`"},
            "hints": {"type": "array", "items": {"$ref": "#/components/schemas/Hint"}, "description": "newest first"},
        }
    ),
    "Claimed": _record({"hint_id": _TEXT, "taken_by": {"type": "string", "description": "the desk that has it now"}}),
    "Seat": _record(
        {
            "desk_id": _TEXT,
            "skills": {"type": ["array", "null"], "items": _TEXT, "description": "null: every skill"},
            "branch": _OR_NONE,
            "region": _OR_NONE,
        }
    ),
    "Desks": _record({"desks": {"type": "array", "items": {"$ref": "#/components/schemas/Seat"}}}),
    "DeskBundles": _record(
        {"bundles": {"type": "array", "items": {"$ref": "#/components/schemas/Bundle"}, "description": "newest first"}}
    ),
}
