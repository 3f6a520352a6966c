"""The shapes of the HTTP interface, for its OpenAPI document. Data only."""

from typing import Final

from gateway.ingest.batches import BATCH_EVENTS, CONTEXT_BYTES
from gateway.ingest.event_validation import EVENT_BYTES
from gateway.openapi.contact_schemas import CONTACT_SCHEMAS
from gateway.openapi.journey_schemas import JOURNEY_SCHEMAS
from gateway.openapi.openapi_types import Schema
from gateway.openapi.outreach_schemas import OUTREACH_SCHEMAS
from operators.hints.hint import OPEN_STATES
from operators.records.events import CUSTOMER_ID_CHARS, MESSAGE_ID_CHARS, TYPES


def _text(about: str, **more: object) -> Schema:
    return {"type": "string", "description": about, **more}


def _record(required: tuple[str, ...], properties: Schema, **more: object) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties, **more}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def ref(name: str) -> Schema:
    """A reference to one of ``SCHEMAS``."""
    return {"$ref": f"#/components/schemas/{name}"}


_TIME: Final = {"type": "string", "format": "date-time"}
_BOTH_LANGUAGES: Final = _record(("zh", "en"), {"zh": {"type": "string"}, "en": {"type": "string"}})

SCHEMAS: Final[Schema] = {
    **CONTACT_SCHEMAS,
    "Event": _record(
        (),
        {
            "type": {
                "enum": [*sorted(TYPES)],
                "description": "the endpoint's where it is left out; `track` in a batch",
            },
            "event": _text("what happened, object and past tense: `Transaction Started`; required for `track`"),
            "messageId": _text(
                "the sender's id of this event; one is made where there is none", maxLength=MESSAGE_ID_CHARS
            ),
            "userId": _text("the customer; this or anonymousId is required", maxLength=CUSTOMER_ID_CHARS),
            "anonymousId": _text("the visitor who has not logged in", maxLength=CUSTOMER_ID_CHARS),
            "timestamp": {**_TIME, "description": "when it happened; the time of arrival where there is none"},
            "originalTimestamp": {**_TIME, "description": "goes before timestamp"},
            "sentAt": {**_TIME, "description": "when it was sent, by the same clock: corrects a wrong clock"},
            "properties": _record(
                (),
                {
                    "journey": _text("the kind of transaction; required for events of a transaction"),
                    "transaction_id": _text("which one, where a customer may have several"),
                    "step": _text("the step it happened at"),
                },
            ),
            "traits": {"type": "object"},
            "context": {"type": "object"},
            "writeKey": _text("the write key, for senders that cannot set headers"),
        },
        description=f"At most {EVENT_BYTES} bytes. Other members are kept and not read.",
    ),
    "Batch": _record(
        ("batch",),
        {
            "batch": {"type": "array", "items": ref("Event"), "minItems": 1, "maxItems": BATCH_EVENTS},
            "context": {"type": "object", "description": f"for events without one; at most {CONTEXT_BYTES} bytes"},
            "sentAt": {**_TIME, "description": "for events without one"},
            "writeKey": {"type": "string"},
        },
    ),
    "Rejected": _record(
        ("index", "messageId", "status", "kind", "path", "found", "expected"),
        {
            "index": {"type": "integer", "description": "its place in the request"},
            "messageId": {"type": ["string", "null"]},
            "status": {"enum": [400, 413]},
            "kind": _text("a short word for counters"),
            "path": _text("the field at fault"),
            "found": {"type": "string"},
            "expected": {"type": "string"},
        },
    ),
    "Taken": _record(
        ("success", "accepted", "rejected"),
        {
            "success": {"type": "boolean", "description": "true when every event was accepted"},
            "accepted": {"type": "integer", "minimum": 1},
            "rejected": {"type": "array", "items": ref("Rejected")},
        },
    ),
    "Problem": _record(
        ("type", "title", "status", "detail", "errors"),
        {
            "type": _text("`urn:zhiyin:problem:` and the kind"),
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": _text("what, where, found, expected"),
            "errors": {
                "type": "array",
                "items": _record(
                    ("path", "found", "expected"),
                    {"path": {"type": "string"}, "found": {"type": "string"}, "expected": {"type": "string"}},
                ),
            },
        },
    ),
    "Hint": _record(
        ("hint_id", "customer_id", "journey", "step", "reason", "text", "say", "state", "surfaces", "priority"),
        {
            "hint_id": {"type": "string"},
            "customer_id": {"type": "string"},
            "journey": {"type": "string"},
            "journey_title": _BOTH_LANGUAGES,
            "transaction_id": {"type": ["string", "null"]},
            "step": {"type": ["string", "null"]},
            "reason": _record(
                ("code", "confidence", "evidence"),
                {"code": {"type": "string"}, "confidence": {"type": "number"}, "evidence": {"type": "array"}},
            ),
            "reason_title": _BOTH_LANGUAGES,
            "need": {"type": "number", "description": "0: manages alone, 1: needs a person"},
            "text": _BOTH_LANGUAGES,
            "say": _text("`text` in the language that Accept-Language picked"),
            "article": _record(
                ("id", "title", "body"), {"id": {"type": "string"}, "title": _BOTH_LANGUAGES, "body": _BOTH_LANGUAGES}
            ),
            "surfaces": {"type": "array", "items": {"enum": ["desk", "chatbot"]}},
            "priority": {"type": "integer"},
            "abandoned_at": _TIME,
            "created_at": _TIME,
            "expires_at": _TIME,
            "speak_after": _or_null(_TIME),
            "explanation": {"type": "array", "items": _BOTH_LANGUAGES},
            "step_titles": {"type": "object", "additionalProperties": _BOTH_LANGUAGES},
            "other_reasons": {
                "type": "array",
                "description": "what else it may have been, the likeliest first: for an agent who found another reason",
                "items": _record(("code", "title"), {"code": {"type": "string"}, "title": _BOTH_LANGUAGES}),
            },
            "wording": {
                "type": ["object", "null"],
                "description": "the wording chosen, where wordings are learnt, and how probable the choice was",
                "properties": {"variant": {"type": "integer"}, "propensity": {"type": "number"}},
            },
            "state": {"enum": sorted(OPEN_STATES)},
            "version": {"type": "integer"},
        },
    ),
    "NextHints": _record(
        ("customer_id", "surface", "hints"),
        {
            "customer_id": {"type": "string"},
            "surface": {"enum": ["desk", "chatbot"]},
            "hints": {"type": "array", "items": ref("Hint"), "maxItems": 3, "description": "open ones, best first"},
        },
    ),
    "DeskHints": _record(
        ("epoch", "offset", "hints"),
        {
            "epoch": _text("the life of the desk's channel, for `subscribe`"),
            "offset": {"type": "integer", "description": "where to go on in the channel, for `subscribe`"},
            "hints": {"type": "array", "items": ref("Hint"), "description": "open ones, newest first"},
        },
    ),
    "StateReport": _record(
        ("state",),
        {
            "state": {"enum": ["shown", "used", "dismissed"]},
            "helpful": {"type": ["boolean", "null"]},
            "reason": {
                "type": ["string", "null"],
                "minLength": 1,
                "maxLength": 100,
                "description": "the code of the reason found: of `other_reasons`, or another of the catalogue",
            },
        },
        additionalProperties=False,
    ),
    "StateChange": _record(
        ("hint_id", "state", "changed"),
        {
            "hint_id": {"type": "string"},
            "state": {"type": "string"},
            "changed": {"type": "boolean", "description": "false when it was in this state already"},
        },
    ),
    **OUTREACH_SCHEMAS,
    **JOURNEY_SCHEMAS,
    "Live": _record(("status",), {"status": {"const": "live"}}),
    "Ready": _record(
        ("status", "dependencies"),
        {
            "status": {"enum": ["ready", "not ready"]},
            "dependencies": {
                "type": "object",
                "additionalProperties": _record(
                    ("ok",), {"ok": {"type": "boolean"}, "seconds": {"type": "number"}, "error": {"type": "string"}}
                ),
            },
        },
    ),
    "PageSettings": _record(
        ("ws_port", "protocol"), {"ws_port": {"type": "integer"}, "protocol": {"const": "zhiyin.desk.v1"}}
    ),
}
