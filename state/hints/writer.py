"""Hints as the engine writes them: placed, spoken and retired, each once, on every surface at once.

In: hints with their desk, speaks and retirements, alone or as a list. Out: whether each changed
anything. Refused: what is known or over already (False); ``StoreUnavailable`` when Redis is away.

Every order may be written again after an error: what was carried out the first time answers False.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, Protocol

from operators.hints.hint import Hint, Retirement, Speak
from state.hints.script_calls import OWNER_FIELDS, owner_from, place_hint_call, speak_call, transition_call
from state.hints.transitions import HintOrder, HintOwner, PlaceHint, new_hint, retirement_transition
from state.redis import keys
from state.redis.channels import KEPT_EVENTS
from state.redis.connections import Client, answering
from state.redis.scripts import Call, run

_IN_WORDS: Final[dict[type, str]] = {PlaceHint: "new", Speak: "spoken", Retirement: "retired"}
ORDERS_A_ROUND: Final = 500
"""Some tenths of a second of work for Redis: well within the time an answer may take."""


class HintWriter(Protocol):
    """Where the engine puts hints. Raises StoreUnavailable."""

    def write(self, orders: Sequence[HintOrder]) -> list[bool]:
        """Carry out ``orders`` in their order; for each, whether it changed anything."""

    def place(self, hint: Hint, desk_id: str) -> bool:
        """Put a hint in front of its customer's chatbot and the desk. False: known already, even if it has ended."""
        return self.write((PlaceHint(hint, desk_id),))[0]

    def speak(self, speak: Speak) -> bool:
        """Let a bot open with a hint that had to wait. False: unknown, over, expired or said already."""
        return self.write((speak,))[0]

    def retire(self, retirement: Retirement) -> bool:
        """End a hint everywhere. False: unknown or over already."""
        return self.write((retirement,))[0]


class RedisHintWriter(HintWriter):
    """Hints in Redis. Up to 500 orders of one kind in a row are one round trip (retirements: two)."""

    def __init__(self, client: Client, now_ms: Callable[[], int], kept_events: int = KEPT_EVENTS) -> None:
        self._client = client
        self._now_ms = now_ms
        self._kept_events = kept_events

    def write(self, orders: Sequence[HintOrder]) -> list[bool]:
        """Carry out ``orders`` in their order; for each, whether it changed anything."""
        changed: list[bool] = []
        for kind, group in groupby(orders, type):
            batch = list(group)
            for start in range(0, len(batch), ORDERS_A_ROUND):
                with answering(f"writing hints ({_IN_WORDS[kind]})", self._client):
                    changed += self._run(self._calls(batch[start : start + ORDERS_A_ROUND], self._now_ms()))
        return changed

    def _calls(self, orders: list[HintOrder], now_ms: int) -> list[Call | None]:
        owners = self._owners([order.hint_id for order in orders if isinstance(order, Retirement)])
        return [self._call(order, owners, now_ms) for order in orders]

    def _call(self, order: HintOrder, owners: dict[str, HintOwner], now_ms: int) -> Call | None:
        if isinstance(order, PlaceHint):
            return place_hint_call(new_hint(order, now_ms), now_ms, self._kept_events)
        if isinstance(order, Speak):
            return speak_call(order.hint_id, now_ms, self._kept_events)
        owner = owners.get(order.hint_id)
        if owner is None:
            return None
        return transition_call(retirement_transition(order, owner), owner, now_ms, self._kept_events)

    def _owners(self, hint_ids: list[str]) -> dict[str, HintOwner]:
        if not hint_ids:
            return {}
        with self._client.pipeline(transaction=False) as pipeline:
            for hint_id in hint_ids:
                pipeline.hmget(keys.HINT_RECORD.of(hint_id), OWNER_FIELDS)
            owners = [owner_from(record) for record in pipeline.execute()]
        return {hint_id: owner for hint_id, owner in zip(hint_ids, owners, strict=True) if owner is not None}

    def _run(self, calls: list[Call | None]) -> list[bool]:
        answers = iter(run(self._client, [call for call in calls if call is not None]))
        return [call is not None and bool(next(answers)[0]) for call in calls]
