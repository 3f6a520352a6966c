"""Problems and the error that carries them."""

import pytest

from config import ConfigurationError, Problem
from config.documents.problems import plain_number, shown, suggestion


def test_a_problem_says_where_what_and_what_instead() -> None:
    assert str(Problem("a.yaml", 3, "caps.hints", "0", "at least 1")) == (
        "a.yaml:3: caps.hints: found 0, expected at least 1"
    )


def test_a_problem_without_a_line_names_the_file_alone() -> None:
    assert str(Problem("environment", None, "X", "y", "z")) == "environment: X: found y, expected z"


def test_the_error_lists_every_problem_one_a_line() -> None:
    problems = (Problem("a", 1, "x", "1", "2"), Problem("b", None, "y", "3", "4"))
    error = ConfigurationError(problems)
    assert error.problems == problems
    assert str(error).splitlines() == [str(each) for each in problems]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing (null)"),
        ({}, "an empty mapping"),
        ({"a": 1}, "a mapping"),
        ([], "an empty list"),
        ([1, 2], "a list of 2"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        ("ab", "'ab'"),
        ("a" * 70, f"'{'a' * 60}'... (70 characters)"),
    ],
)
def test_values_are_shown_in_words(value: object, words: str) -> None:
    assert shown(value) == words


def test_a_close_name_is_suggested_else_all_or_what_is_told_otherwise() -> None:
    assert suggestion("stepz", ["steps", "title"]) == "steps (is that what was meant?)"
    assert suggestion("qqq", ["steps", "title"]) == "one of steps, title"
    assert suggestion("qqq", ["steps", "title"], "a known one") == "a known one"
    assert suggestion("qqq", map(str, range(20))) == "one of the 20 names that docs/reference lists"


def test_numbers_are_written_without_powers_of_ten() -> None:
    assert [plain_number(each) for each in (100_000_000, 0.5, 3.0)] == ["100000000", "0.5", "3"]
