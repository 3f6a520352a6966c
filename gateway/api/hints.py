"""The API of hints: look-ups for bots and desks, reports of what became of a hint.

In: ``GET /v1/customers/{id}/next-hints``, ``GET /v1/hints``, ``POST /v1/hints/{id}/states``,
each with a token. Out: JSON, the wording picked by ``Accept-Language`` beside both.
Refused, as a ``HttpProblem``: no token, one of another role, another surface or state than
there is, a hint that is unknown, over, or another desk's.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.api.idempotency import IdempotentAnswers, idempotency_key
from gateway.api.languages import TAGS, picked_language
from gateway.api.queues import may_see
from gateway.auth.bearer import Bearers
from gateway.auth.roles import LIST_DESK, LOOK_UP, REPORT
from gateway.auth.tokens import Token
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.http.request_body import read_body
from gateway.runtime.metrics import GatewayMetrics
from gateway.services.audit import Auditor
from gateway.services.hint_feedback import Feedback, FeedbackRefused, Opinion
from operators.records.catalogue import Code, Surface
from operators.records.events import CUSTOMER_ID_CHARS, excerpt, wrong_type
from state.hints.repository import HintRepository
from state.redis.keys import desk_channel

REPORT_BYTES: Final = 4 * 1024
SURFACES: Final[tuple[str, ...]] = get_args(Surface)
STATES: Final = "shown, used or dismissed"
_REFUSALS: Final = {"unknown_hint": "not_found", "not_yours": "forbidden", "not_open": "conflict"}


class StateReport(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a hint, as ``POST /v1/hints/{id}/states`` takes it."""

    state: Literal["shown", "used", "dismissed"]
    helpful: Annotated[bool | None, msgspec.Meta(description="Whether it helped, where the agent said so.")] = None
    reason: Annotated[Code | None, msgspec.Meta(description="The code of the reason the agent found.")] = None


class HintApi:
    """The routes of hints. ``clock_ms``: epoch ms; ``auditor``: notes who was shown what."""

    def __init__(
        self,
        repository: HintRepository,
        feedback: Feedback,
        bearers: Bearers,
        clock_ms: Callable[[], int],
        auditor: Auditor,
        metrics: GatewayMetrics,
    ) -> None:
        self._auditor = auditor
        self._metrics = metrics
        self._repository = repository
        self._feedback = feedback
        self._bearers = bearers
        self._clock_ms = clock_ms
        self._answers = IdempotentAnswers()

    def routes(self) -> list[Route]:
        """One route an endpoint."""
        return [
            Route("/v1/customers/{customer_id:path}/next-hints", self._next_hints, methods=["GET"]),
            Route("/v1/hints", self._desk_hints, methods=["GET"]),
            Route("/v1/hints/{hint_id}/states", self._report, methods=["POST"]),
        ]

    async def _next_hints(self, request: Request) -> Response:
        token = self._bearers.token(request, LOOK_UP.roles)
        customer_id, surface = request.path_params["customer_id"], request.query_params.get("surface", "chatbot")
        _check_look_up(customer_id, surface)
        stored = await self._repository.next_hints(customer_id, self._clock_ms(), surface)
        hints = [hint for hint in stored if may_see(token, hint, self._metrics)]
        await self._auditor.shown(token, "look_up", hints)
        return _hints_answer({"customer_id": customer_id, "surface": surface}, hints, request)

    async def _desk_hints(self, request: Request) -> Response:
        token = self._bearers.token(request, LIST_DESK.roles)
        desk_id = token.subject
        # The position first: what is published in between comes again over the websocket, and is never missed.
        position = await self._repository.position(desk_channel(desk_id))
        stored = await self._repository.desk_hints(desk_id, self._clock_ms())
        hints = [hint for hint in stored if may_see(token, hint, self._metrics)]
        await self._auditor.shown(token, "list", hints)
        return _hints_answer({"epoch": position.epoch, "offset": position.offset}, hints, request)

    async def _report(self, request: Request) -> Response:
        token = self._bearers.token(request, REPORT.roles)
        hint_id = request.path_params["hint_id"]
        body = await read_body(request, REPORT_BYTES)
        report = _read_report(body)

        async def made() -> bytes:
            return await self._reported(hint_id, report, token)

        key = idempotency_key(request)
        if key is None:
            return _json(await made())
        fingerprint = msgspec.json.encode((hint_id, report))
        return _json(await self._answers.answer((f"{token.role}:{token.subject}", key), fingerprint, made))

    async def _reported(self, hint_id: str, report: StateReport, token: Token) -> bytes:
        try:
            opinion = Opinion(report.helpful, report.reason)
            change = await self._feedback.report(hint_id, report.state, opinion, token)
        except FeedbackRefused as error:
            expected = f"one of yours that can become {report.state}"
            wrong = ErrorDetail("hint_id", error.found, expected)
            raise HttpProblem(_REFUSALS[error.code], str(error), [wrong]) from error
        return msgspec.json.encode({"hint_id": hint_id, "state": change.state, "changed": change.changed})


def _hints_answer(head: dict[str, Any], hints: Iterable[dict[str, Any]], request: Request) -> Response:
    """``head`` and the hints, each with ``say``: its text in the language picked."""
    language = picked_language(request.headers.get("accept-language"))
    document = {**head, "hints": [{**hint, "say": hint["text"][language]} for hint in hints]}
    response = _json(msgspec.json.encode(document))
    response.headers.update({"Content-Language": TAGS[language], "Vary": "Accept-Language"})
    return response


def _check_look_up(customer_id: str, surface: str) -> None:
    errors = []
    if not 1 <= len(customer_id) <= CUSTOMER_ID_CHARS:
        expected = f"1 to {CUSTOMER_ID_CHARS} characters"
        errors.append(ErrorDetail("customer_id", f"{len(customer_id)} characters", expected))
    if surface not in SURFACES:
        errors.append(ErrorDetail("surface", repr(surface[:40]), " or ".join(SURFACES)))
    if errors:
        raise HttpProblem(
            "invalid", "; ".join(f"{e.path}: found {e.found}, expected {e.expected}" for e in errors), errors
        )


def _read_report(body: bytes) -> StateReport:
    try:
        return msgspec.json.decode(body, type=StateReport)
    except msgspec.ValidationError as error:
        wrong = wrong_type(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_report("$", excerpt(body), f"one JSON object in UTF-8 ({error})") from error
    raise _no_report(wrong.path, wrong.found, STATES if wrong.path == "$.state" else wrong.expected)


def _no_report(path: str, found: str, expected: str) -> HttpProblem:
    wrong = ErrorDetail(path, found, expected)
    return HttpProblem("invalid", f"{path}: found {found}, expected {expected}", [wrong])


def _json(body: bytes) -> Response:
    return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")
