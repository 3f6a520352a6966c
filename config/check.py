"""Everything wrong in settings and catalogue, at once.

In: what a process would be started with. Out: every ``Problem``, none when it would start.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from config.documents.problems import Problem
from config.documents.yaml_source import YamlDocument
from config.loader.load import document_problems, read_catalogue
from config.settings.load import Settings, read_settings, settings_problems


def check(
    environ: Mapping[str, str] | None = None,
    file: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> list[Problem]:
    """What is wrong with the settings (as ``load_settings`` takes them) and the catalogue they name."""
    sources = read_settings(environ, file, overrides)
    return [*settings_problems(sources), *check_catalogue(_catalogue_path(sources))]


def check_catalogue(path: str | Path) -> list[Problem]:
    """What is wrong with one catalogue."""
    return document_problems(read_catalogue(Path(path)))


def _catalogue_path(sources: Sequence[YamlDocument]) -> str:
    """The catalogue meant, even where other settings are wrong."""
    values = [source.value.get("catalogue") for source in sources]
    return next((value for value in reversed(values) if isinstance(value, str) and value), Settings().catalogue)
