"""What a customer struggles with in a transaction under way, as far as the agent who talks to him should know.

In: ``struggled`` facts whose reasons are known, the end of their attempt. Out: what was wrong at an instant, and what
has changed since then, so that what an agent sees is right however late the contact arrives. Refused: nothing.

It is trouble until that transaction is completed, cancelled or expired, and for an hour at the most.
"""

from typing import Final, NamedTuple

import msgspec

from operators.records.facts import Fact

LASTS_MS: Final = 3_600_000
"""What went wrong longer ago is no trouble of now."""
ENDS: Final = frozenset(("completed", "cancelled", "expired"))


class Change(NamedTuple):
    """``cause``: id of the fact that changed it; ``struggle``: what is wrong since then, None: nothing."""

    cause: str
    at_ms: int
    struggle: Fact | None


class Struggling(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The latest trouble. ``over_id``, ``over_ms``: the fact that ended it, None while it lasts."""

    fact: Fact
    over_id: str | None = None
    over_ms: int = 0

    @property
    def until_ms(self) -> int:
        """When it is forgotten."""
        return self.fact.at_ms + LASTS_MS

    def ended_by(self, fact: Fact) -> "Struggling | None":
        """As it is after ``fact``; None: that changes nothing."""
        if self.over_id is not None or fact.kind not in ENDS or fact.attempt_id != self.fact.attempt_id:
            return None
        return Struggling(self.fact, fact.id, fact.at_ms)

    def struggle_at(self, at_ms: int) -> Fact | None:
        """What was wrong at an instant."""
        is_over = self.over_id is not None and self.over_ms <= at_ms
        return None if is_over or not self.fact.at_ms <= at_ms < self.until_ms else self.fact

    def since(self, at_ms: int) -> list[Change]:
        """What has changed after an instant, in order."""
        changes = [Change(self.fact.id, self.fact.at_ms, self.fact)]
        if self.over_id is not None:
            changes.append(Change(self.over_id, self.over_ms, None))
        return [change for change in changes if change.at_ms > at_ms]
