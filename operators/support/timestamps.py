"""Instants and durations: whole milliseconds inside, ISO 8601 UTC outside.

In: aware or naive datetimes (naive is read as UTC), epoch milliseconds, duration
texts such as ``300s``. Out: integers in milliseconds, or text for the wire.
Refused: a duration without a unit, named with what is expected.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION_PATTERN: Final = r"^\d+(\.\d+)?(ms|s|m|h|d)$"
_FIRST_MS: Final = -62_135_596_800_000
_LAST_MS: Final = 253_402_300_799_999
_MINUTES: Final = tuple(f"T{minute // 60:02d}:{minute % 60:02d}" for minute in range(1440))
_SECONDS: Final = tuple(f":{second:02d}." for second in range(60))
_MILLISECONDS: Final = tuple(f"{millisecond:03d}Z" for millisecond in range(1000))
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def to_ms(moment: datetime) -> int:
    """Epoch milliseconds of ``moment``; a naive datetime is read as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def all_to_ms(moments: Iterable[datetime]) -> list[int]:
    """``to_ms`` of each, without a call for each."""
    return [round(moment.timestamp() * 1000) if moment.tzinfo is not None else to_ms(moment) for moment in moments]


@lru_cache(maxsize=16_384)
def _day_text(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()


def iso_text(at_ms: int) -> str:
    """``at_ms`` as ISO 8601 UTC with milliseconds: ``2017-03-15T00:19:28.000Z`` (years 1 to 9999, clamped)."""
    if not _FIRST_MS <= at_ms <= _LAST_MS:
        at_ms = _FIRST_MS if at_ms < _FIRST_MS else _LAST_MS
    day = at_ms // 86_400_000
    rest_ms = at_ms - day * 86_400_000
    minute, second = _MINUTES[rest_ms // 60_000], _SECONDS[rest_ms // 1000 % 60]
    return f"{_day_text(day)}{minute}{second}{_MILLISECONDS[rest_ms % 1000]}"


def duration_ms(text: str) -> int:
    """Milliseconds of a duration text: ``500ms``, ``2s``, ``5m``, ``24h``, ``7d``.

    Raises ValueError for anything else.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        message = f"duration: found {text!r}, expected a number and a unit such as 500ms, 2s, 5m, 24h or 7d"
        raise ValueError(message)
    return round(float(match[1]) * MILLISECONDS[match[2]])
