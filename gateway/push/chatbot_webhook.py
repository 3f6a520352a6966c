"""Lets a bot speak first over its own HTTP hook, in the shape Rasa has.

In: the channel ``chatbot``, live. Out: for each new hint ``POST
{url}/conversations/{customer}/trigger_intent`` with ``{name, entities}``. Refused: hints
that are over before their turn, and what does not fit into the queue of a bot that does
not answer; each is counted. A bot that is away is tried three times, then left: the
look-up still has the hint. Set the URL on one gateway only: each that has it calls.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from gateway.push.channel_entry import CREATED, ChannelEvent
from gateway.push.hub import Hub, Start
from gateway.runtime.background_task import BackgroundTask, Backoff
from gateway.runtime.metrics import GatewayMetrics
from operators.hints.hint import OPEN_STATES
from state.hints.repository import HintRepository
from state.redis.connections import StoreUnavailable
from state.redis.keys import CHATBOT_CHANNEL

INTENT: Final = "EXTERNAL_zhiyin_hint"
QUEUE_HINTS: Final = 1_000
CALLS_AT_ONCE: Final = 4
TIMEOUT_S: Final = 5.0
RETRY_AFTER_S: Final = (0.5, 2.0)
REJOIN_AFTER_S: Final = 1.0
AFTER_FAILURE: Final = Backoff(longest_s=1.0)
"""One hint that cannot be read must not hold up those behind it."""

log = logging.getLogger("zhiyin.chatbot_hook")


class ChatbotWebhook:
    """Calls one bot's hook; a listener of the hub."""

    def __init__(self, url: str, hub: Hub, repository: HintRepository, metrics: GatewayMetrics) -> None:
        self._url = httpx.URL(url)
        self._hub = hub
        self._repository = repository
        self._calls = metrics.hook_calls
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE_HINTS)
        self._lost = asyncio.Event()
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S)
        failed = metrics.background_failed
        callers = [
            BackgroundTask("chatbot_caller", 0.0, self._call_next, failed, AFTER_FAILURE) for _ in range(CALLS_AT_ONCE)
        ]
        self._tasks = [BackgroundTask("chatbot_listener", REJOIN_AFTER_S, self._listen, failed), *callers]

    async def start(self) -> None:
        """Listen and call from now on."""
        for task in self._tasks:
            task.start()

    async def stop(self) -> None:
        """Stop; calls under way are given up."""
        self._hub.leave(CHATBOT_CHANNEL, self)
        for task in self._tasks:
            await task.stop()
        await self._client.aclose()

    def on_start(self, start: Start) -> None:
        """See gateway.push.hub.Listener."""

    async def on_replay(self, event: ChannelEvent) -> None:
        """See gateway.push.hub.Listener: starting at the tip there is nothing to replay."""
        self.on_event(event)

    def on_event(self, event: ChannelEvent) -> None:
        """Queue a new hint; everything else on the channel is no reason to speak."""
        if event.type != CREATED:
            return
        try:
            self._queue.put_nowait(msgspec.json.decode(event.event)["data"])
        except asyncio.QueueFull:
            self._calls.labels("dropped").inc()
        except (msgspec.DecodeError, KeyError, TypeError):
            log.warning("chatbot hook: offset %d holds no hint", event.offset)

    def on_stale(self, since_ms: int) -> None:
        """See gateway.push.hub.Listener."""

    def on_fresh(self) -> None:
        """See gateway.push.hub.Listener."""

    def on_lost(self) -> None:
        """Join again: what was missed stays in the look-up."""
        self._lost.set()

    async def _listen(self) -> None:
        """Join the channel, and wait until the hub has lost it."""
        self._lost.clear()
        await self._hub.join(CHATBOT_CHANNEL, self)
        await self._lost.wait()

    async def _call_next(self) -> None:
        """Wait for a hint, and call the bot for it unless the hint is over."""
        hint = await self._queue.get()
        outcome = await self._call(hint) if await self._is_open(hint["hint_id"]) else "over"
        self._calls.labels(outcome).inc()

    async def _is_open(self, hint_id: str) -> bool:
        try:
            known = await self._repository.hint(hint_id)
        except StoreUnavailable:
            return True
        return known is not None and known["state"] in OPEN_STATES

    async def _call(self, hint: dict[str, Any]) -> str:
        found = ""
        for wait_s in (*RETRY_AFTER_S, None):
            try:
                answer = await self._client.post(conversation_url(self._url, hint["customer_id"]), json=intent(hint))
            except httpx.HTTPError as error:
                found = f"{type(error).__name__} {error}".strip()
            else:
                if answer.is_success:
                    return "told"
                found = f"status {answer.status_code}"
                if not answer.is_server_error and answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                    log.warning("chatbot hook: found %s, expected 2xx: see the bot's log", found)
                    return "refused"
            if wait_s is not None:
                await asyncio.sleep(wait_s)
        log.warning("chatbot hook: found %s after %d calls, expected 2xx", found, len(RETRY_AFTER_S) + 1)
        return "failed"


def conversation_url(base: httpx.URL, customer_id: str) -> httpx.URL:
    """Where a bot is told to speak to ``customer_id``: on the channel it last talked on; a query in ``base`` stays."""
    path = f"{base.raw_path.decode().partition('?')[0].rstrip('/')}/conversations/{quote(customer_id, safe='')}"
    query = "&".join(part for part in (base.query.decode(), "output_channel=latest") if part)
    return base.copy_with(raw_path=f"{path}/trigger_intent?{query}".encode())


def intent(hint: dict[str, Any]) -> dict[str, Any]:
    """The body of the call: the intent's name, and as entities what the bot needs to open with."""
    return {
        "name": INTENT,
        "entities": {
            "hint_id": hint["hint_id"],
            "journey": hint["journey"],
            "step": hint["step"],
            "transaction_id": hint["transaction_id"],
            "reason": hint["reason"]["code"],
            "text_zh": hint["text"]["zh"],
            "text_en": hint["text"]["en"],
            "article": hint["article"]["id"],
        },
    }
