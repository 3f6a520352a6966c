"""A customer taken out of Redis: every key that can hold him, by its name and by what is in it.

In: the customer's id. Out: how much was taken, by kind of key. Refused: nothing; ``StoreUnavailable`` while Redis is
away - it may then be done again, and finds what is left.

All keys of ours are looked through, a thousand at a time, so that no kind of key can be forgotten: what is named after
the customer goes whole, what is named after another is passed by; a record of his goes whole; members, fields and
entries that are his, or belong to a hint or call of his, go singly. He is found as a whole value, or as the customer
that a document names (``"subject":"ID"`` and the like, also inside a text inside a document), never as a part of
another id. The trail of who saw what holds no id (``state/audit/trail.py``) and stays.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from redis.exceptions import ResponseError

from state.redis import keys
from state.redis.connections import Client, answering

NAMED_AFTER_CUSTOMERS: Final = (
    keys.CHATBOT_HINT,
    keys.OPEN_HINTS,
    keys.OPEN_DOCUMENTS,
    keys.BUNDLE,
    keys.BELONGS,
    keys.OUTREACH_CUSTOMER,
)
RECORDS: Final = (keys.HINT_RECORD, keys.OUTREACH_RECORD)
"""Whose they are, a field says."""
WITHOUT_CUSTOMERS: Final = (
    keys.TOLD,
    keys.CHANNEL_EPOCH,
    keys.CHANNEL_OFFSET,
    keys.JOURNEY_MAP,
    keys.PAIN_POINTS,
    keys.AUDIT,
)
"""Not looked into: hashes, numbers, counts."""
NAMES: Final = ("customer_id", "customer", "subject", "partitionkey", "userId", "anonymousId")
"""How documents of ours, and events, call whose they are."""
RECORD_FIELD: Final = b"customer"
KEYS_A_LOOK: Final = 1_000
ENTRIES_A_LOOK: Final = 1_000

ErasedCounts = Counter[str]
_WITHOUT: Final = tuple(key.of().encode() for key in WITHOUT_CUSTOMERS)
_NAMED: Final = tuple(key.of().encode() for key in NAMED_AFTER_CUSTOMERS)
_OTHERS: Final = (*_NAMED, *(key.of().encode() for key in RECORDS))


class Needles:
    """What the customer looks like in bytes. ``also``: ids of his hints and calls."""

    def __init__(self, customer_id: str) -> None:
        self.names = {key.of(customer_id).encode() for key in NAMED_AFTER_CUSTOMERS}
        self.customer = customer_id.encode("utf-8", "surrogatepass")
        self._whole = {self.customer}
        self._own: list[bytes] = []
        spellings = {json.dumps(customer_id, ensure_ascii=False), json.dumps(customer_id)}
        nested = {json.dumps(spelling, ensure_ascii=False)[1:-1] for spelling in spellings}
        values = "|".join(map(re.escape, sorted(spellings | nested)))
        self._named = re.compile(rf'"(?:{"|".join(NAMES)})\\?"\s*:\s*(?:{values})'.encode("utf-8", "surrogatepass"))

    def also(self, own_id: bytes) -> None:
        """The id of a hint or call that is his."""
        self._whole.add(own_id)
        self._own.append(b'"%b"' % own_id)

    def are_in(self, value: bytes) -> bool:
        """Whether ``value`` is one of his ids, or a document that is about him."""
        return value in self._whole or self.are_named_in(value)

    def are_named_in(self, document: bytes) -> bool:
        """Whether ``document`` is about him, or about a hint or call of his."""
        return any(own_id in document for own_id in self._own) or self._named.search(document) is not None


def erase_in_redis(client: Client, customer_id: str) -> ErasedCounts:
    """Takes the customer out of every key of ours; how much, by kind of key. Raises StoreUnavailable."""
    needles, taken = Needles(customer_id), ErasedCounts()
    with answering("erasing a customer", client):
        _take_records(client, needles, taken)
        for kind, take in _TAKERS.items():
            for key in _all_keys(client, kind):
                _take(client, key, take, needles, taken)
    return taken


def _all_keys(client: Client, kind: str) -> Iterator[bytes]:
    """All our keys of one type that may hold him; deleting meanwhile is allowed."""
    return (
        key
        for key in client.scan_iter(match=f"{keys.PREFIX}:*", count=KEYS_A_LOOK, _type=kind)
        if not key.startswith(_WITHOUT)
    )


def _take_records(client: Client, needles: Needles, taken: ErasedCounts) -> None:
    """A hint's or call's record holds whose it is; its id is then looked for as well."""
    hash_keys = (key for key in _all_keys(client, "hash") if not key.startswith(_NAMED))
    while batch := list(islice(hash_keys, KEYS_A_LOOK)):
        with client.pipeline(transaction=False) as pipeline:
            for key in batch:
                pipeline.hget(key.decode(), RECORD_FIELD.decode())
            owners: list[Any] = pipeline.execute()
        for key in (key for key, owner in zip(batch, owners, strict=True) if owner == needles.customer):
            needles.also(key.rpartition(b":")[2])
            taken[_kind(key)] += int(client.unlink(key))


def _take(
    client: Client, key: bytes, take: Callable[[Client, bytes, Needles], int], needles: Needles, taken: ErasedCounts
) -> None:
    """What is named after another customer is his alone, and a record that is left is another's."""
    if key in needles.names:
        count = int(client.unlink(key))
    else:
        count = 0 if key.startswith(_OTHERS) else take(client, key, needles)
    if count:
        taken[_kind(key)] += count


def _string(client: Client, key: bytes, needles: Needles) -> int:
    value: Any = client.get(key)
    return int(client.unlink(key)) if value is not None and needles.are_in(value) else 0


def _hash(client: Client, key: bytes, needles: Needles) -> int:
    pairs: Any = client.hscan_iter(key, count=KEYS_A_LOOK)
    old = [field for field, value in pairs if needles.are_in(field) or needles.are_named_in(value)]
    return int(client.hdel(key, *old)) if old else 0


def _set(client: Client, key: bytes, needles: Needles) -> int:
    old = [member for member in client.sscan_iter(key, count=KEYS_A_LOOK) if needles.are_in(member)]
    return int(client.srem(key, *old)) if old else 0


def _sorted_set(client: Client, key: bytes, needles: Needles) -> int:
    old = [member for member, _ in client.zscan_iter(key, count=KEYS_A_LOOK) if needles.are_in(member)]
    return int(client.zrem(key, *old)) if old else 0


def _list(client: Client, key: bytes, needles: Needles) -> int:
    members: Any = client.lrange(key, 0, -1)
    return sum(int(client.lrem(key, 0, member)) for member in set(filter(needles.are_in, members)))


def _stream(client: Client, key: bytes, needles: Needles) -> int:
    count, after = 0, b"-"
    while True:
        entries: Any = client.xrange(key, after, "+", ENTRIES_A_LOOK)
        old = [entry_id for entry_id, fields in entries if any(map(needles.are_in, fields.values()))]
        if old:
            count += int(client.xdel(key, *old))
        if len(entries) < ENTRIES_A_LOOK:
            return count
        after = b"(" + entries[-1][0]


_TAKERS: Final[Mapping[str, Callable[[Client, bytes, Needles], int]]] = {
    "string": _string,
    "hash": _hash,
    "set": _set,
    "zset": _sorted_set,
    "list": _list,
    "stream": _stream,
}


def _kind(key: bytes) -> str:
    """``zy:hint``: the kind of a key, without whose it is."""
    return b":".join(key.split(b":")[:2]).decode()


def rewrite_append_only_file(client: Client) -> bool:
    """Has Redis write its append-only file anew, without what was deleted; False: it has none, or may not be asked."""
    with answering("rewriting the append-only file", client):
        try:
            persistence: Any = client.info("persistence")
            if not persistence.get("aof_enabled"):
                return False
            client.bgrewriteaof()
        except ResponseError:
            return False
    return True


def is_rewriting(client: Client) -> bool:
    """Whether the append-only file is being written anew, or is going to be. Raises StoreUnavailable."""
    with answering("rewriting the append-only file", client):
        persistence: Any = client.info("persistence")
    return bool(persistence.get("aof_rewrite_in_progress") or persistence.get("aof_rewrite_scheduled"))
