"""Visits for the shards: customers who break off and, one window later, come back and complete.

In: how many attempts are to be open. Out: polls of events in order of time, as the bus has them: ids of
36 characters, three or four steps a visit. While the first visits begin nobody comes back; from then on
each visit that begins meets one that ends, so the number of open attempts stays as it is.
"""

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from config import Settings
from flows.steps.messages import Poll
from operators.records.events import COMPLETED, FIELD_ERROR, STEP_COMPLETED, STEP_FAILED, STEP_VIEWED
from operators.support.timestamps import iso_text

JOURNEY: Final = "policy_loan"
BEGINS_MS: Final = 1_767_603_600_000
WINDOW_MS: Final = 6 * 3_600_000
"""How long an attempt stays open: long silent, not yet forgotten."""

POLL_EVENTS: Final = Settings().poll_events


class VisitDeed(NamedTuple):
    """One event of every visit. ``every``: of that many visits one does it; ``more``: further JSON properties."""

    after_ms: int
    event: str
    step: str
    more: str = ""
    every: int = 1


PLAIN: Final = (
    VisitDeed(0, STEP_VIEWED, "choose_policy"),
    VisitDeed(20_000, STEP_VIEWED, "loan_amount"),
    VisitDeed(50_000, STEP_VIEWED, "bank_card", every=2),
    VisitDeed(80_000, STEP_VIEWED, "face_check"),
)
STRUGGLING: Final = (
    VisitDeed(0, STEP_VIEWED, "choose_policy"),
    VisitDeed(20_000, FIELD_ERROR, "loan_amount", ',"field":"amount","code":"over_limit"'),
    VisitDeed(50_000, STEP_VIEWED, "face_check", every=2),
    VisitDeed(80_000, STEP_FAILED, "face_check", ',"error_code":"face_mismatch"'),
)
_RETURNING: Final = (
    VisitDeed(0, STEP_VIEWED, "face_check"),
    VisitDeed(15_000, STEP_COMPLETED, "face_check"),
    VisitDeed(40_000, COMPLETED, "done"),
)
_EVENT: Final = (
    '{"type":"track","event":"EVENT","messageId":"%(head)s-41d6-DEED-b2c4-%(tail)s",'
    '"userId":"%(head)s-7c1e-4b7a-9f3e-%(tail)s","timestamp":"%(at)s",'
    '"context":{"channel":"web","library":{"name":"analytics.js","version":"2.11.1"}},'
    '"properties":{"journey":"JOURNEY","transaction_id":"%(head)s-2026-4c19-8d5f-%(tail)s","step":"STEP"MORE}}'
)
"""Every id has 36 characters, as a UUID has."""


class Sent(NamedTuple):
    """One event on its way."""

    at_ms: int
    customer_id: str
    raw: bytes


class Visits:
    """The stream for ``attempts`` open attempts, ``struggling`` or not, each open for ``window_ms``."""

    def __init__(self, attempts: int, *, struggling: bool, window_ms: int = WINDOW_MS) -> None:
        self._attempts = attempts
        self._window_ms = window_ms
        self._deeds = STRUGGLING if struggling else PLAIN
        self._ongoing = self._go_on()

    def fill(self) -> Iterator[Poll]:
        """The visits that begin and stay open."""
        return _polls(heapq.merge(*(self._stream(deed, 0, 0, self._attempts) for deed in self._deeds)))

    def turn(self, events: int, poll_events: int = POLL_EVENTS) -> list[Poll]:
        """The next ``events`` after those: as many attempts begin as end."""
        return list(_polls(islice(self._ongoing, events), poll_events))

    def _go_on(self) -> Iterator[Sent]:
        beginning = (self._stream(deed, 0, self._attempts, None) for deed in self._deeds)
        returning = (self._stream(deed, self._window_ms, 0, None) for deed in _RETURNING)
        return heapq.merge(*beginning, *returning)

    def _stream(self, deed: VisitDeed, later_ms: int, first: int, after_last: int | None) -> Iterator[Sent]:
        """One deed of every visit, in order of time."""
        pattern = _pattern(deed, later_ms + deed.after_ms)
        visit = first
        while after_last is None or visit < after_last:
            at_ms = BEGINS_MS + visit * self._window_ms // self._attempts + deed.after_ms + later_ms
            if visit % deed.every == 0:
                yield _sent(pattern, visit, at_ms)
            visit += 1


def _pattern(deed: VisitDeed, number: int) -> str:
    words = {"EVENT": deed.event, "DEED": f"{number // 1000 & 0xFFFF:04x}", "JOURNEY": JOURNEY}
    pattern = _EVENT
    for name, word in {**words, "STEP": deed.step, "MORE": deed.more}.items():
        pattern = pattern.replace(name, word)
    return pattern


def _sent(pattern: str, visit: int, at_ms: int) -> Sent:
    ids = {"head": f"{visit:08x}", "tail": f"{visit * 2_654_435_761 & 0xFFFFFFFFFFFF:012x}", "at": iso_text(at_ms)}
    return Sent(at_ms, f"{ids['head']}-7c1e-4b7a-9f3e-{ids['tail']}", (pattern % ids).encode())


def _polls(events: Iterator[Sent], poll_events: int = POLL_EVENTS) -> Iterator[Poll]:
    while batch := list(islice(events, poll_events)):
        times_ms = [each.at_ms for each in batch]
        yield Poll([each.raw for each in batch], [each.customer_id for each in batch], times_ms, times_ms)
