"""Customers at fixed instants, in phases: before the engine is stopped, and after it.

In: the number of a phase. Out: its events, as they are put on the bus. Nothing here depends on the clock of the
machine or on chance. The hints and calls that later events are about are looked up in Redis (``Known``).

A phase begins at an instant of its own, 150 s after the one before. Its events lie in the last ten seconds before
that instant. The catalogue's waits end 50 to 120 s after it: the next events bring them about, not the clock. So the
order of everything is the same on a slow machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson

from operators.support.timestamps import iso_text
from state.bus.protocol import partition_of

BEGIN_MS: Final = 1_772_416_800_000
"""2026-03-02T02:00:00Z, a Monday morning in Shanghai."""
PHASE_MS: Final = 150_000
PHASE_LASTS_MS: Final = 45_000
"""So long at most a phase may take: before that nothing is due."""
START_UP_MS: Final = 140_000
"""So long before the first phase the programs start."""
PARTITIONS: Final = 1
SHARDS: Final = 4
HISTORY: Final = 160
EACH: Final = 4
"""So many customers play each role."""
STOPPED_AFTER: Final = 6
"""The number of the last phase before the engine is stopped."""
AGENTS_ACT_AFTER: Final = 5
"""The number of the phase after which agents claim calls: the last one before the quiet hours."""
PHASES_AFTER: Final = range(7, 17)
"""At the end of them every attempt of before is forgotten and every hint of before is over."""
STEPS: Final = {"loan": ("apply", "face_check", "confirm"), "claim": ("report", "upload")}


class BusEvent(msgspec.Struct, frozen=True):
    """One event as it waits on the bus. ``raw``: its JSON text."""

    customer: str
    at_ms: int
    raw: str

    @property
    def partition(self) -> int:
        """The partition of its customer."""
        return partition_of(self.customer, PARTITIONS)


class Known(msgspec.Struct, frozen=True):
    """Ids of what was open when the engine was stopped, by customer."""

    hints: Mapping[str, str]
    calls: Mapping[str, str]


def instant_ms(phase: int) -> int:
    """When a phase begins."""
    return BEGIN_MS + phase * PHASE_MS


def tracked(customer: str, at_ms: int, name: str, properties: Mapping[str, object]) -> BusEvent:
    """A ``track`` event; its ``messageId`` follows from what it is."""
    about = f"{properties.get('journey', '')}-{properties.get('step', '')}"
    event = {
        "type": "track",
        "event": name,
        "messageId": f"{customer}-{at_ms}-{name}-{about}"[:100],
        "userId": customer,
        "timestamp": iso_text(at_ms),
        "context": {"channel": "app" if customer.endswith(("1", "3")) else "web"},
        "properties": properties,
    }
    return BusEvent(customer, at_ms, orjson.dumps(event).decode())


def identified(customer: str, at_ms: int, traits: Mapping[str, str]) -> BusEvent:
    """An ``identify`` event."""
    event = {
        "type": "identify",
        "messageId": f"{customer}-{at_ms}-identify",
        "userId": customer,
        "timestamp": iso_text(at_ms),
        "traits": traits,
    }
    return BusEvent(customer, at_ms, orjson.dumps(event).decode())


def events_of(phase: int, known: Known | None = None) -> list[BusEvent]:
    """All events of a phase in the order in which they come. ``known``: needed after the stop."""
    acts = BEFORE if phase <= STOPPED_AFTER else AFTER
    found = list(_history()) if phase == 0 else []
    found += _played({role: by_phase.get(phase, ()) for role, by_phase in acts.items()}, instant_ms(phase), known)
    return [*found, *markers(phase)]


def events_unread() -> list[BusEvent]:
    """What comes right after the engine has stopped: it waits on the bus, in the dump of Redis."""
    return _played(UNREAD, instant_ms(STOPPED_AFTER) + 15_000, None)


def _played(acts: Mapping[str, Sequence[str]], until_ms: int, known: Known | None) -> list[BusEvent]:
    """What each customer of each role does in the ten seconds before ``until_ms``."""
    return [
        _act(
            act, f"{role}-{number}", ("loan", "claim")[number % 2], until_ms - 9_000 + number * 500 + index * 900, known
        )
        for role, some in acts.items()
        for number in range(EACH)
        for index, act in enumerate(some)
    ]


def markers(phase: int) -> list[BusEvent]:
    """One event for each shard, at the phase's instant: once all are answered, the whole phase is."""
    return [
        tracked(f"marker-{number}", instant_ms(phase), "Transaction Started", _in("loan", f"m{phase}", 0))
        for number in MARKERS
    ]


MARKERS: Final = (0, 1, 4, 5)
"""The customers ``marker-N`` lie in four different shards."""


def _in(journey: str, transaction: str, step: int) -> dict[str, str]:
    steps = STEPS[journey]
    return {"journey": journey, "transaction_id": transaction, "step": steps[min(step, len(steps) - 1)]}


def _history() -> Iterator[BusEvent]:
    """Eighty minutes of customers of whom the models learn: every other one completes after a pause."""
    for number in range(HISTORY):
        customer, journey = f"past-{number}", ("loan", "loan", "claim")[number % 3]
        at_ms = BEGIN_MS - 33 * PHASE_MS + number // 6 * PHASE_MS + number % 6 * 5_000
        yield tracked(customer, at_ms, "Transaction Step Viewed", _in(journey, "t", 0))
        if number % 5 == 0:
            yield tracked(
                customer, at_ms + 400, "Transaction Step Failed", _in(journey, "t", 1) | {"error_code": "face_1"}
            )
        pause_ms = 65_000 + number % 7 * 5_000
        if number % 2 == 0:
            yield tracked(customer, at_ms + pause_ms, "Transaction Completed", _in(journey, "t", 1))


def _act(act: str, customer: str, journey: str, at_ms: int, known: Known | None) -> BusEvent:
    verb, _, transaction = act.partition(" ")
    if verb in _AROUND:
        name, properties = _AROUND[verb]
        return tracked(customer, at_ms, name, properties)
    if verb == "identify":
        return identified(customer, at_ms, {"group": "vip", "owner_agent_id": "desk-1", "branch": "north"})
    if verb in _OF_HINTS:
        hint_id = known.hints.get(customer, "none") if known is not None else "none"
        return tracked(customer, at_ms, _OF_HINTS[verb], {"hint_id": hint_id, "agent_id": "desk-1"})
    if verb in _OF_CALLS:
        outreach_id = known.calls.get(customer, "none") if known is not None else "none"
        return tracked(customer, at_ms, "Outreach Ended", {"outreach_id": outreach_id, "outcome": verb})
    if verb == "again":  # the very event of phase 6, once more
        return tracked(customer, *_SENT_TWICE, _in(journey, "t1", 0))
    name, step, more = _ACTS[verb]
    return tracked(customer, at_ms, name, _in(journey, transaction or "t1", step) | more)


BEFORE: Final[Mapping[str, Mapping[int, tuple[str, ...]]]] = {
    "told": {2: ("view", "fail", "fail")},
    "silent": {6: ("view", "next")},
    "back": {2: ("view",), 4: ("next",)},
    "ends": {6: ("view", "next")},
    "cancels": {6: ("view",)},
    "forgotten": {2: ("view",)},
    "struggles": {6: ("view", "fail")},
    "talking": {5: ("call",), 6: ("view",)},
    "insured": {3: ("policy", "identify")},
    "listed": {2: ("view", "fail")},
    "claimed": {2: ("view", "fail")},
    "reached": {2: ("view",)},
    "used": {3: ("view", "fail")},
    "dismissed": {3: ("view", "fail")},
    "capped": {1: ("view t1",), 2: ("view t2",)},
    "hinted": {4: ("view",)},
    "deferred": {5: ("view",)},
    "uncalled": {3: ("no_calls",), 4: ("view",)},
    "over": {3: ("view", "complete")},
    "twice": {6: ("again",)},
    "lost": {5: ("nowhere",)},
}
"""What who does in which phase."""
UNREAD: Final[Mapping[str, tuple[str, ...]]] = {"ends": ("complete",), "cancels": ("cancel",), "struggles": ("fail",)}
AFTER: Final[Mapping[str, Mapping[int, tuple[str, ...]]]] = {
    "told": {8: ("complete",)},
    "back": {7: ("complete",)},
    "struggles": {7: ("fail",)},
    "talking": {8: ("hang_up",), 9: ("complete",)},
    "insured": {7: ("view",), 9: ("call",), 10: ("rate", "hang_up")},
    "listed": {8: ("complete",)},
    "claimed": {8: ("no_answer",)},
    "reached": {8: ("reached",), 9: ("view",)},
    "used": {8: ("see", "use"), 9: ("complete",)},
    "dismissed": {8: ("dismiss",)},
    "capped": {8: ("view t3",)},
    "uncalled": {8: ("view",)},
    "over": {8: ("next", "hide")},
    "twice": {7: ("again",)},
    "lost": {8: ("nowhere",)},
    "new": {8: ("view", "next"), 12: ("complete",)},
}
_SENT_TWICE: Final = (instant_ms(STOPPED_AFTER) - 5_000, "Transaction Step Viewed")
_ACTS: Final[Mapping[str, tuple[str, int, dict[str, str]]]] = {
    "view": ("Transaction Step Viewed", 0, {}),
    "next": ("Transaction Step Viewed", 1, {}),
    "fail": ("Transaction Step Failed", 1, {"error_code": "face_mismatch"}),
    "complete": ("Transaction Completed", 1, {}),
    "cancel": ("Transaction Cancelled", 1, {}),
    "hide": ("Page Hidden", 1, {}),
    "nowhere": ("Transaction Step Viewed", 0, {"step": "no_such_step"}),
}
_AROUND: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "call": ("Contact Started", {"channel": "phone", "agent_id": "desk-1", "conversation_id": "v1"}),
    "hang_up": ("Contact Ended", {"channel": "phone", "agent_id": "desk-1", "conversation_id": "v1"}),
    "policy": (
        "Policy Updated",
        {"policy_id": "p1", "premium_due_on": "2026-03-04", "owner_agent_id": "desk-1", "branch": "north"},
    ),
    "rate": ("Answer Rated", {"question_id": "loan.unknown", "solved": True}),
    "no_calls": ("Do Not Call Set", {"agent_id": "desk-1"}),
}
_OF_HINTS: Final = {"use": "Hint Used", "dismiss": "Hint Dismissed", "see": "Hint Shown"}
_OF_CALLS: Final = frozenset(("reached", "no_answer"))
