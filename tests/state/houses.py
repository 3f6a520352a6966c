"""One house of hints, in memory or in Redis, behind the same names, for the contract suites."""

import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from operators.hints.hint import Hint, Speak
from operators.records.catalogue import Article, Words
from operators.records.facts import Evidence, RankedReason
from state.hints.repository import HintRepository, RedisHintRepository
from state.hints.writer import HintWriter, RedisHintWriter
from state.redis import keys
from state.redis.channels import KEPT_EVENTS, ChannelEntry, ChannelOffset
from state.redis.connections import WAIT_TIMEOUT_S, connect, connect_async
from tests.state.doubles import HintMemory, MemoryHintRepository, MemoryHintWriter

NOON_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
WORDS = Words(zh="保单贷款", en="policy loan")


HINT = Hint(
    hint_id="h1",
    customer_id="anna",
    journey="policy_loan",
    journey_title=WORDS,
    transaction_id="t-1",
    step="face_check",
    step_title=WORDS,
    attempt_id="a-1",
    reason=RankedReason("face", 0.8, (Evidence("step_failed", "face_check", "face_mismatch", None, 2, 1.5),)),
    reason_title=WORDS,
    need=0.5,
    text=WORDS,
    article=Article("a1", WORDS, WORDS),
    surfaces=("desk", "chatbot"),
    priority=50,
    abandoned_at_ms=NOON_MS - 2_000,
    created_at_ms=NOON_MS,
    expires_at_ms=NOON_MS + HOUR_MS,
    speak_after_ms=NOON_MS,
    cause="m-1",
)


def make_hint(name: str = "h1", **changes: object) -> Hint:
    """A hint told at noon, open for an hour, that a bot may open with."""
    return msgspec.structs.replace(HINT, hint_id=name, **changes)


def speak(name: str = "h1") -> Speak:
    """The quiet hours of a hint are over."""
    return Speak(name, "anna", NOON_MS)


class House:
    """A store and a board on the same hints, and a clock that a test sets."""

    store: HintWriter
    board: HintRepository

    def __init__(self) -> None:
        self.now_ms = NOON_MS

    async def chatbot_document(self, customer_id: str = "anna") -> dict[str, Any] | None:
        """What a chatbot that reads Redis finds."""
        found = await self._chatbot_bytes(customer_id)
        return None if found is None else json.loads(found)

    async def chatbot_ids(self, customer_id: str = "anna") -> list[str]:
        """The ids of the hints a chatbot that reads Redis finds, best first."""
        found = await self.chatbot_document(customer_id)
        return [] if found is None else [hint["hint_id"] for hint in found["hints"]]

    async def next_ids(self, customer_id: str = "anna") -> list[str]:
        """The ids of a customer's next hints."""
        return [hint["hint_id"] for hint in await self.board.next_hints(customer_id, self.now_ms)]

    async def desk_ids(self, desk_id: str = "d1") -> list[str]:
        """The ids of a desk's hints."""
        return [hint["hint_id"] for hint in await self.board.desk_hints(desk_id, self.now_ms)]

    async def told(self, channel: str, after: int = 0) -> list[dict[str, Any]]:
        """The events of a channel."""
        return [json.loads(entry.event) for entry in await self.entries(channel, after)]

    async def told_words(self, channel: str) -> list[str]:
        """The events of a channel in short: ``created h1``."""
        return [f"{e['type'].rpartition('.')[2]} {e['data']['hint_id']}" for e in await self.told(channel)]

    async def entries(self, channel: str, after: int = 0) -> list[ChannelEntry]:
        """The entries of a channel after an offset."""
        return await self.board.read(channel, after, 1_000)

    async def wait(
        self, after: Mapping[str, int], block_ms: int, new: Collection[str] | None = None
    ) -> dict[str, list[ChannelEntry]]:
        """The board's ``wait`` on channels after offsets of the lives they have now."""
        epochs = {name: (await self.board.position(name)).epoch for name in after}
        return await self.board.wait({name: ChannelOffset(epochs[name], after[name]) for name in after}, block_ms, new)

    async def close(self) -> None:
        """Let go of what the house holds."""

    async def _chatbot_bytes(self, customer_id: str) -> bytes | None:
        raise NotImplementedError


class MemoryHouse(House):
    """The twins in memory."""

    def __init__(self, kept_events: int = KEPT_EVENTS) -> None:
        super().__init__()
        self.memory = HintMemory(kept_events)
        self.store = MemoryHintWriter(self.memory, lambda: self.now_ms)
        self.board = MemoryHintRepository(self.memory)

    async def _chatbot_bytes(self, customer_id: str) -> bytes | None:
        return self.memory.chatbot_document(customer_id, self.now_ms)


class RedisHouse(House):
    """The real ones."""

    def __init__(self, url: str, kept_events: int = KEPT_EVENTS) -> None:
        super().__init__()
        self.client = connect(url)
        self._async_client = connect_async(url)
        self._waiting = connect_async(url, WAIT_TIMEOUT_S)
        self.store = RedisHintWriter(self.client, lambda: self.now_ms, kept_events)
        self.board = RedisHintRepository(self._async_client, self._waiting, kept_events)

    async def _chatbot_bytes(self, customer_id: str) -> bytes | None:
        found: Any = await self._async_client.get(keys.CHATBOT_HINT.of(customer_id))
        return found if found is None else bytes(found)

    async def close(self) -> None:
        """Close the connections."""
        self.client.close()
        await self._async_client.aclose()
        await self._waiting.aclose()
