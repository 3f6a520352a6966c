"""``python -m bench.teller REDIS_URL KIND PHASE RATE COUNT DESKS LONG``: tells desks of hints at fixed times.

In: how many a second, how many in all, to how many desks in turn; ``KIND`` gateway (as the engine tells) or bare (one
stream of frames, what the bare server reads); every ``LONG``-th is of 30 KB and goes to desk 0 (0: none). Out: one
JSON line, for each the desk, the hint, and the instant just before it was written (``time.perf_counter``).
"""

import sys
import time
from collections.abc import Sequence
from typing import Final

import msgspec
import redis

from operators.hints.hint import Hint
from operators.records.catalogue import Words
from state.hints.transitions import PlaceHint, new_hint
from state.hints.writer import RedisHintWriter
from state.redis.connections import connect
from tests.state.houses import HOUR_MS, make_hint

STREAM: Final = "bench:bare"
LONG_TEXT: Final = Words("长" * 10_000, "long")


class PublishedHints(msgspec.Struct, frozen=True, array_like=True):
    """One hint: to whom, its id, when."""

    desk: int
    hint_id: str
    at_s: float


def desk_name(number: int) -> str:
    """The id of a desk."""
    return f"desk-{number}"


class Teller:
    """Writes hints, as the engine or for the bare server."""

    def __init__(self, url: str, kind: str) -> None:
        self._store = RedisHintWriter(connect(url), _now_ms) if kind == "gateway" else None
        self._redis = redis.Redis.from_url(url, socket_timeout=5.0)

    def tell(self, desk: int, hint: Hint) -> float:
        """Write it; when."""
        if self._store is not None:
            at_s = time.perf_counter()
            self._store.write((PlaceHint(hint, desk_name(desk)),))
            return at_s
        event = new_hint(PlaceHint(hint, desk_name(desk)), _now_ms()).event
        at_s = time.perf_counter()
        self._redis.xadd(STREAM, {"d": desk_name(desk), "e": event}, maxlen=10_000)
        return at_s


def main(words: Sequence[str]) -> None:
    """See the module."""
    url, kind, phase = words[:3]
    rate, count, desks, long = (int(word) for word in words[3:])
    teller = Teller(url, kind)
    begins_s = time.perf_counter() + 0.1
    told = []
    for number in range(count):
        wait_s = begins_s + number / rate - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        is_long = long > 0 and number % long == 0
        desk = 0 if is_long else 1 + number % (desks - 1)
        told_ms = _now_ms()
        hint = make_hint(
            f"{phase}-{number}",
            customer_id=f"{phase}-{number}",
            created_at_ms=told_ms,
            expires_at_ms=told_ms + HOUR_MS,
            surfaces=("desk",),
        )
        hint = msgspec.structs.replace(hint, text=LONG_TEXT) if is_long else hint
        told.append(PublishedHints(desk, hint.hint_id, teller.tell(desk, hint)))
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main(sys.argv[1:])
