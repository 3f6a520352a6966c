"""Quiet hours: whether we may speak first now, and if not, when.

In: the quiet hours of the catalogue (a zone and two times of its clock) and an instant.
Out: the instant they end, or None when it is not quiet. Refused: a zone nobody knows
(``zoneinfo.ZoneInfoNotFoundError``; the catalogue is checked for it before).

The clock on the customer's wall decides. Where the clocks change inside the hours, a time that
comes twice ends them the second time, and one that is skipped ends them no sooner: when in doubt
it is quiet. ``from`` later than ``to`` runs over midnight; the two equal are no quiet hours.
"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from operators.catalogue import QuietHours
from operators.instants import to_ms


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
        if min(_instants_ms(day, start, zone)) <= now_ms < end_ms:
            return end_ms
    return None


def _instants_ms(day: date, clock: time, zone: ZoneInfo) -> tuple[int, int]:
    """Both readings of a time of the clock; they differ only where the clocks change."""
    moment = datetime.combine(day, clock, zone)
    return to_ms(moment), to_ms(moment.replace(fold=1))
