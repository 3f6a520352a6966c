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
        found = (seen for seen in read_trail(client) if _is_asked_for(seen, chosen, customer))
        for seen in itertools.islice(found, chosen.limit):
            sys.stdout.write(_json_line(seen) if chosen.json else _line(seen))
    return 0


def _is_asked_for(seen: AuditEntry, chosen: argparse.Namespace, customer: str | None) -> bool:
    return (
        (customer is None or seen.customer == customer)
        and (chosen.who is None or seen.who == chosen.who)
        and (chosen.kind is None or seen.kind == chosen.kind)
        and (chosen.hint is None or (seen.kind, seen.id) == (HINT, chosen.hint))
    )


def _line(seen: AuditEntry) -> str:
    return f"{iso_text(seen.at_ms)}  {seen.role} {seen.who}  {seen.how}  {seen.kind} {seen.id} of {seen.customer}\n"


def _json_line(seen: AuditEntry) -> str:
    return msgspec.json.encode({**msgspec.structs.asdict(seen), "at": iso_text(seen.at_ms)}).decode() + "\n"
