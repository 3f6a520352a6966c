"""Events for tests: good ones, and strategies that spoil them."""

import json
from typing import Any, Final

from hypothesis import strategies as st

GOOD: Final[dict[str, Any]] = {"type": "track", "event": "Policy Viewed", "messageId": "m-1", "userId": "c-1"}


def event_json(**fields: object) -> bytes:
    """A good event as JSON, with ``fields`` in the place of its own (None: left out)."""
    merged = {**GOOD, **fields}
    return json.dumps({key: value for key, value in merged.items() if value is not None}).encode()


_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
json_values: Final = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
)
_fields: Final = st.sampled_from(
    [
        "type",
        "event",
        "messageId",
        "userId",
        "anonymousId",
        "timestamp",
        "originalTimestamp",
        "sentAt",
        "properties",
        "context",
        "traits",
    ]
)
_values: Final = (
    json_values
    | st.sampled_from(["Transaction Started", "identify", "track", "", "1970-01-01T00:00:00Z", "2026-05-04T11:00:00Z"])
    | st.fixed_dictionaries({"journey": json_values, "step": json_values, "transaction_id": json_values})
    | st.text(st.characters(), max_size=8)
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    event = {**GOOD, **draw(st.dictionaries(_fields, _values, max_size=4))}
    raw = json.dumps(event, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    spoilt = bytearray(raw.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(spoilt) - 1))
        spoilt[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        if not spoilt:
            break
    return bytes(spoilt)


mutated_events: Final = _mutated()
"""Bytes that were a good event before a field or a byte of it changed."""
