"""Calls that agents make first: claims, outcomes and do-not-call wishes, noted in Redis and published to the engine.

In: an entry of the outreach list, whose token asks, the time. Out: what became of it and, on the bus, the event
``Outreach Claimed``, ``Outreach Released``, ``Outreach Ended``, ``Do Not Call Set`` or ``Do Not Call Lifted`` of that
customer. Refused (``CallRefused``): an entry nobody knows, one that is over, another agent's, one that was not
claimed, any in the quiet hours.

Asking the same again is no error and sends the engine the same event, so that what failed half way can be repeated.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from operators.hints.quiet_hours import quiet_until
from operators.records.catalogue import QuietHours
from operators.records.events import (
    DO_NOT_CALL_LIFTED,
    DO_NOT_CALL_SET,
    OUTREACH_CLAIMED,
    OUTREACH_ENDED,
    OUTREACH_RELEASED,
)
from operators.records.facts import stable_id
from operators.support.timestamps import iso_text
from state.bus.protocol import EventAppender, OutgoingEvent
from state.outreach.claims import Claim, Ending, EntryOwner, OutreachRepository

UNKNOWN: Final = "unknown"


class CallRefused(Exception):
    """It is not done. ``kind``: ``unknown``, ``over``, ``taken``, ``unclaimed`` or ``quiet_hours``.

    ``found``: what is so; ``until_ms``: until when it is so, where that is known.
    """

    def __init__(self, outreach_id: str, kind: str, found: str, expected: str, until_ms: int | None = None) -> None:
        self.outreach_id = outreach_id
        self.kind = kind
        self.found = found
        self.expected = expected
        self.until_ms = until_ms
        super().__init__(f"outreach {outreach_id}: found {found}, expected {expected}")


class OutreachClaims:
    """What agents do with the list. ``now_ms``: epoch milliseconds. Every method may raise StoreUnavailable.

    Those that publish to the engine may raise BusFull or BusUnavailable after the change: ask the same again.
    """

    def __init__(self, repository: OutreachRepository, bus: EventAppender, now_ms: Callable[[], int]) -> None:
        self._repository = repository
        self._bus = bus
        self._now_ms = now_ms

    async def claim(self, outreach_id: str, agent: str) -> Claim:
        """Claim an entry, or renew one's own claim. Raises CallRefused."""
        now_ms = self._now_ms()
        owner = await self._owner(outreach_id)
        until_ms = quiet_end_ms(owner.document, now_ms)
        if until_ms is not None:
            found = f"quiet hours until {iso_text(until_ms)}"
            raise CallRefused(outreach_id, "quiet_hours", found, "a claim outside them", until_ms)
        claim = await self._repository.claim(outreach_id, agent, now_ms)
        if claim.refused is not None:
            raise _no_claim(outreach_id, claim)
        key = stable_id("outreach-claimed", outreach_id, agent, str(claim.until_ms))
        await self._publish(OUTREACH_CLAIMED, key, outreach_id, owner, agent, now_ms)
        return claim

    async def release(self, outreach_id: str, agent: str) -> bool:
        """Give one's claim back; False: there was none. Raises CallRefused."""
        now_ms = self._now_ms()
        owner = await self._owner(outreach_id)
        answer = await self._repository.release(outreach_id, agent, now_ms)
        if answer == "taken":
            raise CallRefused(outreach_id, "taken", "another agent's claim", "your own")
        key = stable_id("outreach-released", outreach_id, agent, str(now_ms))
        await self._publish(OUTREACH_RELEASED, key, outreach_id, owner, agent, now_ms)
        return answer == "released"

    async def end(self, outreach_id: str, agent: str, outcome: str) -> Ending:
        """Say what came of the call. Raises CallRefused."""
        now_ms = self._now_ms()
        owner = await self._owner(outreach_id)
        ending = await self._repository.end(outreach_id, owner, agent, outcome, now_ms)
        if ending.refused is not None:
            raise _no_ending(outreach_id, ending)
        key = stable_id("outreach-ended", outreach_id, outcome)
        await self._publish(OUTREACH_ENDED, key, outreach_id, owner, agent, now_ms, outcome)
        return ending

    async def forbid(self, customer_id: str, agent: str) -> bool:
        """No calls to the customer; False: it was so before."""
        changed = await self._repository.forbid(customer_id)
        await self._publish_wish(DO_NOT_CALL_SET, customer_id, agent)
        return changed

    async def allow(self, customer_id: str, agent: str) -> bool:
        """Calls are welcome again; False: they were before."""
        changed = await self._repository.allow(customer_id)
        await self._publish_wish(DO_NOT_CALL_LIFTED, customer_id, agent)
        return changed

    async def _owner(self, outreach_id: str) -> EntryOwner:
        owner = await self._repository.owner(outreach_id)
        if owner is None:
            raise CallRefused(outreach_id, UNKNOWN, "no such entry", "one of the list")
        return owner

    async def _publish(
        self,
        name: str,
        key: str,
        outreach_id: str,
        owner: EntryOwner,
        agent: str,
        now_ms: int,
        outcome: str | None = None,
    ) -> None:
        properties = {
            "outreach_id": outreach_id,
            "journey": owner.journey,
            "transaction_id": owner.document["transaction_id"],
            "agent_id": agent,
        }
        if outcome is not None:
            properties["outcome"] = outcome
        await self._bus.append((_event(name, key, owner.customer_id, properties, now_ms),))

    async def _publish_wish(self, name: str, customer_id: str, agent: str) -> None:
        now_ms = self._now_ms()
        key = stable_id("do-not-call", name, customer_id, str(now_ms))
        await self._bus.append((_event(name, key, customer_id, {"agent_id": agent}, now_ms),))


def quiet_end_ms(document: dict[str, Any], now_ms: int) -> int | None:
    """When the quiet hours an entry was listed under end; None: it may be called now."""
    quiet_hours = document.get("quiet_hours")
    return None if quiet_hours is None else quiet_until(msgspec.convert(quiet_hours, QuietHours), now_ms)


def _no_claim(outreach_id: str, claim: Claim) -> CallRefused:
    if claim.refused == "taken":
        found = f"claimed by another agent until {iso_text(claim.until_ms)}"
        return CallRefused(outreach_id, "taken", found, "an entry nobody holds", claim.until_ms)
    if claim.refused == "over":
        return CallRefused(outreach_id, "over", f"an entry that is over ({claim.detail})", "one that is open")
    return CallRefused(outreach_id, UNKNOWN, "no such entry", "one of the list")


def _no_ending(outreach_id: str, ending: Ending) -> CallRefused:
    texts = {
        "taken": ("another agent's claim", "your own"),
        "unclaimed": ("no claim", "a claim of yours"),
        "over": (f"the outcome {ending.detail}", "none noted before"),
    }.get(str(ending.refused), ("no such entry", "one of the list"))
    return CallRefused(outreach_id, str(ending.refused), *texts)


def _event(name: str, key: str, customer_id: str, properties: dict[str, Any], now_ms: int) -> OutgoingEvent:
    event = {
        "type": "track",
        "event": name,
        "messageId": key,
        "userId": customer_id,
        "timestamp": iso_text(now_ms),
        "properties": properties,
        "context": {"channel": "server", "library": {"name": "zhiyin-gateway"}},
    }
    return OutgoingEvent(customer_id, now_ms, msgspec.json.encode(event))
