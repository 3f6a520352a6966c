"""The API of journeys: maps, pain points, and what people say became of them.

In: ``GET /v1/journeys``, ``GET /v1/journeys/{journey}/map``, ``GET /v1/pain-points``, ``POST
/v1/pain-points/{id}/states``, each with a token. Out: JSON. A report goes to the engine by the bus, which is the only
one that changes a pain point: the answer is 202, the new state is seen a moment later.
Refused, as a ``HttpProblem``: a token of another role, a journey, window or pain point there is not, a state that does
not follow from the present one.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.api.journey_documents import MapView, map_document
from gateway.auth.bearer import Bearers
from gateway.auth.roles import SEE_JOURNEYS, WORK_PAIN_POINTS
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.http.request_body import read_body
from operators.monitoring.journey_map import WINDOWS
from operators.monitoring.pain_points import MAY_BECOME, STATES
from operators.records.events import PAIN_POINT_REPORTED, excerpt, wrong_type
from operators.records.facts import stable_id
from operators.support.timestamps import iso_text
from state.bus.protocol import EventAppender, OutgoingEvent
from state.monitoring.journey_maps import JourneyMaps
from state.monitoring.pain_points import PainPoints

REPORT_BYTES: Final = 4 * 1024
NAME_CHARS: Final = 100


class PainPointReport(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a pain point, as ``POST /v1/pain-points/{id}/states`` takes it."""

    state: Literal["assigned", "fixed", "dismissed"]
    assignee: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS)] | None = None


class JourneyApi:
    """The routes of journeys. ``clock_ms``: epoch ms."""

    def __init__(
        self, maps: JourneyMaps, points: PainPoints, bus: EventAppender, bearers: Bearers, clock_ms: Callable[[], int]
    ) -> None:
        self._maps = maps
        self._points = points
        self._bus = bus
        self._bearers = bearers
        self._clock_ms = clock_ms

    def routes(self) -> list[Route]:
        """One route an endpoint."""
        return [
            Route("/v1/journeys", self._journeys, methods=["GET"]),
            Route("/v1/journeys/{journey}/map", self._map, methods=["GET"]),
            Route("/v1/pain-points", self._pain_points, methods=["GET"]),
            Route("/v1/pain-points/{pain_point_id}/states", self._report, methods=["POST"]),
        ]

    async def _journeys(self, request: Request) -> Response:
        self._bearers.token(request, SEE_JOURNEYS.roles)
        return _json({"journeys": list((await self._maps.journeys()).values())})

    async def _map(self, request: Request) -> Response:
        self._bearers.token(request, SEE_JOURNEYS.roles)
        query, name = request.query_params, request.path_params["journey"]
        window = WINDOWS.get(query.get("window", "1h"))
        if window is None:
            raise _wrong("window", repr(query["window"][:40]), f"one of {', '.join(WINDOWS)}")
        journeys = await self._maps.journeys()
        if name not in journeys:
            raise _unknown("journey", name, f"one of {', '.join(journeys) or 'none so far: nobody has begun one'}")
        newest_ms = max((await self._maps.newest_ms(journeys)).values(), default=0)
        panes = await self._maps.panes(name, window, newest_ms)
        view = MapView(window, newest_ms, query.get("channel") or None, query.get("group") or None)
        return _json(map_document(journeys[name], panes, view))

    async def _pain_points(self, request: Request) -> Response:
        self._bearers.token(request, SEE_JOURNEYS.roles)
        journey, state = request.query_params.get("journey"), request.query_params.get("state")
        if state is not None and state not in STATES:
            raise _wrong("state", repr(state[:40]), f"one of {', '.join(STATES)}")
        points = [
            point
            for point in await self._points.all()
            if journey in (None, "", point["journey"]) and state in (None, point["state"])
        ]
        return _json({"pain_points": points})

    async def _report(self, request: Request) -> Response:
        token = self._bearers.token(request, WORK_PAIN_POINTS.roles)
        report = _read_report(await read_body(request, REPORT_BYTES))
        pain_point_id = request.path_params["pain_point_id"]
        point = await self._points.one(pain_point_id)
        if point is None:
            raise _unknown("pain_point_id", pain_point_id, "one that GET /v1/pain-points lists")
        if point["state"] not in MAY_BECOME[report.state]:
            wrong = ErrorDetail("$.state", f"a pain point that is {point['state']}", _expected(report.state))
            raise HttpProblem("conflict", f"{pain_point_id}: found {wrong.found}, expected {wrong.expected}", [wrong])
        await self._bus.append((_event(point, report, token.subject, self._clock_ms()),))
        return _json({"id": pain_point_id, "state": report.state, "was": point["state"]}, 202)


def _event(point: dict[str, Any], report: PainPointReport, by: str, now_ms: int) -> OutgoingEvent:
    """Pain points belong to no customer; they are published as if they were one, so that their events stay in order."""
    about = f"pain-point:{point['id']}"
    event = {
        "type": "track",
        "event": PAIN_POINT_REPORTED,
        "messageId": stable_id("pain point", point["id"], report.state, report.assignee or "", str(now_ms)),
        "userId": about,
        "timestamp": iso_text(now_ms),
        "properties": {
            "journey": point["journey"],
            "pain_point_id": point["id"],
            "pain_point_state": report.state,
            "assignee": report.assignee,
            "agent_id": by,
        },
        "context": {"channel": "server", "library": {"name": "zhiyin-gateway"}},
    }
    return OutgoingEvent(about, now_ms, msgspec.json.encode(event))


def _read_report(body: bytes) -> PainPointReport:
    try:
        report = msgspec.json.decode(body, type=PainPointReport)
    except msgspec.ValidationError as error:
        wrong = wrong_type(error)
        expected = "assigned, fixed or dismissed" if wrong.path == "$.state" else wrong.expected
        raise _wrong(wrong.path, wrong.found, expected) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong("$", excerpt(body), f"one JSON object in UTF-8 ({error})") from error
    if report.state == "assigned" and report.assignee is None:
        raise _wrong("$.assignee", "none", "who takes it, where the state is assigned")
    return report


def _expected(state: str) -> str:
    return f"one that is {' or '.join(sorted(MAY_BECOME[state]))}"


def _wrong(path: str, found: str, expected: str) -> HttpProblem:
    return HttpProblem("invalid", f"{path}: found {found}, expected {expected}", [ErrorDetail(path, found, expected)])


def _unknown(path: str, found: str, expected: str) -> HttpProblem:
    wrong = ErrorDetail(path, repr(found[:60]), expected)
    return HttpProblem("not_found", f"{path}: found {wrong.found}, expected {expected}", [wrong])


def _json(document: dict[str, Any], status: int = 200) -> Response:
    body = msgspec.json.encode(document)
    return Response(body, status, headers={"Cache-Control": "no-store"}, media_type="application/json")
