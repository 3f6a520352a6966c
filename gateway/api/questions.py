"""The API of hot questions: what others ask, and whether the answer helped.

In: ``GET /v1/customers/{id}/hot-questions``, ``POST /v1/questions/{id}/ratings``, each with a token. Out: JSON, the
wording picked by ``Accept-Language`` beside both; a rating goes on the bus as ``Answer Rated`` of that customer.
Refused, as a ``HttpProblem``: no token, one of another role, a customer whom the token may not see, a body that is no
rating.
"""

import uuid
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.api.contacts import known_customer_id, spoken_answer
from gateway.auth.bearer import Bearers
from gateway.auth.roles import HOT_QUESTIONS
from gateway.auth.tokens import Token
from gateway.http.problems import ErrorDetail, HttpProblem
from gateway.http.request_body import read_body
from gateway.runtime.metrics import GatewayMetrics
from operators.records.events import ANSWER_RATED, CUSTOMER_ID_CHARS, excerpt, wrong_type
from operators.records.routing import Whereabouts
from operators.support.timestamps import iso_text
from state.bus.protocol import EventAppender, OutgoingEvent
from state.contacts.bundles import RedisBundleRepository
from state.contacts.questions import RedisQuestionRepository
from state.hints.repository import HintRepository

RATING_BYTES: Final = 4 * 1024


class Rating(msgspec.Struct, forbid_unknown_fields=True):
    """Whether an answer helped a customer, as ``POST /v1/questions/{id}/ratings`` takes it."""

    customer_id: Annotated[str, msgspec.Meta(min_length=1, max_length=CUSTOMER_ID_CHARS)]
    solved: bool


class QuestionApi:
    """The routes of hot questions. ``clock_ms``: epoch ms."""

    def __init__(
        self,
        questions: RedisQuestionRepository,
        customers: RedisBundleRepository,
        hints: HintRepository,
        bus: EventAppender,
        bearers: Bearers,
        clock_ms: Callable[[], int],
        metrics: GatewayMetrics,
    ) -> None:
        self._questions = questions
        self._customers = customers
        self._hints = hints
        self._bus = bus
        self._bearers = bearers
        self._clock_ms = clock_ms
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """One route an endpoint."""
        return [
            Route("/v1/customers/{customer_id:path}/hot-questions", self._hot, methods=["GET"]),
            Route("/v1/questions/{question_id}/ratings", self._rate, methods=["POST"]),
        ]

    async def _hot(self, request: Request) -> Response:
        token = self._bearers.token(request, HOT_QUESTIONS.roles)
        customer_id = known_customer_id(request)
        known = await self._seen(token, customer_id)
        hot = await self._questions.hot(await self._groups(customer_id, known))
        return spoken_answer(request, lambda language: _spoken(hot, customer_id, language))

    async def _seen(self, token: Token, customer_id: str) -> Whereabouts:
        """Whose the customer is. Raises HttpProblem where the token may not see him; it hides if he is known."""
        known = await self._customers.whereabouts(customer_id)
        if not token.reach.allows(known.branch, known.region):
            self._metrics.out_of_reach.labels("rest").inc()
            wrong = ErrorDetail("customer_id", "a customer of another branch or region", "one whom this token may see")
            raise HttpProblem("forbidden", f"customer_id: found {wrong.found}, expected {wrong.expected}", [wrong])
        return known

    async def _groups(self, customer_id: str, known: Whereabouts) -> list[str]:
        """The customer's own group first, then that of the journey he broke off last."""
        own = [f"group:{known.group}"] if known.group else []
        hints = await self._hints.next_hints(customer_id, self._clock_ms())
        return [*own, *(f"journey:{hint['journey']}" for hint in hints[:1])]

    async def _rate(self, request: Request) -> Response:
        token = self._bearers.token(request, HOT_QUESTIONS.roles)
        rating = _read_rating(await read_body(request, RATING_BYTES))
        await self._seen(token, rating.customer_id)
        now_ms = self._clock_ms()
        event = {
            "type": "track",
            "event": ANSWER_RATED,
            "messageId": f"rating-{uuid.uuid4().hex}",
            "userId": rating.customer_id,
            "timestamp": iso_text(now_ms),
            "properties": {"question_id": request.path_params["question_id"], "solved": rating.solved},
            "context": {"channel": token.role, "library": {"name": "zhiyin-gateway"}},
        }
        await self._bus.append((OutgoingEvent(rating.customer_id, now_ms, msgspec.json.encode(event)),))
        return Response(status_code=204)


def _spoken(hot: dict[str, Any], customer_id: str, language: str) -> dict[str, Any]:
    questions = [{**question, "say": question["text"][language]} for question in hot["questions"]]
    return {"customer_id": customer_id, **hot, "questions": questions}


def _read_rating(body: bytes) -> Rating:
    try:
        return msgspec.json.decode(body, type=Rating)
    except msgspec.ValidationError as error:
        wrong = wrong_type(error)
        detail = ErrorDetail(wrong.path, wrong.found, wrong.expected)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = ErrorDetail("$", excerpt(body), f"one JSON object in UTF-8 ({error})")
    raise HttpProblem("invalid", f"{detail.path}: found {detail.found}, expected {detail.expected}", [detail])
