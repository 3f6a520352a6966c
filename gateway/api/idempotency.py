"""Answers a write that is sent twice with the first one's answer (``Idempotency-Key``).

In: whose key it is, the key, a fingerprint of the request, and what makes the answer.
Out: the answer, made once. Refused, as a 422 ``HttpProblem``: the same key with another
request. An answer that failed is not kept: the same key may try again. The newest
10,000 keys are kept, in this process; what a report changes is safe without them, a
hint's state only ever goes forward.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request

from gateway.http.problems import ErrorDetail, HttpProblem

KEYS_KEPT: Final = 10_000
KEY_CHARS: Final = 255

IdempotencyKey = tuple[str, str]


def idempotency_key(request: Request) -> str | None:
    """The key of a request, if it has one. Raises HttpProblem."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= KEY_CHARS:
        wrong = ErrorDetail("Idempotency-Key", f"{len(key)} characters", f"1 to {KEY_CHARS} characters")
        raise HttpProblem("invalid", f"{wrong.path}: found {wrong.found}, expected {wrong.expected}", [wrong])
    return key


class IdempotentAnswers:
    """Bodies of answers by key."""

    def __init__(self, keys_kept: int = KEYS_KEPT) -> None:
        self._keys_kept = keys_kept
        self._answers: OrderedDict[IdempotencyKey, tuple[bytes, asyncio.Future[bytes]]] = OrderedDict()

    async def answer(self, key: IdempotencyKey, fingerprint: bytes, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The body that ``make`` gave for this key, waiting for it where it is still being made."""
        known = self._answers.get(key)
        if known is None:
            return await self._made(key, fingerprint, make)
        if known[0] != fingerprint:
            wrong = ErrorDetail("Idempotency-Key", "another request under this key", "a new key for a new request")
            raise HttpProblem("key_reused", wrong.expected, [wrong])
        return await asyncio.shield(known[1])

    async def _made(self, key: IdempotencyKey, fingerprint: bytes, make: Callable[[], Awaitable[bytes]]) -> bytes:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[key] = (fingerprint, future)
        try:
            body = await make()
        except BaseException as error:
            del self._answers[key]
            future.set_exception(error if isinstance(error, Exception) else HttpProblem("internal", "given up"))
            future.exception()  # seen: nobody else may be waiting for it
            raise
        future.set_result(body)
        while len(self._answers) > self._keys_kept:
            self._answers.popitem(last=False)
        return body
