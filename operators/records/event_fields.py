"""What of an event is read at all; everything else need not be kept.

In: one event's bytes, a JSON object. Out: the same event with nothing but the fields that some rule reads, each a
plain value (text, number, yes or no). Refused: nothing; what is not read is left out, whatever it is. So a name, a
telephone number or an identity number that a website sends along goes no further, under whatever name it comes.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from operators.records.events import POLICY_UPDATED, Context, Event, Properties
from operators.records.policies import FIELDS, TRAITS


def _written_names(record: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(record))


_PARTS: Final = frozenset(("properties", "context"))
_EVENT: Final = _written_names(Event) - _PARTS
_CONTEXT: Final = _written_names(Context)
_PROPERTIES: Final = _written_names(Properties)
_OF_A_POLICY: Final = _PROPERTIES | frozenset(FIELDS)
_TRAITS: Final = frozenset(TRAITS)
_PLAIN: Final = (str, int, float, bool)
_DECODER: Final = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


def known_event(raw: bytes) -> bytes:
    """The event with what is read of it. Raises msgspec.DecodeError for what is no JSON object."""
    given = _DECODER.decode(raw)
    kept = _kept(given, _EVENT)
    properties = _OF_A_POLICY if given.get("event") == POLICY_UPDATED else _PROPERTIES
    for part, names in (("properties", properties), ("traits", _TRAITS), ("context", _CONTEXT)):
        inside = given.get(part)
        if isinstance(inside, dict):
            found = _kept(inside, names)
            if found:
                kept[part] = found
    return _ENCODER.encode(kept)


def _kept(given: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in names and isinstance(value, _PLAIN)}
