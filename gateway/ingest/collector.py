"""Events in over HTTP: the Segment spec's endpoints, answered event by event.

In: ``POST /v1/{track,identify,page,screen,group,alias}`` with one event, ``/v1/batch``
with up to 2,500. Out: 200 ``{"success", "accepted", "rejected": []}`` (204 for a beacon)
once the bus has what was accepted. Refused: what ``gateway.ingest.event_validation`` refuses, event by
event; nothing accepted is a 400 (413 when every event is too big); 503 with Retry-After
when the bus cannot keep it. A yes is never said to what was not kept.
"""

import functools
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from config.settings.write_key_scopes import WriteKeyScope
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.http.request_body import read_body
from gateway.http.store_errors import ERRORS, unavailable
from gateway.ingest.batches import BATCH_BYTES, Batch, read_batch, read_write_key
from gateway.ingest.event_validation import NewId, RefusedEvent, RequestContext, ValidationResult, validate_all
from gateway.ingest.write_keys import WriteKeys
from gateway.runtime.metrics import GatewayMetrics
from operators.records.events import Rejection
from state.bus.protocol import EventAppender, OutgoingEvent

SINGLE_TYPES: Final = ("track", "identify", "page", "screen", "group", "alias")
COLLECTOR_PATHS: Final = (*(f"/v1/{kind}" for kind in SINGLE_TYPES), "/v1/batch")
_WHOLLY: Final = {"too_big": "too_big", "not_with_this_key": "forbidden"}
"""What the whole request is when all its events are refused for one reason."""
_ALL_TAKEN: Final = b'{"success":true,"accepted":1,"rejected":[]}'


def wall_clock_ms() -> int:
    """Now, in epoch ms."""
    return time.time_ns() // 1_000_000


def random_message_id() -> str:
    """A messageId for an event that came without one."""
    return f"zhiyin-{uuid.uuid4().hex}"


class Collector:
    """The endpoints that take events.

    ``max_future_ms``: how far ahead of our clock a corrected time may lie; ``keeps_all``: whether fields that nobody
    reads are kept.
    """

    def __init__(
        self,
        bus: EventAppender,
        keys: WriteKeys,
        metrics: GatewayMetrics,
        max_future_ms: int,
        clock_ms: Callable[[], int] = wall_clock_ms,
        new_id: NewId = random_message_id,
        *,
        keeps_all: bool = False,
    ) -> None:
        self._bus = bus
        self._keys = keys
        self._metrics = metrics
        self._max_future_ms = max_future_ms
        self._clock_ms = clock_ms
        self._new_id = new_id
        self._keeps_all = keeps_all

    def routes(self) -> list[Route]:
        """One route an endpoint."""
        singles = [
            Route(f"/v1/{kind}", functools.partial(self._single, kind), methods=["POST"], name=kind)
            for kind in SINGLE_TYPES
        ]
        return [*singles, Route("/v1/batch", self._batch, methods=["POST"], name="batch")]

    async def _single(self, kind: str, request: Request) -> Response:
        scope, body = await self._body(request)
        if scope is None:
            scope = self._admitted(self._keys.check_body(read_write_key(body)), request)
        self._keys.require(scope, 1)
        request_context = RequestContext(
            self._clock_ms(), self._max_future_ms, expected_type=kind, scope=scope, keeps_all=self._keeps_all
        )
        return await self._take(kind, [body.strip()], request_context, request)

    async def _batch(self, request: Request) -> Response:
        scope, body = await self._body(request)
        batch = read_batch(body)
        if scope is None:
            key = batch.write_key if isinstance(batch, Batch) else read_write_key(body)
            scope = self._admitted(self._keys.check_body(key), request)
        if isinstance(batch, Rejection):
            raise self._refused_whole(batch)
        self._keys.require(scope, len(batch.events))
        request_context = RequestContext(
            self._clock_ms(),
            self._max_future_ms,
            sent_at=batch.sent_at,
            context=batch.context,
            scope=scope,
            keeps_all=self._keeps_all,
        )
        return await self._take("batch", batch.events, request_context, request)

    async def _body(self, request: Request) -> tuple[WriteKeyScope | None, bytes]:
        """The key's scope where the header has the key, and the body."""
        header = request.headers.get("authorization")
        scope = None if header is None else self._admitted(self._keys.check_header(header), request)
        try:
            return scope, await read_body(request, BATCH_BYTES)
        except HttpProblem as problem:
            self._metrics.events_rejected.labels(problem.kind).inc()
            raise

    def _admitted(self, scope: WriteKeyScope, request: Request) -> WriteKeyScope:
        """Raises HttpProblem when the key is not for pages of this origin."""
        origin = request.headers.get("origin")
        if scope.origins is not None and origin is not None and origin not in scope.origins:
            wrong = ErrorDetail("Origin", repr(origin)[:120], " or ".join(sorted(scope.origins)))
            raise HttpProblem("forbidden", f"found a page of {wrong.found}, expected {wrong.expected}", [wrong])
        return scope

    async def _take(
        self, endpoint: str, raws: Sequence[bytes], request_context: RequestContext, request: Request
    ) -> Response:
        result = validate_all(raws, request_context, self._new_id)
        self._metrics.events_received.labels(endpoint).inc(len(raws))
        for refused in result.refused:
            self._metrics.events_rejected.labels(refused.kind).inc()
        if not result.admitted:
            raise nothing_accepted(result.refused)
        await self._keep(result.admitted)
        self._metrics.events_accepted.labels(endpoint).inc(len(result.admitted))
        return _answer(result, request)

    async def _keep(self, events: Sequence[OutgoingEvent]) -> None:
        try:
            await self._bus.append(events)
        except ERRORS as error:
            problem = unavailable(error)
            self._metrics.bus_refusals.labels(problem.kind).inc()
            raise problem from error

    def _refused_whole(self, rejection: Rejection) -> HttpProblem:
        self._metrics.events_rejected.labels(rejection.kind).inc()
        return HttpProblem("too_big" if rejection.kind == "too_big" else "invalid", str(rejection), [rejection])


def nothing_accepted(refused: Sequence[RefusedEvent]) -> HttpProblem:
    """The answer when no event of the request was taken."""
    first = refused[0]
    kinds = {event.kind for event in refused}
    kind = _WHOLLY.get(first.kind, "invalid") if len(kinds) == 1 else "invalid"
    detail = f"{first.path}: found {first.found}, expected {first.expected}"
    if len(refused) > 1:
        detail = f"none of {len(refused)} events was taken; the first: {detail}"
    return HttpProblem(kind, detail, refused, more={"success": False, "accepted": 0, "rejected": refused})


def _answer(result: ValidationResult, request: Request) -> Response:
    accepted, refused = len(result.admitted), result.refused
    if refused:
        body = msgspec.json.encode({"success": False, "accepted": accepted, "rejected": refused})
        return Response(body, media_type="application/json")
    if request.headers.get("content-type", "").startswith("text/plain"):
        return Response(status_code=204)
    body = _ALL_TAKEN if accepted == 1 else b'{"success":true,"accepted":%d,"rejected":[]}' % accepted
    return Response(body, media_type="application/json")
