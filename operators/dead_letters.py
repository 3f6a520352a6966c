"""Dead letters: what could not be taken, whole, with every reason, to be driven again after a fix."""

from typing import Any, Final

import msgspec

from operators.events import Rejection
from operators.instants import iso_text

ARTIFACT: Final = "zhiyin"


class DeadLetter(msgspec.Struct, frozen=True):
    """One event that could not be taken. ``at_ms``: when it was refused (its arrival, not its timestamp)."""

    raw: bytes
    rejections: tuple[Rejection, ...]
    at_ms: int | None
    customer_id: str | None = None


def dead_letter_document(letter: DeadLetter, version: str) -> dict[str, Any]:
    """``failure``, ``payload`` and ``processor`` of one dead letter, ready to be written."""
    return {
        "failure": {
            "timestamp": None if letter.at_ms is None else iso_text(letter.at_ms),
            "kind": letter.rejections[0].kind,
            "messages": [
                {"path": each.path, "found": each.found, "expected": each.expected} for each in letter.rejections
            ],
        },
        "payload": {"raw": letter.raw.decode("utf-8", "backslashreplace")},
        "processor": {"artifact": ARTIFACT, "version": version},
    }
