"""Can the needs of a catalogue be worked out? Each expression is compiled and tried before anything starts.

In: the document as it was read, whatever its shape. Out: differences with their paths, none when all is well.
"""

from collections.abc import Iterator
from typing import Any
from zoneinfo import available_timezones

from config.documents.problems import shown, suggestion
from config.documents.schema_errors import SchemaDifference
from operators.contacts.needs import NotAnExpression, compiled


def need_differences(tree: dict[str, Any]) -> Iterator[SchemaDifference]:
    """What is wrong with ``needs`` and ``bundles``: expressions that are none, a zone nobody knows."""
    needs, bundles = tree.get("needs"), tree.get("bundles")
    for code, rule in needs.items() if isinstance(needs, dict) else ():
        expression = rule.get("when") if isinstance(rule, dict) else None
        if isinstance(expression, str):
            yield from _expression(("needs", code, "when"), expression)
    zone = bundles.get("zone") if isinstance(bundles, dict) else None
    if isinstance(zone, str) and zone not in available_timezones():
        expected = suggestion(zone, available_timezones(), "an IANA zone such as Asia/Shanghai")
        yield ("bundles", "zone"), shown(zone), expected


def _expression(path: tuple[str, ...], expression: str) -> Iterator[SchemaDifference]:
    try:
        compiled(expression)
    except NotAnExpression as error:
        yield path, f"{shown(expression)}: {error.found}", "an expression in CEL that is true or false"
