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


def _encoded_names(record: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(record))


_PARTS: Final = frozenset(("properties", "context"))
_EVENT: Final = _encoded_names(Event) - _PARTS
_CONTEXT: Final = _encoded_names(Context)
_PROPERTIES: Final = _encoded_names(Properties)
_POLICY_PROPERTIES: Final = _PROPERTIES | frozenset(FIELDS)
_TRAITS: Final = frozenset(TRAITS)
_PLAIN: Final = (str, int, float, bool)
_DECODER: Final = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


def known_event(raw: bytes) -> bytes:
    """The event with what is read of it. Raises msgspec.DecodeError for what is no JSON object."""
    event = _DECODER.decode(raw)
    output = _known_fields(event, _EVENT)
    properties = _POLICY_PROPERTIES if event.get("event") == POLICY_UPDATED else _PROPERTIES
    for part, names in (("properties", properties), ("traits", _TRAITS), ("context", _CONTEXT)):
        section = event.get(part)
        if isinstance(section, dict):
            fields = _known_fields(section, names)
            if fields:
                output[part] = fields
    return _ENCODER.encode(output)


def _known_fields(values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names and isinstance(value, _PLAIN)}
