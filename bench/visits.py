"""Visits for the shards: customers who break off and, one window later, come back and complete.

In: how many attempts are to be open. Out: polls of events in order of time, as the bus has them: ids of
36 characters, three or four steps a visit. While the first visits begin nobody comes back; from then on
each visit that begins meets one that ends, so the number of open attempts stays as it is.
"""

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from flows.delivery import Poll
from operators.events import COMPLETED, FIELD_ERROR, STEP_COMPLETED, STEP_FAILED, STEP_VIEWED
from operators.instants import iso_text

JOURNEY: Final = "policy_loan"
BEGINS_MS: Final = 1_767_603_600_000
WINDOW_MS: Final = 6 * 3_600_000
"""How long an attempt stays open: long silent, not yet forgotten."""

POLL_EVENTS: Final = 4_096


class Deed(NamedTuple):
    """One event of every visit. ``every``: of that many visits one does it; ``more``: further JSON properties."""

    after_ms: int
    event: str
    step: str
    more: str = ""
    every: int = 1


PLAIN: Final = (
    Deed(0, STEP_VIEWED, "choose_policy"),
    Deed(20_000, STEP_VIEWED, "loan_amount"),
    Deed(50_000, STEP_VIEWED, "bank_card", every=2),
    Deed(80_000, STEP_VIEWED, "face_check"),
)
STRUGGLING: Final = (
    Deed(0, STEP_VIEWED, "choose_policy"),
    Deed(20_000, FIELD_ERROR, "loan_amount", ',"field":"amount","code":"over_limit"'),
    Deed(50_000, STEP_VIEWED, "face_check", every=2),
    Deed(80_000, STEP_FAILED, "face_check", ',"error_code":"face_mismatch"'),
)
_RETURNING: Final = (
    Deed(0, STEP_VIEWED, "face_check"),
    Deed(15_000, STEP_COMPLETED, "face_check"),
    Deed(40_000, COMPLETED, "done"),
)
_EVENT: Final = (
    '{{"type":"track","event":"{event}","messageId":"{message}","userId":"{user}","timestamp":"{at}",'
    '"context":{{"channel":"web","library":{{"name":"analytics.js","version":"2.11.1"}}}},'
    '"properties":{{"journey":"' + JOURNEY + '","transaction_id":"{transaction}","step":"{step}"{more}}}}}'
)


class Sent(NamedTuple):
    """One event on its way."""

    at_ms: int
    customer_id: str
    raw: bytes


class Visits:
    """The stream for ``attempts`` open attempts, ``struggling`` or not."""

    def __init__(self, attempts: int, *, struggling: bool) -> None:
        self._attempts = attempts
        self._deeds = STRUGGLING if struggling else PLAIN
        self._ongoing = self._go_on()

    def fill(self) -> Iterator[Poll]:
        """The visits that begin and stay open."""
        return _polls(heapq.merge(*(self._stream(deed, 0, 0, self._attempts) for deed in self._deeds)))

    def turn(self, events: int) -> list[Poll]:
        """The next ``events`` after those: as many attempts begin as end."""
        return list(_polls(islice(self._ongoing, events)))

    def _go_on(self) -> Iterator[Sent]:
        beginning = (self._stream(deed, 0, self._attempts, None) for deed in self._deeds)
        returning = (self._stream(deed, WINDOW_MS, 0, None) for deed in _RETURNING)
        return heapq.merge(*beginning, *returning)

    def _stream(self, deed: Deed, later_ms: int, first: int, after_last: int | None) -> Iterator[Sent]:
        """One deed of every visit, in order of time."""
        visit = first
        while after_last is None or visit < after_last:
            at_ms = BEGINS_MS + visit * WINDOW_MS // self._attempts + deed.after_ms + later_ms
            if visit % deed.every == 0:
                yield _sent(visit, deed, at_ms)
            visit += 1


def _sent(visit: int, deed: Deed, at_ms: int) -> Sent:
    user = _id(visit, "7c1e-4b7a-9f3e")
    raw = _EVENT.format(
        event=deed.event,
        message=_id(visit * 8_191 + at_ms % 8_191, f"41d6-4{deed.after_ms % 4_096:03x}-b2c4"),
        user=user,
        at=iso_text(at_ms),
        transaction=_id(visit, "2026-4c19-8d5f"),
        step=deed.step,
        more=deed.more,
    )
    return Sent(at_ms, user, raw.encode())


def _id(number: int, middle: str) -> str:
    """36 characters in the shape of a UUID, different for different numbers."""
    return f"{number & 0xFFFFFFFF:08x}-{middle}-{number * 2_654_435_761 & 0xFFFFFFFFFFFF:012x}"


def _polls(events: Iterator[Sent]) -> Iterator[Poll]:
    while batch := list(islice(events, POLL_EVENTS)):
        times_ms = [each.at_ms for each in batch]
        yield Poll([each.raw for each in batch], [each.customer_id for each in batch], times_ms, times_ms)
