"""One YAML file as plain values, with the line of every one of them.

In: a path. Out: a ``YamlDocument``: mappings, lists, texts, numbers, switches, and
``lines`` from each path to its line. Refused, as ``Problem``s: files that can't be
read, are no UTF-8, no YAML, too big, too deep, expand too far by aliases, say a key
twice, or carry tags. Words are read as YAML 1.2 does: ``22:00``, ``on`` and ``no``
are texts; merge keys (``<<``) are not known.
"""

import math
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import yaml

from config.documents.problems import Problem, shown

DocumentPath = tuple[str | int, ...]
LARGEST_BYTES: Final = 1_000_000
MOST_VALUES: Final = 100_000
DEEPEST: Final = 40
LARGEST_WHOLE: Final = 2**53
_TAG: Final = "tag:yaml.org,2002:"
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_SCALARS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


class SourceLocation(NamedTuple):
    """Where a value stands; ``line`` counts from 1."""

    file: str
    line: int | None


class YamlDocument(msgspec.Struct, frozen=True):
    """What a file says. ``value`` is None when nothing could be read; ``locations`` has the location of each path."""

    file: str
    value: Any
    locations: dict[DocumentPath, SourceLocation]
    problems: tuple[Problem, ...] = ()

    def problem(self, path: DocumentPath, found: str, expected: str) -> Problem:
        """A problem at ``path``, with the line of the closest parent that has one."""
        location = self.location(path)
        return Problem(location.file, location.line, dotted(path), found, expected)

    def location(self, path: DocumentPath) -> SourceLocation:
        """Where ``path`` stands, else its closest parent."""
        locations = (
            self.locations[path[:length]] for length in range(len(path), -1, -1) if path[:length] in self.locations
        )
        return next(locations, SourceLocation(self.file, None))


def dotted(path: DocumentPath) -> str:
    """``journeys.claim.steps[1].id``; the whole file is ``$``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "$"


def read_yaml(path: Path) -> YamlDocument:
    """The document in ``path``; what is wrong with it is in ``problems``, nothing is raised."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        return unreadable(file, None, why_not(error), "a YAML file that can be read")
    if len(raw) > LARGEST_BYTES:
        return unreadable(file, None, f"more than {LARGEST_BYTES} bytes", "a smaller file")
    return read_yaml_bytes(file, raw)


def read_yaml_bytes(file: str, raw: bytes) -> YamlDocument:
    """The document in ``raw``, located in ``file``."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return unreadable(file, line, f"byte 0x{raw[error.start]:02x}", "text in UTF-8")
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        return _not_yaml(file, error)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return unreadable(file, line, f"the character {chr(int(error.character))!r}", "printable text")
    except RecursionError:
        return unreadable(file, None, "values nested too deeply to read", f"at most {DEEPEST} levels")
    except (ValueError, yaml.YAMLError) as error:
        return unreadable(file, None, f"no YAML ({error})", "YAML")
    if node is None:
        return unreadable(file, None, "an empty file", "a mapping")
    return _Reading(file).document(node)


class _Reading:
    """Walks one node tree into plain values, collecting lines and problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[DocumentPath, SourceLocation] = {}
        self.problems: list[Problem] = []
        self.values = 0

    def document(self, node: yaml.Node) -> YamlDocument:
        try:
            value = self.value(node, ())
        except _TooMuchError as error:
            return unreadable(self.file, error.line, error.found, error.expected)
        if value is None and not self.problems:
            return unreadable(self.file, None, "an empty file", "a mapping")
        return YamlDocument(self.file, value, self.places, tuple(self.problems))

    def value(self, node: yaml.Node, path: DocumentPath) -> object:
        self.values += 1
        line = node.start_mark.line + 1
        self.places.setdefault(path, SourceLocation(self.file, line))
        if self.values > MOST_VALUES:
            raise _TooMuchError(line, f"more than {MOST_VALUES} values once aliases are filled in", "fewer")
        if len(path) > DEEPEST:
            raise _TooMuchError(line, f"values nested more than {DEEPEST} levels deep", "fewer levels")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        self.expect_no_tag(node, path, "seq")
        return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]

    def mapping(self, node: yaml.MappingNode, path: DocumentPath) -> dict[str, object]:
        self.expect_no_tag(node, path, "map")
        values: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or not _is_text(key_node.value):
                self.problems.append(Problem(self.file, line, dotted(path), "a key that is no text", "a text as key"))
                continue
            key: str = key_node.value
            if key in values:
                found = f"{shown(key)} a second time (first in line {self.places[(*path, key)].line})"
                self.problems.append(Problem(self.file, line, dotted((*path, key)), found, "each key once"))
                continue
            self.places[(*path, key)] = SourceLocation(self.file, line)
            values[key] = self.value(value_node, (*path, key))
        return values

    def scalar(self, node: yaml.ScalarNode, path: DocumentPath) -> object:
        self.expect_no_tag(node, path, "str")
        text: str = node.value
        if not _is_text(text):
            self.problems.append(self.problem(node, path, "half of a surrogate pair", "text in Unicode"))
        return plain_value(text) if node.style is None else text

    def expect_no_tag(self, node: yaml.Node, path: DocumentPath, default: str) -> None:
        if node.tag != _TAG + default:
            self.problems.append(self.problem(node, path, f"the tag {shown(node.tag)}", "a plain value, without a tag"))

    def problem(self, node: yaml.Node, path: DocumentPath, found: str, expected: str) -> Problem:
        return Problem(self.file, node.start_mark.line + 1, dotted(path), found, expected)


class _Loader(yaml.SafeLoader):
    """Guesses nothing: every scalar stays a text until ``plain_value`` has seen it."""


_Loader.yaml_implicit_resolvers = {}


class _TooMuchError(Exception):
    """The document is bigger or deeper than a person would write."""

    def __init__(self, line: int, found: str, expected: str) -> None:
        self.line = line
        self.found = found
        self.expected = expected
        super().__init__(f"line {line}: found {found}, expected {expected}")


def plain_value(text: str) -> str | int | float | bool | None:
    """An unquoted word as YAML 1.2's core schema reads it (no octal, no infinity)."""
    if text in _SCALARS:
        return _SCALARS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return _number(float(text), text)
    return text


def _number(number: float, text: str) -> str | int | float:
    """A whole number as one, however it was written; what no float can hold stays a text."""
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() and abs(number) < LARGEST_WHOLE else number


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def why_not(error: OSError | ValueError) -> str:
    """The system's reason why a file can't be opened, without its name (we say it ourselves)."""
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def _not_yaml(file: str, error: yaml.MarkedYAMLError) -> YamlDocument:
    mark = error.problem_mark or error.context_mark
    reason = " ".join(part for part in (error.context, error.problem) if part)
    return unreadable(file, None if mark is None else mark.line + 1, f"no YAML ({reason})", "YAML")


def unreadable(file: str, line: int | None, found: str, expected: str) -> YamlDocument:
    """A document of which nothing is known but why it can't be read."""
    return YamlDocument(file, None, {}, (Problem(file, line, "$", found, expected),))
