"""However a catalogue is mangled: it is loaded, or refused with problems that have a place."""

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import ConfigurationError, Problem, load_catalogue
from tests.config.loader.catalogues import GOOD

FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SNIPPETS = [
    *("\t", "\n", "  ", ": ", "- ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "|", ">", "'", '"', "#", "%", "\0", "…"),
    *("---\n", "?", "<<: ", "null", "1e400", "\\x", "ÿ", "9" * 50, "0s", "{step}", "unknown"),
]
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(["5m", "0s", "99999999d", "apply", "{step}", "{x}", "unknown", "22:00", "٣s"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def loaded_or_refused(path: Path) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        load_catalogue(path, speed=2.5)
    except ConfigurationError as error:
        problems = error.problems or (Problem("", 0, "", "", ""),)
    assert all(each.file == str(path) and each.path and each.found and each.expected for each in problems)
    assert all(each.line is None or each.line >= 1 for each in problems)


@FUZZ
@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 8))
def test_mangled_text(tmp_path: Path, seed: int, cuts: int) -> None:
    draw = random.Random(seed)
    text = GOOD
    for _ in range(cuts):
        at = draw.randrange(len(text) + 1)
        drop = draw.choice([0, 0, 1, 5, 40])
        text = text[:at] + draw.choice(["", *SNIPPETS]) + text[at + drop :]
    path = tmp_path / "catalogue.yaml"
    path.write_text(text, encoding="utf-8")
    loaded_or_refused(path)


@FUZZ
@given(raw=st.binary(max_size=60), at=st.integers(0, len(GOOD)))
def test_bytes_in_the_middle(tmp_path: Path, raw: bytes, at: int) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_bytes(GOOD[:at].encode() + raw + GOOD[at:].encode())
    loaded_or_refused(path)


@FUZZ
@given(data=st.data())
def test_other_values_in_the_tree(tmp_path: Path, data: st.DataObject) -> None:
    tree = yaml.load(GOOD, Loader=yaml.BaseLoader)  # noqa: S506 - BaseLoader makes texts, lists and mappings only
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths(tree)))
        change(tree, path, data.draw(VALUES), data.draw(st.sampled_from(["replace", "remove", "add"])))
    file = tmp_path / "catalogue.yaml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    loaded_or_refused(file)


def paths(value: object) -> list[tuple[Any, ...]]:
    """Every place in the tree but its root."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path for key, inner in parts for path in [(key,), *((key, *each) for each in paths(inner))]]


def change(tree: Any, path: tuple[Any, ...], value: object, how: str) -> None:  # noqa: ANN401 - trees are of any type
    parent = tree
    for key in path[:-1]:
        parent = parent[key]
    if how == "remove":
        del parent[path[-1]]
    elif how == "add" and isinstance(parent, dict):
        parent["surprise"] = value
    else:
        parent[path[-1]] = value


@pytest.mark.parametrize("word", SNIPPETS)
def test_the_words_of_the_fuzz_alone(tmp_path: Path, word: str) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(word, encoding="utf-8")
    loaded_or_refused(path)
