"""The exact journey rules once more, by brute force, sharing nothing with the tracker.

In: events in order of arrival (plain dicts) and the rules. Out: the facts they must lead to,
as sorted tuples. It keeps no watermark, no timers and no shards: each attempt's own events,
in their own order of arrival, say everything.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

ENDLESS_MS = 10**15
REACHES_STEP = ("Transaction Step Viewed", "Transaction Step Completed")


@dataclass(frozen=True)
class OracleJourney:
    """One journey: steps in order with the silence each allows (ms)."""

    idle_after_ms: int
    forget_after_ms: int
    steps: Mapping[str, int]
    final: frozenset[str] = frozenset()
    checkpoints_ms: Sequence[int] = ()


class Expected(NamedTuple):
    """One fact, as far as the rules determine it."""

    kind: str
    customer_id: str
    journey: str
    transaction_id: str | None
    step: str | None
    at_ms: int
    own: str = ""


@dataclass
class _Attempt:
    last_seen: int
    step: str | None
    away: bool = False
    was_abandoned: bool = False
    told: list[int] = field(default_factory=list)


def expected_facts(events: Iterable[Mapping[str, Any]], journeys: Mapping[str, OracleJourney]) -> list[Expected]:
    """Every fact, sorted. Events: customer, id, name, at_ms, journey, transaction_id, step."""
    heard: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=64))
    by_key: dict[tuple[str, str, str | None], list[Mapping[str, Any]]] = defaultdict(list)
    for event in events:
        recent = heard[event["customer"]]
        if event["id"] in recent:
            continue
        recent.append(event["id"])
        if event["journey"] is not None:
            by_key[event["customer"], event["journey"], event["transaction_id"]].append(event)
    facts: list[Expected] = []
    for key, own in by_key.items():
        facts += _OneKey(key, journeys[key[1]]).follow(own)
    return sorted(facts, key=str)


class _OneKey:
    """All that happens to one key (customer, journey, transaction)."""

    def __init__(self, key: tuple[str, str, str | None], journey: OracleJourney) -> None:
        self.key = key
        self.journey = journey
        self.facts: list[Expected] = []
        self.attempt: _Attempt | None = None

    def follow(self, events: Sequence[Mapping[str, Any]]) -> list[Expected]:
        for event in events:
            self._silence_until(event["at_ms"])
            attempt = self._seen(event["at_ms"], event["step"])
            self._ends(attempt, event)
        self._silence_until(ENDLESS_MS)
        return self.facts

    def _say(self, kind: str, step: str | None, at_ms: int, own: str = "") -> None:
        self.facts.append(Expected(kind, *self.key, step, at_ms, own))

    def _silence_until(self, now: int) -> None:
        attempt, journey = self.attempt, self.journey
        if attempt is None:
            return
        allowed = journey.steps[attempt.step] if attempt.step else journey.idle_after_ms
        deadline = attempt.last_seen + allowed
        for checkpoint in journey.checkpoints_ms:
            at = attempt.last_seen + checkpoint
            if checkpoint < allowed and at < now and at not in attempt.told:
                attempt.told.append(at)
                self._say("idle", attempt.step, at, str(checkpoint))
        if now > deadline and not attempt.away:
            attempt.away = attempt.was_abandoned = True
            self._say("abandoned", attempt.step, deadline)
        if now > deadline + journey.forget_after_ms:
            self._say("expired", attempt.step, deadline + journey.forget_after_ms)
            self.attempt = None

    def _seen(self, at: int, step: str | None) -> _Attempt:
        attempt = self.attempt
        if attempt is None:
            self.attempt = attempt = _Attempt(last_seen=at, step=step)
            self._say("started", step, at)
        elif at >= attempt.last_seen:
            attempt.last_seen, attempt.told = at, []
            attempt.step = step or attempt.step
            if attempt.away:
                attempt.away = False
                self._say("returned", attempt.step, at)
        return attempt

    def _ends(self, attempt: _Attempt, event: Mapping[str, Any]) -> None:
        name, at = event["name"], event["at_ms"]
        reaches_end = event["step"] in self.journey.final and name in REACHES_STEP
        if name == "Transaction Cancelled":
            self._say("cancelled", attempt.step, at)
        elif name == "Transaction Completed" or reaches_end:
            self._say("completed", attempt.step, at, f"recovered={attempt.was_abandoned}")
        else:
            return
        self.attempt = None
