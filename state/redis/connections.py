"""The way to Redis: connections with timeouts of their own, and one error for "not now".

In: a Redis URL. Out: a client whose every answer comes, or fails, in less than three seconds.
Refused: nothing here; what Redis can't do now is ``StoreUnavailable``, with why and what to do.
Errors that no waiting cures (a key of another type, a broken script) pass as they are.

redis-py on its own would try ten times with five seconds each; here a broken connection is
renewed once, and silence is an answer: Redis is slow, the caller decides what then.
Protocol 2 is spoken, so that answers have one shape with Redis 6.2 and 7.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import redis
from redis import asyncio as redis_asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NoAnswer
from redis.retry import Retry

CONNECT_TIMEOUT_S: Final = 1.0
REPLY_TIMEOUT_S: Final = 1.5
LONGEST_BLOCK_MS: Final = 2_000
WAIT_TIMEOUT_S: Final = LONGEST_BLOCK_MS / 1000 + REPLY_TIMEOUT_S
MOST_CONNECTIONS: Final = 64

Client = redis.Redis
AsyncClient = redis_asyncio.Redis


class StoreUnavailable(Exception):
    """Redis, or what ``store`` names, can't do this now; the same call may be made again later.

    ``operation``: what was asked; ``address``: of whom, without a password; ``kind``: a short
    word for counters (``gone slow loading out_of_memory disk read_only busy refused``);
    ``reason``: what it or the network said; ``advice``: what to do.
    """

    store: ClassVar[str] = "Redis"

    def __init__(self, operation: str, address: str, kind: str, reason: str, advice: str) -> None:
        self.operation = operation
        self.address = address
        self.kind = kind
        self.reason = reason
        self.advice = advice
        super().__init__(f"{operation}: {self.store} at {address} is {kind.replace('_', ' ')} ({reason}); {advice}")


_ADVICE: Final = {
    "gone": "see that it runs and that REDIS_URL names it",
    "slow": "look at its load and at SLOWLOG GET",
    "loading": "wait until it has read its data",
    "out_of_memory": "raise its maxmemory or give it more memory",
    "disk": "make room on its disk, then see its log",
    "read_only": "point REDIS_URL at the primary",
    "busy": "wait for the script that runs, or SCRIPT KILL",
    "refused": "put the right user and password into REDIS_URL",
}
_KINDS: Final = {
    "LOADING": "loading",
    "OOM": "out_of_memory",
    "MISCONF": "disk",
    "READONLY": "read_only",
    "NOREPLICAS": "read_only",
    "MASTERDOWN": "read_only",
    "BUSY": "busy",
    "NOAUTH": "refused",
    "WRONGPASS": "refused",
    "NOPERM": "refused",
}
# Redis 6.2 wraps what a script met in a sentence of its own: the word can stand anywhere in the text.
_ERROR_CODE: Final = re.compile(rf"(?<![A-Za-z])({'|'.join(_KINDS)})(?![A-Za-z])")


def connect(url: str) -> Client:
    """A client for the engine's threads; it connects when first used.

    Raises ValueError when the URL is none of ``redis:// rediss:// unix://``.
    """
    retry = Retry(NoBackoff(), 1, (BrokenConnection,))
    return redis.Redis.from_url(url, retry=retry, **_options(REPLY_TIMEOUT_S))


def connect_async(url: str, reply_timeout_s: float = REPLY_TIMEOUT_S) -> AsyncClient:
    """A client for the gateway's loop, at most ``MOST_CONNECTIONS`` wide; it connects when first used.

    For calls that block in Redis give ``reply_timeout_s=WAIT_TIMEOUT_S``.
    Raises ValueError when the URL is none of ``redis:// rediss:// unix://``.
    """
    retry = AsyncRetry(NoBackoff(), 1, (BrokenConnection,))
    pool = redis_asyncio.BlockingConnectionPool.from_url(
        url, max_connections=MOST_CONNECTIONS, timeout=CONNECT_TIMEOUT_S, retry=retry, **_options(reply_timeout_s)
    )
    return redis_asyncio.Redis.from_pool(pool)


def _options(reply_timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": reply_timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "protocol": 2,
        "client_name": "zhiyin",
    }


def address_of(client: Client | AsyncClient) -> str:
    """Where a client connects to, fit for messages: never with a password."""
    options = client.connection_pool.connection_kwargs
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


@contextmanager
def answering(
    operation: str, client: Client | AsyncClient, unavailable: type[StoreUnavailable] = StoreUnavailable
) -> Iterator[None]:
    """Inside, an answer that Redis can't give now is ``unavailable``; every other error passes."""
    try:
        yield
    except (RedisError, OSError) as error:
        kind = outage(error)
        if kind is None:
            raise
        raise unavailable(operation, address_of(client), kind, str(error), _ADVICE[kind]) from error


def outage(error: Exception) -> str | None:
    """Why Redis can't answer now, as one of the kinds of ``StoreUnavailable``; None: waiting won't help."""
    match = _ERROR_CODE.search(f"{getattr(error, 'status_code', '')} {error}")
    if isinstance(error, RedisError) and match is not None:
        return _KINDS[match[1]]
    if isinstance(error, NoAnswer | TimeoutError):
        return "slow"
    return "gone" if isinstance(error, BrokenConnection | OSError) else None
