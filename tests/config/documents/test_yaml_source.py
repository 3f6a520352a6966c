"""Reading YAML: plain values, their lines, and every way a file can be unreadable."""

from pathlib import Path

import pytest

from config.documents.yaml_source import (
    DEEPEST,
    LARGEST_BYTES,
    MOST_VALUES,
    dotted,
    plain_value,
    read_yaml,
    read_yaml_bytes,
)


def told(raw: bytes) -> list[str]:
    return [str(each) for each in read_yaml_bytes("f.yaml", raw).problems]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("22:00", "22:00"),
        ("08:00", "08:00"),
        ("on", "on"),
        ("no", "no"),
        ("012", 12),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("-5", -5),
        ("0.5", 0.5),
        ("5.0", 5),
        ("1e3", 1000),
        (".5", 0.5),
        (".inf", ".inf"),
        ("nan", "nan"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("2026-01-01", "2026-01-01"),
        ("٣", "٣"),
    ],
)
def test_words_are_read_as_yaml_1_2_does(word: str, value: object) -> None:
    found = plain_value(word)
    assert found == value
    assert type(found) is type(value)


def test_quoted_words_stay_texts() -> None:
    assert read_yaml_bytes("f", b"a: '5'\nb: \"true\"\nc: |-\n  7\n").value == {"a": "5", "b": "true", "c": "7"}


def test_every_value_has_its_line() -> None:
    document = read_yaml_bytes("f", b"a:\n  b:\n    - x\n    - y: 1\n")
    assert document.value == {"a": {"b": ["x", {"y": 1}]}}
    assert document.location(("a", "b", 1, "y")).line == 4
    assert document.location(("a", "b", 0)).line == 3
    assert document.location(("a", "b", 7, "zzz")).line == 2, "the closest parent stands for what is missing"


def test_paths_are_dotted() -> None:
    assert dotted(("journeys", "claim", "steps", 1, "id")) == "journeys.claim.steps[1].id"
    assert dotted(()) == "$"


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read_yaml_bytes("f", b"\xef\xbb\xbfa: 1").value == {"a": 1}


def test_aliases_are_filled_in() -> None:
    assert read_yaml_bytes("f", b"a: &x {b: 1}\nc: *x\n").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    expected = f"{path}: $: found no such file or directory, expected a YAML file that can be read"
    assert [str(each) for each in read_yaml(path).problems] == [expected]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "found is a directory, expected a YAML file that can be read" in str(read_yaml(tmp_path).problems[0])


def test_a_path_with_a_zero_byte_is_refused() -> None:
    assert "null byte" in str(read_yaml(Path("a\0b")).problems[0])


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (LARGEST_BYTES + 1))
    assert f"found more than {LARGEST_BYTES} bytes, expected a smaller file" in str(read_yaml(path).problems[0])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "f.yaml: $: found an empty file, expected a mapping"),
        (b"# nothing\n", "f.yaml: $: found an empty file, expected a mapping"),
        (b"~", "f.yaml: $: found an empty file, expected a mapping"),
        (b"a: 1\nb: \xff\n", "f.yaml:2: $: found byte 0xff, expected text in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "f.yaml:1: $: found byte 0x89, expected text in UTF-8"),
        (b"a: 1\nb: \x07\n", "f.yaml:2: $: found the character '\\x07', expected printable text"),
        (b"a: 1\na: 2\n", "f.yaml:2: a: found 'a' a second time (first in line 1), expected each key once"),
        (b"a: !!python/object:os.system {}", "f.yaml:1: a: found the tag 'tag:yaml.org,2002:python/object:os.system'"),
        (b"a: !x 1", "f.yaml:1: a: found the tag '!x', expected a plain value, without a tag"),
        (b"a: !!set {b}", "f.yaml:1: a: found the tag 'tag:yaml.org,2002:set'"),
        (b"a: !!omap [b: 1]", "f.yaml:1: a: found the tag 'tag:yaml.org,2002:omap'"),
        (b"[a]: 1", "f.yaml:1: $: found a key that is no text, expected a text as key"),
        (b'"\\ud800": 1', "f.yaml:1: $: found a key that is no text, expected a text as key"),
        (b'a: "\\ud800"', "f.yaml:1: a: found half of a surrogate pair, expected text in Unicode"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place(raw: bytes, expected: str) -> None:
    assert len(told(raw)) == 1
    assert told(raw)[0].startswith(expected)


@pytest.mark.parametrize(
    ("raw", "line"),
    [(b"a: 1\n\tb: 2\n", 2), (b"a: [1\n", 2), (b"a: *nobody\n", 1), (b"a: 1\n---\nb: 2\n", 2), (b"a: 'x\n", 2)],
)
def test_what_is_no_yaml_is_told_with_its_line(raw: bytes, line: int) -> None:
    assert len(told(raw)) == 1
    assert told(raw)[0].startswith(f"f.yaml:{line}: $: found no YAML (")
    assert told(raw)[0].endswith("expected YAML")


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    expected = f"found more than {MOST_VALUES} values once aliases are filled in, expected fewer"
    assert expected in told("\n".join(lines).encode())[0]


def test_an_alias_that_holds_itself_is_refused() -> None:
    assert f"nested more than {DEEPEST} levels deep" in told(b"a: &a [*a]")[0]


@pytest.mark.parametrize("depth", [DEEPEST + 5, 300_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    assert "deep" in told(b"[" * depth + b"]" * depth)[0]
