"""The API of the outreach list: whom to call first, who calls, and what came of it.

In: ``GET /v1/outreach``, ``POST`` and ``DELETE /v1/outreach/{id}/claims``, ``POST /v1/outreach/{id}/outcomes``, ``PUT``
and ``DELETE /v1/customers/{id}/do-not-call``, each with an agent's token. Out: JSON, the wording picked by
``Accept-Language`` beside both. Refused, as a ``HttpProblem``: no token, one of another role, an entry that is unknown,
over, another agent's or not claimed, a claim in the quiet hours.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.api.idempotency import IdempotentAnswers, idempotency_key
from gateway.api.languages import TAGS, picked_language
from gateway.api.outreach_requests import cursor_of, read_outcome, wanted_page
from gateway.auth.bearer import Bearers
from gateway.auth.roles import CALL, FORBID_CALLS, LIST_OUTREACH
from gateway.auth.tokens import Token
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.http.request_body import read_body
from gateway.runtime.metrics import GatewayMetrics
from gateway.services.audit import Auditor
from gateway.services.outreach_claims import CallRefused, OutreachClaims, quiet_end_ms
from operators.records.events import CUSTOMER_ID_CHARS
from operators.records.routing import EVERYBODY, has_skill
from operators.support.timestamps import iso_text
from state.outreach.claims import OutreachRepository

Answer = TypeVar("Answer")

BODY_BYTES: Final = 4 * 1024
MINUTE_MS: Final = 60_000
_PROBLEMS: Final = {
    "unknown": "not_found",
    "over": "over",
    "taken": "taken",
    "unclaimed": "unclaimed",
    "quiet_hours": "quiet_hours",
}


class OutreachApi:
    """The routes of the outreach list. ``clock_ms``: epoch ms; ``auditor``: notes who was shown what."""

    def __init__(
        self,
        repository: OutreachRepository,
        calls: OutreachClaims,
        bearers: Bearers,
        clock_ms: Callable[[], int],
        auditor: Auditor,
        metrics: GatewayMetrics,
    ) -> None:
        self._repository = repository
        self._calls = calls
        self._bearers = bearers
        self._clock_ms = clock_ms
        self._auditor = auditor
        self._metrics = metrics
        self._answers = IdempotentAnswers()

    def routes(self) -> list[Route]:
        """One route an endpoint and method."""
        return [
            Route("/v1/outreach", self._list, methods=["GET"]),
            Route("/v1/outreach/{outreach_id}/claims", self._claims, methods=["POST", "DELETE"]),
            Route("/v1/outreach/{outreach_id}/outcomes", self._end, methods=["POST"]),
            Route("/v1/customers/{customer_id:path}/do-not-call", self._do_not_call, methods=["PUT", "DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        token = self._bearers.token(request, LIST_OUTREACH.roles)
        wanted = wanted_page(request.query_params)
        language = picked_language(request.headers.get("accept-language"))
        now_ms = self._clock_ms()
        # The version first: what changes while the page is read makes the next look read it again.
        # Leases and quiet hours pass without a change: a page is read anew each minute at the latest.
        tag = f'"{await self._repository.version()}.{now_ms // MINUTE_MS}.{language}"'
        headers = {"ETag": tag, "Content-Language": TAGS[language], "Vary": "Accept-Language, Authorization"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={**headers, "Cache-Control": "no-store"})
        page = await self._repository.page(wanted.journey, wanted.after, wanted.limit, now_ms)
        seen = await self._seen(token, page.entries)
        await self._auditor.listed(token, seen)
        document = {
            "outreach": [_shown(entry, token, language, now_ms) for entry in seen],
            "next_cursor": cursor_of(page.after),
        }
        return _json(document, {**headers, "Cache-Control": "no-store"})

    async def _claims(self, request: Request) -> Response:
        return await (self._claim(request) if request.method == "POST" else self._release(request))

    async def _claim(self, request: Request) -> Response:
        token = self._bearers.token(request, CALL.roles)
        outreach_id = request.path_params["outreach_id"]

        async def made() -> bytes:
            await self._require_seen(token, outreach_id)
            claim = await _allowed(self._calls.claim(outreach_id, token.subject), self._metrics)
            self._metrics.outreach_claims.labels("renewed" if claim.renewed else "claimed").inc()
            answer = {"outreach_id": outreach_id, "claimed_by": token.subject}
            return msgspec.json.encode({**answer, "claimed_until": iso_text(claim.until_ms), "renewed": claim.renewed})

        return await self._once(request, token, ("claim", outreach_id), made)

    async def _release(self, request: Request) -> Response:
        token = self._bearers.token(request, CALL.roles)
        outreach_id = request.path_params["outreach_id"]
        await self._require_seen(token, outreach_id)
        released = await _allowed(self._calls.release(outreach_id, token.subject), self._metrics)
        if released:
            self._metrics.outreach_claims.labels("released").inc()
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _end(self, request: Request) -> Response:
        token = self._bearers.token(request, CALL.roles)
        outreach_id = request.path_params["outreach_id"]
        outcome = read_outcome(await read_body(request, BODY_BYTES))

        async def made() -> bytes:
            await self._require_seen(token, outreach_id)
            ending = await _allowed(self._calls.end(outreach_id, token.subject, outcome), self._metrics)
            if ending.changed:
                self._metrics.outreach_outcomes.labels(outcome).inc()
            return msgspec.json.encode({"outreach_id": outreach_id, "outcome": outcome, "changed": ending.changed})

        return await self._once(request, token, ("end", outreach_id, outcome), made)

    async def _do_not_call(self, request: Request) -> Response:
        token = self._bearers.token(request, FORBID_CALLS.roles)
        customer_id, is_set = request.path_params["customer_id"], request.method == "PUT"
        if not 1 <= len(customer_id) <= CUSTOMER_ID_CHARS:
            wrong = ErrorDetail("customer_id", f"{len(customer_id)} characters", f"1 to {CUSTOMER_ID_CHARS} characters")
            raise HttpProblem("invalid", f"customer_id: found {wrong.found}, expected {wrong.expected}", [wrong])

        async def made() -> bytes:
            if not (await self._reached(token, [customer_id]))[0]:
                wrong = ErrorDetail("customer_id", "a customer of another branch", "one whom this token may see")
                raise HttpProblem("forbidden", f"customer_id: found {wrong.found}, expected {wrong.expected}", [wrong])
            wish = self._calls.forbid if is_set else self._calls.allow
            changed = await wish(customer_id, token.subject)
            return msgspec.json.encode({"customer_id": customer_id, "do_not_call": is_set, "changed": changed})

        return await self._once(request, token, ("do-not-call", customer_id, str(is_set)), made)

    async def _seen(self, token: Token, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of ``entries`` for which the token has the skill, and whose customers it may see."""
        able = [entry for entry in entries if has_skill(token.skills, entry.get("skill"))]
        reached = await self._reached(token, [item["customer_id"] for item in able])
        return [entry for entry, is_reached in zip(able, reached, strict=True) if is_reached]

    async def _require_seen(self, token: Token, outreach_id: str) -> None:
        """To who would not find it on the list, an entry is unknown. Raises HttpProblem."""
        sees_all = token.reach == EVERYBODY and token.skills is None
        owner = None if sees_all else await self._repository.owner(outreach_id)
        if owner is not None and not await self._seen(token, [owner.document]):
            wrong = ErrorDetail("outreach_id", "no such entry", "one of the list")
            raise HttpProblem(
                "not_found", f"outreach {outreach_id}: found {wrong.found}, expected {wrong.expected}", [wrong]
            )

    async def _reached(self, token: Token, customer_ids: list[str]) -> list[bool]:
        """For each customer, whether the token may see him; who may not is counted."""
        if token.reach == EVERYBODY:
            return [True] * len(customer_ids)
        reached = [
            token.reach.allows(branch, region) for branch, region in await self._repository.whereabouts(customer_ids)
        ]
        self._metrics.out_of_reach.labels("rest").inc(reached.count(False))
        return reached

    async def _once(
        self, request: Request, token: Token, about: tuple[str, ...], made: Callable[[], Awaitable[bytes]]
    ) -> Response:
        """The answer, made once an ``Idempotency-Key``."""
        key = idempotency_key(request)
        if key is None:
            return _answer(await made())
        owner = f"{token.role}:{token.subject}"
        return _answer(await self._answers.answer((owner, key), msgspec.json.encode(about), made))


def _shown(entry: dict[str, Any], token: Token, language: str, now_ms: int) -> dict[str, Any]:
    """An entry as this agent sees it: whose claim it is, and whether it may be called now."""
    until_ms, quiet_ms = entry.pop("claimed_until_ms"), quiet_end_ms(entry, now_ms)
    return {
        **entry,
        "say": entry["text"][language],
        "mine": entry["claimed_by"] == token.subject,
        "claimed_until": None if until_ms is None else iso_text(until_ms),
        "quiet_until": None if quiet_ms is None else iso_text(quiet_ms),
    }


async def _allowed(call: Awaitable[Answer], metrics: GatewayMetrics) -> Answer:
    """What the call gives, or why not as a problem."""
    try:
        return await call
    except CallRefused as error:
        metrics.outreach_claims.labels(error.kind).inc()
        wrong = ErrorDetail("outreach_id", error.found, error.expected)
        more = {} if error.until_ms is None else {"until": iso_text(error.until_ms)}
        raise HttpProblem(_PROBLEMS[error.kind], str(error), [wrong], more=more) from error


def _json(document: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(msgspec.json.encode(document), headers=headers, media_type="application/json")


def _answer(body: bytes) -> Response:
    return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")
