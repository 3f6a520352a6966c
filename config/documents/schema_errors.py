"""Does a document have the shape of our records? Every difference, in words a person can act on.

In: a ``YamlDocument`` and the JSON Schema that msgspec writes for a record type.
Out: ``Problem``s with file, line, dotted path, found and expected; none when it fits.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import groupby
from typing import Any, Final

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from config.documents.problems import Problem, plain_number, shown, suggestion
from config.documents.yaml_source import DocumentPath, YamlDocument

SchemaDifference = tuple[DocumentPath, str, str]
"""Path, found, expected."""

_NAMES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text (in quotes if it looks like a number or a switch)",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
DURATION_EXAMPLES: Final = "a duration such as 500ms, 30s, 5m, 24h or 7d"


def shape_problems(document: YamlDocument, record: type) -> list[Problem]:
    """Everything in ``document`` that keeps it from being a ``record``."""
    errors = _validator(record).iter_errors(document.value)
    differences = dict.fromkeys(difference for error in errors for difference in _differences(error))
    return [document.problem(*difference) for difference in differences]


@cache
def _validator(record: type) -> Draft202012Validator:
    return Draft202012Validator(msgspec.json.schema(record))


def _differences(error: ValidationError) -> Iterator[SchemaDifference]:
    path = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        yield (*path, str(error.instance)), f"the name {shown(error.instance)}", "a name of 1 to 100 characters"
        return
    several = _SEVERAL.get(str(error.validator))
    if several is not None:
        yield from several(error, path)
        return
    yield path, shown(error.instance), _expected(error)


def _expected(error: ValidationError) -> str:
    limit: Any = error.validator_value
    texts: dict[str, Callable[[], str]] = {
        "type": lambda: _schema_text(_schema(error)),
        "enum": lambda: _choice(error.instance, limit),
        "pattern": lambda: _pattern(error),
        "minimum": lambda: f"at least {plain_number(limit)}",
        "maximum": lambda: f"at most {plain_number(limit)}",
        "exclusiveMinimum": lambda: f"more than {plain_number(limit)}",
        "minLength": lambda: "a text that is not empty",
        "maxLength": lambda: f"at most {limit} characters",
        "minItems": lambda: f"at least {limit} in the list",
        "minProperties": lambda: f"at least {limit} in the mapping",
    }
    text = texts.get(str(error.validator))
    return error.message if text is None else text()


def _choice(value: object, choices: list[Any]) -> str:
    return suggestion(value, map(str, choices)) if isinstance(value, str) else f"one of {', '.join(map(str, choices))}"


def _pattern(error: ValidationError) -> str:
    if "ms|s|m|h|d" in str(error.validator_value):
        return DURATION_EXAMPLES
    if ":" in str(error.validator_value):
        return "a time of day from 00:00 to 23:59"
    return f"a text like {error.validator_value}"


def _missing(error: ValidationError, path: DocumentPath) -> Iterator[SchemaDifference]:
    known = _known(error)
    for name in known:
        if name in _required(error) and name not in _instance(error):
            yield (*path, name), "nothing", _schema_text(known[name])


def _unknown(error: ValidationError, path: DocumentPath) -> Iterator[SchemaDifference]:
    known = _known(error)
    for name in _instance(error):
        if name not in known:
            yield (*path, name), "a key we do not know", suggestion(name, known)


def _alternatives(error: ValidationError, path: DocumentPath) -> Iterator[SchemaDifference]:
    """The differences to the alternative that was meant: the one whose own type fits."""
    branches = [list(group) for _, group in groupby(error.context or (), key=lambda inner: inner.schema_path[0])]
    meant = [branch for branch in branches if not any(inner.validator == "type" and not inner.path for inner in branch)]
    for branch in meant[:1]:
        for inner in branch:
            yield from _differences(inner)
    if not meant:
        kinds = [_expected(inner) for branch in branches for inner in branch if inner.validator_value != "null"]
        yield path, shown(error.instance), " or ".join(dict.fromkeys(kinds))


def _schema_text(schema: Mapping[str, Any]) -> str:
    """What a value should be, as far as its schema says so in one place."""
    if "$ref" in schema:
        return "a mapping"
    if "ms|s|m|h|d" in schema.get("pattern", ""):
        return DURATION_EXAMPLES
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    return _NAMES.get(str(schema.get("type")), "a value")


def _schema(error: ValidationError) -> Mapping[str, Any]:
    return error.schema if isinstance(error.schema, Mapping) else {}


def _known(error: ValidationError) -> dict[str, dict[str, Any]]:
    """The names the schema at hand knows, with the schema of each."""
    return dict(_schema(error).get("properties", {}))


def _required(error: ValidationError) -> list[str]:
    return error.validator_value if isinstance(error.validator_value, list) else []


def _instance(error: ValidationError) -> dict[str, object]:
    return error.instance if isinstance(error.instance, dict) else {}


_SEVERAL: Final[dict[str, Callable[[ValidationError, DocumentPath], Iterator[SchemaDifference]]]] = {
    "required": _missing,
    "additionalProperties": _unknown,
    "anyOf": _alternatives,
}
