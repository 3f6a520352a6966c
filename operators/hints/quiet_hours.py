"""Quiet hours: whether we may speak first now, and if not, when.

In: the quiet hours of the catalogue (a zone and two times of its clock) and an instant.
Out: the instant they end, or None when it is not quiet. Refused: a zone nobody knows
(``zoneinfo.ZoneInfoNotFoundError``; the catalogue is checked for it before).

The clock on the customer's wall decides. Where the clocks change, a time that comes twice begins
the hours the first time and ends them the second; one that is skipped begins them as the clocks
change, and ends them no sooner: when in doubt it is quiet. ``from`` later than ``to`` runs over
midnight; the two equal are no quiet hours.
"""

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from operators.records.catalogue import QuietHours
from operators.support.timestamps import to_ms

_MINUTE_MS: Final = 60_000


def quiet_until(quiet: QuietHours, now_ms: int) -> int | None:
    """Epoch ms at which the quiet hours around ``now_ms`` end; None when it is not quiet."""
    zone = ZoneInfo(quiet.zone)
    start, end = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end)
    if start == end:
        return None
    today = datetime.fromtimestamp(now_ms / 1000, zone).date()
    for day in (today - timedelta(days=1), today):
        last_day = day if start < end else day + timedelta(days=1)
        end_ms = max(_instants_ms(last_day, end, zone))
        if _begins_ms(day, start, zone) <= now_ms < end_ms:
            return end_ms
    return None


def _begins_ms(day: date, clock: time, zone: ZoneInfo) -> int:
    """The first instant of the day at which the clock shows the time, or has skipped it."""
    first_ms, other_ms = _instants_ms(day, clock, zone)
    if first_ms <= other_ms:
        return first_ms
    before = _offset(other_ms, zone)
    return next(ms for ms in range(other_ms, first_ms + 1, _MINUTE_MS) if _offset(ms, zone) != before)


def _offset(at_ms: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at_ms / 1000, zone).utcoffset()


def _instants_ms(day: date, clock: time, zone: ZoneInfo) -> tuple[int, int]:
    """Both readings of a time of the clock; they differ only where the clocks change."""
    moment = datetime.combine(day, clock, zone)
    return to_ms(moment), to_ms(moment.replace(fold=1))
