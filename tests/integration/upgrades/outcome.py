"""All that can be seen of a run, in a form in which two runs of the same story are equal.

In: a Redis, the text of the engine's metrics. Out: an ``Outcome``: lines by key, sorted. Instants that the story sets
(of facts, break-offs, completions) are kept to the millisecond. Instants that the clock gave (when a hint was told)
are cut down to the phase in which they lie; names drawn at random are left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
import orjson
import redis

from operators.support.timestamps import iso_text
from tests.integration.upgrades.story import BEGIN_MS, PHASE_LASTS_MS, PHASE_MS

Outcome = Mapping[str, Sequence[str]]
"""By Redis key, or by metric: what there is, a line each."""
Json = Any
"""A JSON value as it was read."""

_LEFT_OUT: Final = re.compile(r"zy:(bus:|channel-epoch:|presence:|on-line|told:|outreach-version)")
"""The bus itself, and what is drawn at random or lasts for seconds; what was told is in the streams."""
_BY_THE_CLOCK: Final = frozenset(
    (
        *("created_at", "expires_at", "speak_after", "listed_at", "claimed_until", "time", "at"),
        *("expirytime", "expires_at_ms", "claimed_until_ms", "outcome_at_ms"),
    )
)
_LEFT_OUT_WITH: Final = {"failure": "id", "question_id": "score"}
"""A dead letter's id follows from its arrival; a question's score from the instant at which the list was written."""
_RANK: Final = 1 << 42
"""A rank is this many times a priority or need, and an instant."""
_COUNTED: Final = re.compile(r"^(zhiyin_\w+_total(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)
"""The engine's counters of what it has decided."""
_WORDS: Final = re.compile(rb"[\d ]+")
_INSTANT: Final = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
_EPOCH_MS: Final = re.compile(r"(?<!\d)1[67]\d{11}(?!\d)")


def outcome_of(client: redis.Redis, metrics: str) -> dict[str, list[str]]:
    """What there is now."""
    found = {key: list(_seen(client, key)) for key in sorted(_keys(client))}
    found["metrics"] = sorted(f"{name} {value}" for name, value in _COUNTED.findall(metrics))
    return found


def different(found: Outcome, expected: Outcome, most: int = 40) -> str:
    """The lines of one that the other has not; empty when they are the same, order included."""
    lines: list[str] = []
    for key in sorted(found.keys() | expected.keys()):
        has, should = list(found.get(key, ())), list(expected.get(key, ()))
        if has != should:
            too_many, missing = Counter(has) - Counter(should), Counter(should) - Counter(has)
            lines += [f"{key}: found {each}" for each in too_many] + [f"{key}: expected {each}" for each in missing]
            if not too_many and not missing:
                lines.append(f"{key}: the same lines in another order")
    return "\n".join(lines[:most])


def _keys(client: redis.Redis) -> Iterable[str]:
    names: Any = client.scan_iter(count=1_000)
    return (name for name in (each.decode() for each in names) if not _LEFT_OUT.match(name))


def _seen(client: redis.Redis, key: str) -> Iterable[str]:
    """What a key holds, a line for each of its parts."""
    kind: Any = client.type(key)
    answer: Any
    match kind:
        case b"stream":
            answer = client.xrange(key)
            entries = [cut({name.decode(): _value(value) for name, value in entry.items()}) for _, entry in answer]
            return [line(entry) for entry in sorted(entries, key=_about)]
        case b"hash":
            answer = client.hgetall(key)
            return sorted(line([name.decode(), _field(name.decode(), value)]) for name, value in answer.items())
        case b"zset":
            answer = client.zrange(key, 0, -1, withscores=True)
            return sorted(line([_value(member), _score(score)]) for member, score in answer)
        case b"set":
            answer = client.smembers(key)
            return sorted(line(_value(member)) for member in answer)
        case _:
            answer = client.get(key)
            return [line(_value(answer or b""))]


def _about(entry: dict[str, Any]) -> str:
    """Whom an entry of a stream is about: the order of one customer's entries counts, that of customers does not."""
    document = entry.get("e", {})
    return str(document.get("subject", "")) if isinstance(document, dict) else ""


def line(value: object) -> str:
    """JSON with sorted keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _value(raw: bytes) -> object:
    """JSON, msgpack or text as it is, instants by the clock only to the phase."""
    head, brace, tail = raw.partition(b" {")
    if brace and _WORDS.fullmatch(head):  # some words before a document
        return [_value(head), _value(b"{" + tail)]
    try:
        return cut(orjson.loads(raw))
    except orjson.JSONDecodeError:
        pass
    try:
        return _EPOCH_MS.sub(_to_phase, raw.decode())
    except UnicodeDecodeError:
        return orjson.loads(orjson.dumps(msgspec.to_builtins(msgspec.msgpack.decode(raw), str_keys=True), default=repr))


def _field(name: str, raw: bytes) -> object:
    value = _value(raw)
    return cut({name: value})[name]


def _score(score: float) -> int | float:
    """An instant to its phase, alone or below a rank; other scores as they are."""
    rank, at_ms = divmod(round(score), _RANK)
    return rank * _RANK + _phase_ms(at_ms) if _EPOCH_MS.fullmatch(str(at_ms)) else score


def cut(value: Json) -> Json:
    """``value`` with its instants by the clock cut down to their phases, however deep they lie."""
    if isinstance(value, list):
        return [cut(each) for each in value]
    if not isinstance(value, dict):
        return value
    kind = str(value.get("type", ""))
    if kind.startswith("zhiyin.transaction."):
        return value
    left_out = [name for sign, name in _LEFT_OUT_WITH.items() if sign in value]
    return {name: _cut_field(name, each) for name, each in value.items() if name not in left_out}


def _cut_field(name: str, value: Json) -> Json:
    if name == "rank":
        return _score(int(value))
    if name == "failure":
        return {inner: each for inner, each in value.items() if inner != "timestamp"}
    return _cut_instant(value) if name in _BY_THE_CLOCK else cut(value)


def _cut_instant(value: Json) -> Json:
    if isinstance(value, str) and _INSTANT.match(value):
        at_ms = msgspec.convert(value, type=datetime).timestamp() * 1000
        return iso_text(_phase_ms(round(at_ms)))
    return _phase_ms(value) if isinstance(value, int) else cut(value)


def _phase_ms(at_ms: int) -> int:
    """What is due between two phases belongs to the second, whether it was done on time or only then."""
    return BEGIN_MS + (at_ms - BEGIN_MS + PHASE_MS - PHASE_LASTS_MS) // PHASE_MS * PHASE_MS


def _to_phase(found: re.Match[str]) -> str:
    return str(_phase_ms(int(found[0])))
