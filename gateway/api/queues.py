"""The API of routing: the queue, taking a hint from it, and who is on line.

In: ``GET /v1/queue``, ``POST /v1/hints/{id}/claims``, ``GET /v1/desks``, each with a token. Out: JSON. Refused, as a
``HttpProblem``: no token, one of another role, a hint that somebody else has taken, that is over, or that the token may
not see.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.api.contacts import spoken_answer
from gateway.auth.bearer import Bearers
from gateway.auth.roles import LIST_DESKS, TAKE_HINT
from gateway.auth.tokens import Token
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.runtime.metrics import GatewayMetrics
from gateway.services.audit import Auditor
from operators.records.routing import has_skill, queue_of
from state.contacts.handover import HintHandover
from state.contacts.presence import Presence
from state.hints.repository import HintRepository


class QueueApi:
    """The routes of routing. ``clock_ms``: epoch ms; ``auditor``: notes who was shown what."""

    def __init__(
        self,
        repository: HintRepository,
        presence: Presence,
        rerouting: HintHandover,
        bearers: Bearers,
        clock_ms: Callable[[], int],
        auditor: Auditor,
        metrics: GatewayMetrics,
    ) -> None:
        self._repository = repository
        self._presence = presence
        self._rerouting = rerouting
        self._bearers = bearers
        self._clock_ms = clock_ms
        self._auditor = auditor
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """One route an endpoint."""
        return [
            Route("/v1/queue", self._queue, methods=["GET"]),
            Route("/v1/hints/{hint_id}/claims", self._claim, methods=["POST"]),
            Route("/v1/desks", self._desks, methods=["GET"]),
        ]

    async def _queue(self, request: Request) -> Response:
        token = self._bearers.token(request, TAKE_HINT.roles)
        queue = queue_of(token.branch)
        # The position first: what is published in between comes again over the websocket, and is never missed.
        position = await self._repository.position(queue)
        stored = await self._repository.desk_hints(queue, self._clock_ms())
        hints = [hint for hint in stored if may_take(token, hint, self._metrics)]
        await self._auditor.shown(token, "queue", hints)
        head = {"queue": queue, "epoch": position.epoch, "offset": position.offset}
        return spoken_answer(
            request, lambda language: {**head, "hints": [{**hint, "say": hint["text"][language]} for hint in hints]}
        )

    async def _claim(self, request: Request) -> Response:
        token = self._bearers.token(request, TAKE_HINT.roles)
        hint_id = request.path_params["hint_id"]
        hint = await self._repository.hint(hint_id)
        if hint is None or not may_take(token, hint, self._metrics):
            raise _refused("not_found", "no such hint", "one of your queue")
        owner = await self._rerouting.look_up(hint_id)
        if owner is not None and owner.desk_id not in (token.subject, queue_of(token.branch)):
            raise _refused("conflict", "one that another desk has", "one of your queue")
        taken_by = await self._rerouting.hand_to(hint_id, token.subject, self._clock_ms())
        if taken_by != token.subject:
            raise _refused("conflict", "one that another desk has, or that is over", "one of your queue")
        body = msgspec.json.encode({"hint_id": hint_id, "taken_by": taken_by})
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")

    async def _desks(self, request: Request) -> Response:
        self._bearers.token(request, LIST_DESKS.roles)
        seats = await self._presence.on_line(self._clock_ms())
        return Response(
            msgspec.json.encode({"desks": seats}), headers={"Cache-Control": "no-store"}, media_type="application/json"
        )


def may_see(token: Token, hint: dict[str, Any], metrics: GatewayMetrics) -> bool:
    """Whether the customer of a hint may be seen with this token; who may not is counted."""
    allowed = token.reach.allows(hint.get("branch"), hint.get("region"))
    if not allowed:
        metrics.out_of_reach.labels("rest").inc()
    return allowed


def may_take(token: Token, hint: dict[str, Any], metrics: GatewayMetrics) -> bool:
    """Whether a hint of a queue is for this desk: it may see the customer and has the skill."""
    return has_skill(token.skills, hint.get("skill")) and may_see(token, hint, metrics)


def _refused(kind: str, found: str, expected: str) -> HttpProblem:
    wrong = ErrorDetail("hint_id", found, expected)
    return HttpProblem(kind, f"hint: found {found}, expected {expected}", [wrong])
