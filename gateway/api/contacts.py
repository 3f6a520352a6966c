"""The API of contacts: the bundle of a customer's contact, and the bundles of a desk.

In: ``GET /v1/customers/{id}/bundle`` and ``GET /v1/bundles``, each with a token. Out: JSON, the wording picked by
``Accept-Language`` beside both. Refused, as a ``HttpProblem``: no token, one of another role, a customer without a
contact that is under way, or one whom the token may not see (both 404: who may not see him does not learn that he
called).
"""

from collections.abc import Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.api.languages import TAGS, picked_language
from gateway.auth.bearer import Bearers
from gateway.auth.roles import LIST_BUNDLES, SEE_BUNDLE
from gateway.auth.tokens import Token
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.runtime.metrics import GatewayMetrics
from gateway.services.audit import Auditor
from operators.records.events import CUSTOMER_ID_CHARS
from state.audit.trail import BUNDLE
from state.contacts.bundles import RedisBundleRepository
from state.hints.repository import Document


class ContactApi:
    """The routes of contacts. ``clock_ms``: epoch ms; ``auditor``: notes who was shown what."""

    def __init__(
        self,
        repository: RedisBundleRepository,
        bearers: Bearers,
        clock_ms: Callable[[], int],
        auditor: Auditor,
        metrics: GatewayMetrics,
    ) -> None:
        self._repository = repository
        self._bearers = bearers
        self._clock_ms = clock_ms
        self._auditor = auditor
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """One route an endpoint."""
        return [
            Route("/v1/customers/{customer_id:path}/bundle", self._bundle, methods=["GET"]),
            Route("/v1/bundles", self._desk_bundles, methods=["GET"]),
        ]

    async def _bundle(self, request: Request) -> Response:
        token = self._bearers.token(request, SEE_BUNDLE.roles)
        customer_id = known_customer_id(request)
        bundle = await self._repository.bundle(customer_id)
        if bundle is None or not self._sees(token, bundle):
            wrong = ErrorDetail("customer_id", "no contact under way", "a customer somebody is talking to")
            raise HttpProblem("not_found", f"customer: found {wrong.found}, expected {wrong.expected}", [wrong])
        await self._auditor.shown(token, "look_up", [bundle], BUNDLE)
        return spoken_answer(request, lambda language: _spoken(bundle, language))

    async def _desk_bundles(self, request: Request) -> Response:
        token = self._bearers.token(request, LIST_BUNDLES.roles)
        stored = await self._repository.desk_bundles(token.subject, self._clock_ms())
        bundles = [bundle for bundle in stored if self._sees(token, bundle)]
        await self._auditor.shown(token, "list", bundles, BUNDLE)
        return spoken_answer(request, lambda language: {"bundles": [_spoken(item, language) for item in bundles]})

    def _sees(self, token: Token, bundle: Document) -> bool:
        allowed = token.reach.allows(bundle["branch"], bundle["region"])
        if not allowed:
            self._metrics.out_of_reach.labels("rest").inc()
        return allowed


def known_customer_id(request: Request) -> str:
    """The customer in the path. Raises HttpProblem when his id is too long."""
    customer_id: str = request.path_params["customer_id"]
    if not 1 <= len(customer_id) <= CUSTOMER_ID_CHARS:
        wrong = ErrorDetail("customer_id", f"{len(customer_id)} characters", f"1 to {CUSTOMER_ID_CHARS} characters")
        raise HttpProblem("invalid", f"{wrong.path}: found {wrong.found}, expected {wrong.expected}", [wrong])
    return customer_id


def spoken_answer(request: Request, document_in: Callable[[str], Document]) -> Response:
    """The answer in the language that the request picks; ``document_in(language)``: the document in it."""
    language = picked_language(request.headers.get("accept-language"))
    headers = {"Cache-Control": "no-store", "Content-Language": TAGS[language], "Vary": "Accept-Language"}
    return Response(msgspec.json.encode(document_in(language)), headers=headers, media_type="application/json")


def _spoken(bundle: Document, language: str) -> Document:
    """The bundle with the text to say in one language beside the texts in both."""

    def with_wording(matter: Document | None) -> Document | None:
        return None if matter is None else {**matter, "say": matter["text"][language]}

    troubles = {name: with_wording(bundle[name]) for name in ("interruption", "struggling")}
    return {**bundle, **troubles, "needs": [with_wording(need) for need in bundle["needs"]]}
