"""The check of the shape on records of its own: what no catalogue needs yet is told in words as well."""

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from config.documents.schema_errors import shape_problems
from config.documents.yaml_source import read_yaml_bytes


class SchemaPart(msgspec.Struct, forbid_unknown_fields=True):
    size: int


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    plate: Annotated[str, Meta(pattern="^[A-Z]+$")] = "A"
    pair: Annotated[list[int], Meta(max_length=2)] = []
    either: int | list[int] | None = None
    part: SchemaPart | None = None
    level: Literal[1, 2] = 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("plate: a1", "plate: found 'a1', expected a text like ^[A-Z]+$"),
        ("pair: [1, 2, 3]", "pair: found a list of 3, expected [1, 2, 3] is too long"),
        ("either: yes", "either: found 'yes', expected a whole number or a list"),
        ("either: [x]", "either[0]: found 'x', expected a whole number"),
        ("part: {}", "part.size: found nothing, expected a whole number"),
        ("part: {size: 1, sise: 2}", "part.sise: found a key we do not know, expected size (is that what was meant?)"),
        ("part: 3", "part: found 3, expected a mapping"),
        ("level: 3", "level: found 3, expected one of 1, 2"),
    ],
)
def test_a_difference_is_told_in_words(text: str, told: str) -> None:
    problems = shape_problems(read_yaml_bytes("f", text.encode()), Whole)
    assert [str(each) for each in problems] == [f"f:1: {told}"]


@pytest.mark.parametrize("text", ["either: 1", "either: [1, 2]", "either: null", "part: {size: 1}", "pair: [1.0]"])
def test_what_fits_is_not_spoken_of(text: str) -> None:
    assert shape_problems(read_yaml_bytes("f", text.encode()), Whole) == []
