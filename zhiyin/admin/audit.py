"""``zhiyin audit``: who saw what of whom, newest first.

In: settings and what was typed. Out: a line a view on stdout, or one JSON document a line. Refused: nothing here.
A customer can be asked for by id, though the trail has only the mask.
"""

import argparse
import itertools
import sys

import msgspec

from config import Settings
from config.settings.mask_key import mask_key
from operators.support.masking import masked
from operators.support.timestamps import iso_text
from state.audit.trail import HINT, AuditEntry, read_trail
from state.redis.connections import connect


def run_audit(settings: Settings, chosen: argparse.Namespace) -> int:
    """Prints what was asked for; exit code 0. Raises StoreUnavailable."""
    customer = None if chosen.customer is None else masked(chosen.customer, mask_key(settings))
    with connect(settings.redis_url or "") as client:
        entries = (entry for entry in read_trail(client) if _matches(entry, chosen, customer))
        for entry in itertools.islice(entries, chosen.limit):
            sys.stdout.write(_json_line(entry) if chosen.json else _line(entry))
    return 0


def _matches(entry: AuditEntry, chosen: argparse.Namespace, customer: str | None) -> bool:
    return (
        (customer is None or entry.customer == customer)
        and (chosen.who is None or entry.who == chosen.who)
        and (chosen.kind is None or entry.kind == chosen.kind)
        and (chosen.hint is None or (entry.kind, entry.id) == (HINT, chosen.hint))
    )


def _line(entry: AuditEntry) -> str:
    return (
        f"{iso_text(entry.at_ms)}  {entry.role} {entry.who}  {entry.how}  {entry.kind} {entry.id} of {entry.customer}\n"
    )


def _json_line(entry: AuditEntry) -> str:
    return msgspec.json.encode({**msgspec.structs.asdict(entry), "at": iso_text(entry.at_ms)}).decode() + "\n"
