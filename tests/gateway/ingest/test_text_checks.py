import json

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.ingest.text_checks import DEPTH, too_deep, wrong_text
from tests.gateway.events_made import json_values


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(inner) for inner in value.values()), default=0)
    return 1 + max((depth_of(inner) for inner in value), default=0) if isinstance(value, list) else 0


def has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def any_surrogate(value: object) -> bool:
    if isinstance(value, dict):
        return any(any_surrogate(each) for pair in value.items() for each in pair)
    return (
        any(map(any_surrogate, value)) if isinstance(value, list) else isinstance(value, str) and has_surrogate(value)
    )


@given(st.recursive(st.text(st.characters(), max_size=6), lambda inner: st.lists(inner, max_size=3)))
@example("\\ud83d")
@example("\ud83d\ude00")
@example("\ude00\ud83d")
@example("\\\ud83d")
def test_lone_surrogates_are_found_where_a_lenient_reader_finds_them(value: object) -> None:
    raw = json.dumps(value).encode()
    assert (wrong_text(raw) is not None) == any_surrogate(json.loads(raw))


@given(st.binary(max_size=60))
def test_what_is_not_utf8_is_found_where_the_good_part_ends(raw: bytes) -> None:
    rejection = wrong_text(raw)
    if raw.decode("utf-8", "replace").encode() == raw:
        assert rejection is None or rejection.kind == "lone_surrogate"
        return
    assert rejection is not None
    place = int(rejection.found.partition(" at byte ")[2].partition(",")[0])
    assert raw[:place].decode().encode() == raw[:place]
    assert rejection.found.startswith(f"byte 0x{raw[place]:02x}")


@given(json_values, st.integers(0, DEPTH + 6), st.sampled_from(["[", '{"a":', '["]\\"",', '{"}":0,"a":']))
def test_depth_is_counted_as_a_reader_counts_it(value: object, levels: int, opening: str) -> None:
    closing = "}" if opening.startswith("{") else "]"
    text = opening * levels + json.dumps(value) + closing * levels
    rejection = too_deep(text.encode())
    assert (rejection is not None) == (depth_of(json.loads(text)) > DEPTH)


def test_brackets_inside_strings_are_text() -> None:
    assert too_deep(b'{"a":"' + b"[{" * 5_000 + b'"}') is None
    assert too_deep(b'{"a":"' + b'\\"[' * 5_000) is None


def test_half_a_character_is_named_with_the_field_before_it() -> None:
    rejection = wrong_text(b'{"properties":{"note":"it\\ud83d"}}')
    assert (
        str(rejection)
        == "$: found \\ud83d alone at byte 25, after note, expected both halves of the character, or U+FFFD"
    )
