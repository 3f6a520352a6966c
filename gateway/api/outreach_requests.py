"""Requests about the outreach list, read: journey, limit and cursor of a page; the outcome of a call.

In: query parameters, a body. Out: records. Refused, as a ``HttpProblem``: a limit out of range, a cursor that is none
of ours, a body that names no outcome.
"""

import base64
import binascii
from typing import Final

import msgspec
from starlette.datastructures import QueryParams

from gateway.http.problems import ErrorDetail, HttpProblem
from operators.outreach.call_list_entry import OUTCOMES, CallResult
from operators.records.events import excerpt, wrong_type
from state.outreach.claims import ListPosition

MOST: Final = 100
USUAL: Final = 50
JOURNEY_CHARS: Final = 100
CURSOR_CHARS: Final = 200


class OutcomeReport(msgspec.Struct, forbid_unknown_fields=True):
    """What came of a call, as ``POST /v1/outreach/{id}/outcomes`` takes it."""

    outcome: CallResult


class Wanted(msgspec.Struct, frozen=True):
    """A page that is asked for."""

    journey: str | None
    limit: int
    after: ListPosition | None


def wanted_page(query: QueryParams) -> Wanted:
    """What ``journey``, ``limit`` and ``cursor`` ask for. Raises HttpProblem."""
    journey = query.get("journey") or None
    if journey is not None and len(journey) > JOURNEY_CHARS:
        raise _invalid("journey", f"{len(journey)} characters", f"at most {JOURNEY_CHARS} characters")
    text = query.get("limit", str(USUAL))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST:
        raise _invalid("limit", repr(text[:20]), f"1 to {MOST}")
    cursor = query.get("cursor")
    return Wanted(journey, int(text), None if cursor is None else _position(cursor))


def cursor_of(position: ListPosition | None) -> str | None:
    """Where the next page begins, as the client gets it."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(f"{position.rank}:{position.outreach_id}".encode()).decode().rstrip("=")


def read_outcome(body: bytes) -> str:
    """The outcome a body names. Raises HttpProblem."""
    try:
        return msgspec.json.decode(body, type=OutcomeReport).outcome
    except msgspec.ValidationError as error:
        wrong = wrong_type(error)
        expected = " or ".join(OUTCOMES) if wrong.path == "$.outcome" else wrong.expected
        raise _invalid(wrong.path, wrong.found, expected) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid("$", excerpt(body), f"one JSON object in UTF-8 ({error})") from error


def _position(cursor: str) -> ListPosition:
    try:
        padded = cursor[:CURSOR_CHARS] + "=" * (-len(cursor) % 4)
        rank, _, outreach_id = base64.b64decode(padded, b"-_", validate=True).decode().partition(":")
        return ListPosition(int(rank), outreach_id)
    except (binascii.Error, ValueError) as error:
        raise _invalid("cursor", repr(cursor[:40]), "the next_cursor of a page") from error


def _invalid(path: str, found: str, expected: str) -> HttpProblem:
    return HttpProblem("invalid", f"{path}: found {found}, expected {expected}", [ErrorDetail(path, found, expected)])
