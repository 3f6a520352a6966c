"""A whole gateway for page tests, in a thread of its own: Playwright holds the event loop of the test's."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from config import load_catalogue
from config.settings.load import Settings
from gateway.auth.tokens import issue_token
from gateway.server import Gateway, GatewayAddresses
from operators.hints.hint import Hint, RetireCause, Retirement
from operators.records.catalogue import Catalogue
from operators.records.facts import Evidence, RankedReason
from state.bus.redis import RedisBusReader
from state.hints.writer import RedisHintWriter
from state.redis.connections import connect
from tests.parts.machine import ROOT
from tests.parts.redis_server import RedisServer, free_port

SECRET = "a secret of at least thirty-two bytes"
CATALOGUE = ROOT / "config" / "catalog"
HOUR_MS = 3_600_000

Result = TypeVar("Result")


def now_ms() -> int:
    return int(time.time() * 1000)


class PageHouse:
    """A gateway on fixed ports over a Redis, hints to tell, and what its pages reported."""

    def __init__(self, redis: RedisServer, **more: object) -> None:
        self.redis = redis
        self.client = connect(redis.url)
        self.store = RedisHintWriter(self.client, now_ms)
        given = {
            "redis_url": redis.url,
            "write_keys": ("key",),
            "token_secret": SECRET,
            "http_port": free_port(),
            "ws_port": free_port(),
            "gateway_metrics_port": 0,
            "bus_partitions": 1,
            "ping_interval_s": 1.0,
        }
        self._settings = msgspec.convert({**given, **more}, Settings)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway of a page test")
        self._thread.start()
        self._gateway: Gateway | None = None
        self.catalogue: Catalogue = load_catalogue(CATALOGUE)
        self.addresses = GatewayAddresses("", "", "")

    def start(self) -> None:
        """Serve; after ``stop`` on the same ports again."""
        self._gateway = Gateway(self._settings)
        self.addresses = self._wait(self._gateway.start())

    def stop(self) -> None:
        """Stop serving, as for a restart."""
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            self._wait(gateway.stop())

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self.client.close()

    def token(
        self,
        role: str = "agent",
        subject: str = "desk-1",
        lifetime_s: int = 600,
        claims: dict[str, object] | None = None,
    ) -> str:
        return issue_token(SECRET, subject, role, lifetime_s, int(time.time()), claims)

    def desk_url(self, lifetime_s: int = 600, subject: str = "desk-1", claims: dict[str, object] | None = None) -> str:
        return f"{self.addresses.http}/desk#token={self.token('agent', subject, lifetime_s, claims)}"

    def chat_url(self, customer: str) -> str:
        return f"{self.addresses.http}/chat?customer={customer}#token={self.token('chatbot', 'bot')}"

    def tell(self, name: str, desk: str = "desk-1", **changes: object) -> Hint:
        """Tell the desk, or queue, and the bots of one more hint, worded by the real catalogue."""
        hint = catalogue_hint(self.catalogue, name, dict(changes))
        assert self.store.place(hint, desk)
        return hint

    def retire(self, hint: Hint, cause: RetireCause) -> None:
        assert self.store.retire(Retirement(hint.hint_id, hint.customer_id, cause, now_ms()))

    def state_of(self, hint: Hint) -> str:
        state = self.client.hget(f"zy:record:{hint.hint_id}", "state")
        assert isinstance(state, bytes)
        return state.decode()

    def reported(self) -> list[dict[str, Any]]:
        """The events the pages' reports put on the bus."""
        entries = RedisBusReader(self.client, 0).read(None, 1000).entries
        return [msgspec.json.decode(each.raw) for each in entries]

    def _wait(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=300)


@contextmanager
def open_page_house(redis: RedisServer, **more: object) -> Iterator[PageHouse]:
    """A page house that serves until the end of the block; ``more``: settings."""
    house = PageHouse(redis, **more)
    try:
        house.start()
        yield house
    finally:
        house.close()


def catalogue_hint(catalogue: Catalogue, name: str, changes: dict[str, Any]) -> Hint:
    """A hint for a reason of the catalogue (``reason``), at a step of one of its journeys."""
    told_ms = now_ms()
    reason = catalogue.reasons[changes.pop("reason", "face_check")]
    code = next(each for each, known in catalogue.reasons.items() if known is reason)
    journey_code = changes.pop("journey", "policy_loan")
    journey = catalogue.journeys[journey_code]
    step = next(each for each in journey.steps if each.id == changes.get("step", journey.steps[1].id))
    evidence = changes.pop("evidence", (Evidence("step_failed", step.id, "face_mismatch", None, 3, 3.0),))
    confidence = changes.pop("confidence", 0.86)
    fields: dict[str, Any] = {
        "hint_id": name,
        "customer_id": f"C-2024-{name}",
        "journey": journey_code,
        "journey_title": journey.title,
        "transaction_id": f"t-{name}",
        "step": step.id,
        "step_title": step.title,
        "attempt_id": f"attempt of {name}",
        "reason": RankedReason(code, confidence, evidence),
        "reason_title": reason.title,
        "need": reason.need,
        "text": type(reason.say)(
            zh=reason.say.zh.format(journey=journey.title.zh, step=step.title.zh),
            en=reason.say.en.format(journey=journey.title.en, step=step.title.en),
        ),
        "article": reason.article,
        "surfaces": ("desk", "chatbot"),
        "priority": 60,
        "abandoned_at_ms": told_ms - 3 * 60_000,
        "created_at_ms": told_ms,
        "expires_at_ms": told_ms + 24 * HOUR_MS,
        "speak_after_ms": told_ms,
    }
    return Hint(**{**fields, **changes})
