"""The shapes of the outreach list, for the OpenAPI document. Data only."""

from typing import Final

from gateway.openapi.openapi_types import Schema
from operators.outreach.call_list_entry import OUTCOMES
from operators.records.events import CUSTOMER_ID_CHARS

_TEXT: Final = {"type": "string"}
_TEXT_OR_NONE: Final = {"type": ["string", "null"]}
_TIME: Final = {"type": "string", "format": "date-time"}
_BOTH_LANGUAGES: Final = {"type": "object", "required": ["zh", "en"], "properties": {"zh": _TEXT, "en": _TEXT}}


def _time_or_none(about: str) -> Schema:
    return {"type": ["string", "null"], "format": "date-time", "description": about}


def _record(properties: Schema, required: tuple[str, ...] | None = None, **more: object) -> Schema:
    return {"type": "object", "required": list(required or properties), "properties": properties, **more}


_OWN: Final = ("outreach_id", "customer_id", "journey", "step", "reason", "need", "text", "say", "article", "tries")
_CHANGING: Final = ("claimed_by", "claimed_until", "mine", "quiet_until")

OUTREACH_SCHEMAS: Final[Schema] = {
    "OutreachEntry": _record(
        {
            "outreach_id": _TEXT,
            "customer_id": _TEXT,
            "journey": _TEXT,
            "journey_title": _BOTH_LANGUAGES,
            "transaction_id": _TEXT_OR_NONE,
            "step": _TEXT_OR_NONE,
            "step_title": {"oneOf": [_BOTH_LANGUAGES, {"type": "null"}]},
            "attempt_id": _TEXT,
            "reason": _record({"code": _TEXT, "confidence": {"type": "number"}, "evidence": {"type": "array"}}),
            "reason_title": _BOTH_LANGUAGES,
            "need": {"type": "number", "minimum": 0, "maximum": 1, "description": "what the list is ranked by"},
            "text": _BOTH_LANGUAGES,
            "say": {"type": "string", "description": "`text` in the language that Accept-Language picked"},
            "article": _record({"id": _TEXT, "title": _BOTH_LANGUAGES, "body": _BOTH_LANGUAGES}),
            "explanation": {"type": "array", "items": _BOTH_LANGUAGES},
            "step_titles": {"type": "object", "additionalProperties": _BOTH_LANGUAGES},
            "abandoned_at": _TIME,
            "listed_at": _TIME,
            "expires_at": _TIME,
            "tries": {"type": "integer", "minimum": 0, "description": "calls nobody answered so far"},
            "lease_seconds": {"type": "number", "description": "how long a claim lasts"},
            "quiet_hours": {"type": ["object", "null"], "description": "when nobody may be called"},
            "skill": {**_TEXT_OR_NONE, "description": "what a caller needs; null: none"},
            "claimed_by": {**_TEXT_OR_NONE, "description": "who calls now"},
            "claimed_until": _time_or_none("when that claim runs out"),
            "mine": {"type": "boolean", "description": "whether the claim is the token's own"},
            "quiet_until": _time_or_none("no claim before this"),
            "version": {"type": "integer"},
        },
        (*_OWN, *_CHANGING),
    ),
    "OutreachPage": _record(
        {
            "outreach": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/OutreachEntry"},
                "description": "open entries, the greatest need first",
            },
            "next_cursor": {**_TEXT_OR_NONE, "description": "`cursor` of the next page; null: this was the last"},
        }
    ),
    "OutreachClaim": _record(
        {"outreach_id": _TEXT, "claimed_by": _TEXT, "claimed_until": _TIME, "renewed": {"type": "boolean"}}
    ),
    "OutcomeReport": _record({"outcome": {"enum": [*OUTCOMES]}}, additionalProperties=False),
    "OutreachOutcome": _record(
        {
            "outreach_id": _TEXT,
            "outcome": {"enum": [*OUTCOMES]},
            "changed": {"type": "boolean", "description": "false when the same was said before"},
        }
    ),
    "DoNotCall": _record(
        {
            "customer_id": {"type": "string", "maxLength": CUSTOMER_ID_CHARS},
            "do_not_call": {"type": "boolean"},
            "changed": {"type": "boolean"},
        }
    ),
}
