"""Settings from the environment, a YAML file and the command line.

In: environment variables (``ZHIYIN_NAME``, lists with commas, one inside a value after a backslash;
``REDIS_URL``), a YAML file of the names in ``config.settings.table``, and what the command line says. The
command line goes before the environment, the environment before the file. An empty variable is not set.
Out: ``Settings``. Refused, every problem at once in a ``ConfigurationError``: unknown
names (with the one that may be meant), wrong types, values out of range.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Final, get_args, get_origin

import msgspec

from config.documents.problems import ConfigurationError, Problem, shown, suggestion
from config.documents.schema_errors import shape_problems
from config.documents.yaml_source import SourceLocation, YamlDocument, plain_value, read_yaml
from config.settings.checks import settings_differences
from config.settings.table import SECRET, Settings

__all__ = ["Settings", "as_environment", "child_environment", "load_settings", "variable_of"]

PREFIX: Final = "ZHIYIN_"
OWN_VARIABLES: Final = {"redis_url": "REDIS_URL"}
"""Settings whose variable is not ``ZHIYIN_`` and the name: other programs know it too."""

NOT_SETTINGS: Final = ("ZHIYIN_REQUIRE", "ZHIYIN_TEST_")
"""Beginnings of variables that belong to the tests."""

_SEPARATOR: Final = re.compile(r"(?<!\\),")

_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(Settings)}


def load_settings(
    environ: Mapping[str, str] | None = None,
    file: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """The settings of this process.

    ``environ``: the environment (None: that of the process); ``file``: a YAML file;
    ``overrides``: setting to value, None where the command line is silent.
    Raises ConfigurationError with every problem there is.
    """
    sources = read_settings(environ, file, overrides)
    problems = settings_problems(sources)
    if problems:
        raise ConfigurationError(problems)
    return _settings(sources)


def read_settings(
    environ: Mapping[str, str] | None, file: str | Path | None, overrides: Mapping[str, object] | None
) -> list[YamlDocument]:
    """What each source says, the strongest last, each with its problems so far."""
    files = [] if file is None else [_file_source(Path(file))]
    return [*files, _environment_source(os.environ if environ is None else environ), _command_line_source(overrides)]


def settings_problems(sources: Sequence[YamlDocument]) -> list[Problem]:
    """Everything wrong with the sources, alone and together; what is wrong alone counts as not given."""
    alone = [problem for source in sources for problem in source_problems(source)]
    return alone + [_located_problem(sources, *difference) for difference in settings_differences(_settings(sources))]


def source_problems(source: YamlDocument) -> Iterator[Problem]:
    """What is wrong with one source alone; values that are secrets are not repeated."""
    yield from source.problems
    for problem in shape_problems(source, Settings):
        setting = problem.path.partition("[")[0]
        found = "a value that is not shown" if setting in SECRET else problem.found
        yield msgspec.structs.replace(problem, found=found, path=_name_in(source, problem.path))


def variable_of(setting: str) -> str:
    """The environment variable of a setting."""
    return OWN_VARIABLES.get(setting, f"{PREFIX}{setting.upper()}")


def as_environment(settings: Settings) -> dict[str, str]:
    """Variables that make ``load_settings`` give these settings again, for the processes we start."""
    texts = {variable_of(name): _as_text(getattr(settings, name)) for name in _TYPES}
    return {variable: text for variable, text in texts.items() if text}


def child_environment(settings: Settings, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """``environ`` (None: that of this process) with these settings in the place of its own."""
    inherited = os.environ if environ is None else environ
    ours = {variable_of(name) for name in _TYPES}
    return {name: text for name, text in inherited.items() if name not in ours} | as_environment(settings)


def _settings(sources: Sequence[YamlDocument]) -> Settings:
    """What the sources say as settings, the last one first asked, without what is wrong."""
    return msgspec.convert({name: value for source in sources for name, value in _sound(source).items()}, Settings)


def _sound(source: YamlDocument) -> dict[str, object]:
    wrong = {problem.path.partition("[")[0] for problem in shape_problems(source, Settings)}
    return {name: value for name, value in source.value.items() if name in _TYPES and name not in wrong}


def _file_source(path: Path) -> YamlDocument:
    """The file as a source; what is no mapping says nothing."""
    document = read_yaml(path)
    if isinstance(document.value, dict):
        return document
    problems = document.problems or (document.problem((), shown(document.value), "a mapping of settings"),)
    return msgspec.structs.replace(document, value={}, problems=problems)


def _environment_source(environ: Mapping[str, str]) -> YamlDocument:
    settings = {variable_of(name): name for name in _TYPES}
    variables = {name: text for name, text in environ.items() if text and (name in settings or _is_ours(name))}
    source = YamlDocument("environment", {}, {(): SourceLocation("environment", None)})
    problems = [
        source.problem((name,), "a variable we do not know", _meant(name)) for name in variables if name not in settings
    ]
    value = {settings[name]: _from_text(settings[name], text) for name, text in variables.items() if name in settings}
    return msgspec.structs.replace(source, value=value, problems=tuple(problems))


def _meant(variable: str) -> str:
    """The variable that may be meant, found by the setting's name alone."""
    text = suggestion(variable.removeprefix(PREFIX).lower(), _TYPES)
    name, _, rest = text.partition(" ")
    return f"{variable_of(name)} {rest}" if name in _TYPES else text


def _is_ours(variable: str) -> bool:
    return variable.startswith(PREFIX) and not variable.startswith(NOT_SETTINGS)


def _command_line_source(overrides: Mapping[str, object] | None) -> YamlDocument:
    value = {
        name: _from_argument(name, override) for name, override in (overrides or {}).items() if override is not None
    }
    return YamlDocument("command line", value, {(): SourceLocation("command line", None)})


def _from_argument(setting: str, value: object) -> object:
    if isinstance(value, str):
        return _from_text(setting, value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, float):
        return plain_value(repr(value))
    return list(value) if isinstance(value, tuple) else value


def _from_text(setting: str, text: str) -> object:
    """``text`` as the setting's type would be written in YAML; what does not fit stays for the check."""
    kind = _TYPES.get(setting, str)
    kinds = (kind, *get_args(kind))
    if tuple in {get_origin(alternative) for alternative in kinds}:
        return [part.strip().replace("\\,", ",") for part in _SEPARATOR.split(text) if part.strip()]
    return text if str in kinds else plain_value(text.strip())


def _as_text(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(item.replace(",", "\\,") for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _name_in(source: YamlDocument, path: str) -> str:
    """``path`` with the setting called as the source calls it."""
    setting = path.partition("[")[0]
    if source.file == "environment" and setting in _TYPES:
        return path.replace(setting, variable_of(setting), 1)
    return path


def _located_problem(sources: Sequence[YamlDocument], setting: str, found: str, expected: str) -> Problem:
    """A problem of one setting, located where it was given last, else as one of the defaults."""
    for source in reversed(sources):
        if setting in _sound(source):
            problem = source.problem((setting,), found, expected)
            return msgspec.structs.replace(problem, path=_name_in(source, problem.path))
    return Problem("defaults", None, setting, found, expected)
