"""The part of the OpenAPI document that is about journeys and pain points: paths and shapes.

In: how operations are laid out (``gateway.openapi.document``). Out: paths, and ``JOURNEY_SCHEMAS``. Refused: nothing.
"""

from typing import Any, Final

from gateway.openapi.openapi_types import OperationBuilder, Schema
from operators.monitoring.journey_map import WINDOWS
from operators.monitoring.pain_points import MAY_BECOME, STATES

_TIME: Final = {"type": "string", "format": "date-time"}
_MAYBE_TIME: Final = {"type": ["string", "null"], "format": "date-time"}
_MAYBE_NUMBER: Final = {"type": ["number", "null"]}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}
_COUNT: Final = {"type": "integer", "minimum": 0}
_COUNTS: Final = {"type": "object", "additionalProperties": _COUNT}
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}


def _record(properties: Schema, **more: object) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties, **more}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_BOTH_LANGUAGES: Final = _record({"zh": {"type": "string"}, "en": {"type": "string"}})
_OWNER: Final = {
    "type": ["object", "null"],
    "properties": {"system": {"type": "string"}, "department": {"type": "string"}},
}
_STEP: Final = {"id": {"type": "string"}, "title": _BOTH_LANGUAGES, "final": {"type": "boolean"}, "owner": _OWNER}
_JOURNEY: Final = {"journey": {"type": "string"}, "title": _BOTH_LANGUAGES, "steps": _list(_record(_STEP))}
_DWELL: Final = _record({"count": _COUNT, "p50_s": _MAYBE_NUMBER, "p90_s": _MAYBE_NUMBER, "p99_s": _MAYBE_NUMBER})
_OUTCOMES: Final = dict.fromkeys(("started", "completed", "abandoned", "returned", "cancelled", "expired"), _COUNT)
_MAP_STEP: Final = _record(
    {
        **_STEP,
        "arrived": _COUNT,
        **_OUTCOMES,
        "loss": _ref("Share"),
        "failure": _ref("Share"),
        "failures": _list(_record({"code": {"type": "string"}, "count": _COUNT})),
        "dwell": _DWELL,
    }
)
_SIDE: Final = _record(
    {
        "cases": _COUNT,
        "trials": _COUNT,
        "share": _MAYBE_NUMBER,
        "low": {"type": "number"},
        "high": {"type": "number"},
        "usual": _MAYBE_NUMBER,
    }
)
_FIX: Final = {
    "type": ["object", "null"],
    "description": "once it is said to be fixed: the share before and after, with 95 % intervals",
    "properties": {
        "metric": {"enum": ["loss", "slow", "failure"]},
        "before": _SIDE,
        "after": _SIDE,
        "difference": _MAYBE_NUMBER,
        "low": _MAYBE_NUMBER,
        "high": _MAYBE_NUMBER,
        "verdict": {"enum": ["waiting", "worked", "better", "unproven"]},
    },
}
_SYMPTOM: Final = _record(
    {
        "metric": {"enum": ["loss", "slow", "failure"]},
        "scope": {"type": "string"},
        "against": {"enum": ["past", "neighbours"]},
        "found": {"type": "number"},
        "usual": {"type": "number"},
        "trials": _COUNT,
        "since": _TIME,
    }
)

JOURNEY_SCHEMAS: Final[Schema] = {
    "Share": _record(
        {"share": _MAYBE_NUMBER, "low": _MAYBE_NUMBER, "high": _MAYBE_NUMBER, "of": _COUNT},
        description="a share of 1 with its 95 % interval; null where there is nothing to share",
    ),
    "Journeys": _record({"journeys": _list(_record(_JOURNEY))}),
    "JourneyMap": _record(
        {
            **_JOURNEY,
            "steps": _list(_MAP_STEP),
            "window": {"enum": list(WINDOWS)},
            "channel": _MAYBE_TEXT,
            "group": _MAYBE_TEXT,
            "channels": _TEXTS,
            "groups": _TEXTS,
            "since": _TIME,
            "as_of": {**_TIME, "description": "when the newest event of any journey was: the window ends with it"},
            "totals": _record(_OUTCOMES),
            "moves": _list(_record({"from": {"type": "string"}, "to": {"type": "string"}, "count": _COUNT})),
            "series": _record(
                {
                    "pane_s": _COUNT,
                    "since": _TIME,
                    **{kind: _list(_COUNT) for kind in ("started", "completed", "abandoned")},
                }
            ),
            "satisfaction": _record(
                {
                    "surveys": _COUNT,
                    "scores": _COUNTS,
                    "mean_score": _MAYBE_NUMBER,
                    "satisfied": _ref("Share"),
                    "helped": _ref("Share"),
                    "solved": _ref("Share"),
                    "interrupted": _MAYBE_NUMBER,
                }
            ),
        }
    ),
    "PainPoint": _record(
        {
            "id": {"type": "string"},
            "journey": {"type": "string"},
            "step": {"type": "string"},
            "state": {"enum": list(STATES)},
            "scope": {"type": "string", "description": "`all`, `channel:NAME` or `group:NAME`"},
            "owner": _OWNER,
            "boundary": _record(
                {
                    "kind": {"enum": ["step", "system", "department"]},
                    "step_before": _MAYBE_TEXT,
                    "owner_before": _OWNER,
                }
            ),
            "assignee": _MAYBE_TEXT,
            "opened_at": _TIME,
            "since": _TIME,
            "fixed_at": _MAYBE_TIME,
            "seen_at": _TIME,
            "lost": {"type": "number", "description": "customers who broke off beyond what is usual"},
            "lost_a_week": {"type": "number"},
            "times_reopened": _COUNT,
            "symptoms": _list(_SYMPTOM),
            "fix": _FIX,
            "history": _list(_record({"word": {"type": "string"}, "at": _TIME, "by": {"type": "string"}})),
        }
    ),
    "PainPoints": _record({"pain_points": _list(_ref("PainPoint"))}),
    "PainPointReport": {
        "type": "object",
        "required": ["state"],
        "additionalProperties": False,
        "properties": {
            "state": {"enum": sorted(MAY_BECOME)},
            "assignee": {"type": "string", "minLength": 1, "maxLength": 100, "description": "who takes it"},
        },
    },
    "PainPointTaken": _record({"id": {"type": "string"}, "state": {"type": "string"}, "was": {"type": "string"}}),
}


def journey_paths(build_operation: OperationBuilder) -> dict[str, Any]:
    """The paths. ``build_operation``: lays out a GET with a token."""
    seen = (400, 401, 403, 404, 503)
    report = build_operation(
        "reportPainPoint",
        "Say who takes a pain point, that it is fixed, or that it is none",
        "PainPointTaken",
        [_parameter("pain_point_id", "path")],
        (400, 401, 403, 404, 408, 409, 413, 415, 503),
    )
    report["responses"]["202"] = report["responses"].pop("200")
    report["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref("PainPointReport")}}}
    window = {**_parameter("window", "query"), "schema": {"enum": list(WINDOWS), "default": "1h"}}
    parts = [_parameter("channel", "query"), _parameter("group", "query")]
    states = {**_parameter("state", "query"), "schema": {"enum": list(STATES)}}
    return {
        "/v1/journeys": {
            "get": build_operation("journeys", "The journeys that somebody has begun", "Journeys", [], seen[1:])
        },
        "/v1/journeys/{journey}/map": {
            "get": build_operation(
                "journeyMap", "How a journey goes", "JourneyMap", [_parameter("journey", "path"), window, *parts], seen
            )
        },
        "/v1/pain-points": {
            "get": build_operation(
                "painPoints",
                "Where customers are lost, the costliest first",
                "PainPoints",
                [_parameter("journey", "query"), states],
                seen,
            )
        },
        "/v1/pain-points/{pain_point_id}/states": {"post": report},
    }


def _parameter(name: str, location: str) -> Schema:
    return {"name": name, "in": location, "required": location == "path", "schema": {"type": "string"}}
