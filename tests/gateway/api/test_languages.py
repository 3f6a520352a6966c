import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.languages import LANGUAGES, picked_language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh"),
        ("", "zh"),
        ("fr-FR, de;q=0.9", "zh"),
        ("*", "zh"),
        ("en", "en"),
        ("en-US,en;q=0.9", "en"),
        ("en-GB;q=0.8, zh-TW;q=0.9", "zh"),
        ("en, zh", "zh"),
        ("fr, en;q=0.3", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("en;q=nan", "zh"),
        ("en;q=7", "zh"),
        ("en;q=", "zh"),
    ],
)
def test_the_language_a_reader_likes_best(header: str | None, language: str) -> None:
    assert picked_language(header) == language


@given(st.text(max_size=80))
def test_any_header_gives_a_language(header: str) -> None:
    assert picked_language(header) in LANGUAGES
