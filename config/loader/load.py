"""The journey catalogue from YAML: one file, or a folder whose files are put together.

In: a path, how much faster the world runs (``speed``), whether quiet hours hold.
Out: a ``Catalogue``. Refused, every problem at once in a ``ConfigurationError``:
what can't be read, has another shape than the records, or does not fit together.

Files of a folder are read in the order of their names. Each is a mapping of the
catalogue's top-level names; mappings of the same name (``journeys``, ``reasons``)
are put together, and a key that stands in two files is a problem.
"""

from pathlib import Path
from typing import Any

import msgspec

from config.documents.problems import ConfigurationError, Problem, shown
from config.documents.schema_errors import shape_problems
from config.documents.yaml_source import (
    DocumentPath,
    SourceLocation,
    YamlDocument,
    dotted,
    read_yaml,
    unreadable,
    why_not,
)
from config.loader.checks import catalogue_problems
from operators.records.catalogue import Catalogue, sped_up


def load_catalogue(path: str | Path, speed: float = 1.0, quiet_hours: bool = True) -> Catalogue:
    """The catalogue in ``path``, its waiting times divided by ``speed``.

    Raises ConfigurationError with every problem there is.
    """
    catalogue = _checked(read_catalogue(Path(path)))
    if not quiet_hours:
        catalogue = msgspec.structs.replace(catalogue, quiet_hours=None)
    try:
        return sped_up(catalogue, speed)
    except ValueError as error:
        raise ConfigurationError([Problem(str(path), None, "speed", f"{speed}", "a number above 0")]) from error


def read_catalogue(path: Path) -> YamlDocument:
    """The file, or all files of the folder put together, as one document with its problems."""
    if not path.is_dir():
        return read_yaml(path)
    try:
        files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"} and file.is_file())
    except OSError as error:
        return unreadable(str(path), None, why_not(error), "a folder that can be read")
    if not files:
        return unreadable(
            str(path), None, "a folder without *.yaml files", "a catalogue: a YAML file or a folder of them"
        )
    return _put_together(str(path), [read_yaml(file) for file in files])


def document_problems(document: YamlDocument) -> list[Problem]:
    """Everything wrong with a catalogue as it was read, in the order of files and lines, each once."""
    problems = [*document.problems]
    if document.value is not None:
        problems += shape_problems(document, Catalogue) + catalogue_problems(document)
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line or 0))


def _checked(document: YamlDocument) -> Catalogue:
    problems = document_problems(document)
    if problems:
        raise ConfigurationError(problems)
    try:
        return msgspec.convert(document.value, Catalogue)
    except msgspec.ValidationError as error:
        raise ConfigurationError([Problem(document.file, None, "$", str(error), "a catalogue")]) from error


def _put_together(folder: str, documents: list[YamlDocument]) -> YamlDocument:
    """One document of many; a part that is no mapping, or says a key again, is a problem."""
    value: dict[str, Any] = {}
    locations: dict[DocumentPath, SourceLocation] = {(): SourceLocation(folder, None)}
    problems: list[Problem] = []
    for document in documents:
        problems += document.problems
        if isinstance(document.value, dict):
            problems += _add(value, locations, document)
        elif not document.problems:
            problems.append(document.problem((), shown(document.value), "a mapping"))
    return YamlDocument(folder, value if value or not problems else None, locations, tuple(problems))


def _add(value: dict[str, Any], locations: dict[DocumentPath, SourceLocation], document: YamlDocument) -> list[Problem]:
    problems: list[Problem] = []
    refused: set[DocumentPath] = set()
    for name, part in document.value.items():
        if name not in value:
            value[name] = dict(part) if isinstance(part, dict) else part
            continue
        if not (isinstance(part, dict) and isinstance(value[name], dict)):
            refused.add((name,))
            continue
        refused |= {(name, key) for key in part if key in value[name]}
        value[name].update({key: inner for key, inner in part.items() if key not in value[name]})
    problems += [_twice(document, path, locations) for path in sorted(refused, key=dotted)]
    for path, location in document.locations.items():
        if path and not any(path[: len(refused_path)] == refused_path for refused_path in refused):
            locations.setdefault(path, location)
    return problems


def _twice(document: YamlDocument, path: DocumentPath, locations: dict[DocumentPath, SourceLocation]) -> Problem:
    first = locations[path]
    found = f"{shown(path[-1])} a second time (first in {first.file}:{first.line})"
    return document.problem(path, found, "each key once over all files")
